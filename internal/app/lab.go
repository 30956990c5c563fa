package app

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// Lab is what may be broken on purpose: the stack under this process. Lab.
// Cluster's implementations are adapted to it by the command line.
type Lab interface {
	Stack() string // embedded, process, compose
	Links() []api.LabLink
	Regions() []api.LabRegion

	Cut(f geo.Flow) error
	Heal(f geo.Flow) error
	Delay(f geo.Flow, d time.Duration) error
	StopRegion(ctx context.Context, name string) error
	StartRegion(ctx context.Context, name string) error
}

// LabControl serves a Lab to the HTTP API.
type LabControl struct{ Lab Lab }

// maxDelay bounds a link's delay; more is better said as a cut.
const maxDelay = time.Minute

// Describe tells what can be broken and what is.
func (c LabControl) Describe(context.Context) (api.Lab, error) {
	return api.Lab{Stack: c.Lab.Stack(), Links: c.Lab.Links(), Regions: c.Lab.Regions()}, nil
}

// Link cuts, heals or delays one direction.
func (c LabControl) Link(_ context.Context, f geo.Flow, a api.LinkAction) error {
	switch a.Action {
	case api.ActionCut:
		return c.Lab.Cut(f)
	case api.ActionHeal:
		return c.Lab.Heal(f)
	case api.ActionDelay:
		d := time.Duration(a.DelayMS) * time.Millisecond
		if d < 0 || d > maxDelay {
			return fail.New(fail.Usage, "delay link %s by %d ms, want 0 to %d", f, a.DelayMS, maxDelay.Milliseconds())
		}
		return c.Lab.Delay(f, d)
	}
	return fail.New(fail.Usage, "link action %q, want %s, %s or %s", a.Action, api.ActionCut, api.ActionHeal, api.ActionDelay)
}

// Region stops or starts a region's Kafka.
func (c LabControl) Region(ctx context.Context, name string, a api.RegionAction) error {
	switch a.Action {
	case api.ActionStop:
		return c.Lab.StopRegion(ctx, name)
	case api.ActionStart:
		return c.Lab.StartRegion(ctx, name)
	}
	return fail.New(fail.Usage, "region action %q, want %s or %s", a.Action, api.ActionStop, api.ActionStart)
}
