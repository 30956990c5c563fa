package tui

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// Source is the cluster as the screens need it, on every stack alike. The HTTP
// client is one, but for Follow; tests have one that makes every state
// reachable. Methods may be called concurrently; errors are meant for people
// (a *fail.Error where the remedy is known).
type Source interface {
	Reader
	Writer
	Stream
	Simulator
	Faults
}

// Reader tells how the regions are and what their views hold.
type Reader interface {
	// Status reports on every region; one that is dead is part of the report.
	Status(ctx context.Context) (api.Report, error)
	// State reads the demo keys of a region.
	State(ctx context.Context, region string) (api.RegionState, error)
	// Key reads any key of a region, one page of a large container at a time.
	Key(ctx context.Context, q api.KeyQuery) (api.KeyPage, error)
}

// Writer appends operations.
type Writer interface {
	// Produce writes; an error means that certainly nothing was written.
	Produce(ctx context.Context, op event.Operation) (event.Receipt, error)
	// Plan says what Produce would write now.
	Plan(ctx context.Context, op event.Operation) (api.Plan, error)
}

// Stream delivers what the observers of all regions see.
type Stream interface {
	// Follow calls each with the newest recent observations and then with every
	// one that follows, until ctx ends (nil) or the source refuses (its error).
	// A stream that breaks says Down and goes on by itself.
	Follow(ctx context.Context, recent int, each func(News) error) error
}

// News is one delivery of a Stream.
type News struct {
	Observations []api.Observation
	Connected    bool   // the stream stands, for the first time or again
	Lost         uint64 // observations that the source dropped since the last News
	Down         error  // the stream broke and is being resumed
}

// Simulator makes traffic.
type Simulator interface {
	Sim(ctx context.Context) (api.Sim, error)
	StartSim(ctx context.Context, start api.SimStart) (api.Sim, error)
	StopSim(ctx context.Context) (api.Sim, error)
	SetSimRate(ctx context.Context, rate float64) (api.Sim, error)
}

// Faults breaks parts of the cluster on purpose. A cluster that cannot be broken
// from here answers Lab with an error or without links.
type Faults interface {
	Lab(ctx context.Context) (api.Lab, error)
	CutLink(ctx context.Context, f geo.Flow) (api.Lab, error)
	HealLink(ctx context.Context, f geo.Flow) (api.Lab, error)
	DelayLink(ctx context.Context, f geo.Flow, d time.Duration) (api.Lab, error)
	StopRegion(ctx context.Context, region string) (api.Lab, error)
	StartRegion(ctx context.Context, region string) (api.Lab, error)
}
