package web

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/watch"
)

// Service is what the API serves. Every error it returns is meant for the
// caller: a *fail.Error where the remedy is known. Region names are checked
// before a method is called.
type Service interface {
	// Topology is fixed for the life of the service.
	Topology() geo.Topology

	// Regions names the regions of the topology that this process serves, in
	// index order. About others it can tell what reaches the regions it serves.
	Regions() []string

	// Ready returns nil when every region this process serves can read and
	// write, otherwise what is missing.
	Ready(ctx context.Context) error

	// Produce appends one operation. A nil error means a durable receipt or one
	// with outcome unknown; an error means that certainly nothing was written.
	// An empty region leaves the choice to the service.
	Produce(ctx context.Context, op event.Operation) (event.Receipt, error)
	// Plan says what Produce would append now, and appends nothing.
	Plan(ctx context.Context, op event.Operation) (api.Plan, error)

	// Key reads one key of one region; a key without a value has type none. It
	// fails with code REBUILDING while the region has no complete view.
	Key(ctx context.Context, q api.KeyQuery) (api.KeyPage, error)
	// Keys lists user keys.
	Keys(ctx context.Context, q api.KeysQuery) (api.KeyList, error)
	// State reads the demo keys of a region.
	State(ctx context.Context, region string) (api.RegionState, error)

	// Status collects the state of every region; what cannot be reached is part
	// of the report, not an error.
	Status(ctx context.Context) (api.Report, error)

	// Await returns when every named region has applied the write, or with code
	// TIMEOUT, naming the regions that have not, when ctx ends.
	Await(ctx context.Context, r event.Receipt, regions []string) (api.Awaited, error)

	// Events is the stream of observations.
	Events() *watch.Hub
	// Recent re-reads the newest limit events from the logs, oldest first, and
	// counts the events stamped at or after sinceMS that it left out.
	Recent(ctx context.Context, limit int, sinceMS int64) (events []api.Observation, skipped int64, err error)
	// Log reads the part of the logs that q bounds, in the order of the stamps,
	// and calls emit for each event until it returns an error.
	Log(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) error
}

// Simulator is the traffic simulator of the running cluster. It checks rates.
type Simulator interface {
	State() api.Sim
	Start(ctx context.Context, s api.SimStart) (api.Sim, error)
	Stop(ctx context.Context) (api.Sim, error)
	SetRate(ctx context.Context, rate float64) (api.Sim, error)
}

// Lab breaks parts of the running cluster on purpose. Flows, names and delays
// are checked before a method is called.
type Lab interface {
	// Describe tells what can be broken and what is.
	Describe() api.Lab

	Cut(f geo.Flow) error
	Heal(f geo.Flow) error
	Delay(f geo.Flow, d time.Duration) error
	// StopRegion and StartRegion take a region's Kafka away and bring it back.
	StopRegion(ctx context.Context, name string) error
	StartRegion(ctx context.Context, name string) error
}
