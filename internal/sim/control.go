package sim

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// Control drives a Sim in the shapes of the HTTP API.
type Control struct {
	Sim      *Sim
	Defaults Options // for what a request leaves open; without a seed each run gets its own
}

// State returns the state now.
func (c *Control) State() api.Sim {
	st := c.Sim.Stats()
	regions := st.Order
	if len(regions) == 0 {
		regions = c.Defaults.Regions
	}
	return api.Sim{
		Running: st.Running, Rate: st.Rate, Seed: st.Seed, Regions: regions,
		Steps: uint64(st.Steps), Produced: uint64(st.Produced), Failed: uint64(st.Failed), Unknown: uint64(st.Unknown),
		Error: st.LastError,
	}
}

// Start begins a run. The error is a *fail.Error.
func (c *Control) Start(_ context.Context, request api.SimStart) (api.Sim, error) {
	o := c.Defaults
	if request.Rate != 0 {
		o.Rate = request.Rate
	}
	if request.Seed != 0 {
		o.Seed = request.Seed
	}
	if o.Seed == 0 {
		o.Seed = 1 + uint64(rand.Uint32())
	}
	if len(request.Regions) > 0 {
		o.Regions = request.Regions
		for _, r := range request.Regions {
			if !slices.Contains(c.Defaults.Regions, r) {
				return c.State(), geo.UnknownRegion(r, c.Defaults.Regions)
			}
		}
	}
	err := c.Sim.Start(o)
	return c.State(), err
}

// Stop ends the run; its last operations are in the state that is returned.
func (c *Control) Stop(ctx context.Context) (api.Sim, error) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.Sim.Stop()
	}()
	select {
	case <-stopped:
		return c.State(), nil
	case <-ctx.Done():
		return c.State(), fail.Wrap(fail.Timeout, ctx.Err(), "stop the simulator: operations are still on their way")
	}
}

// SetRate changes the rate of the run. The error is a *fail.Error.
func (c *Control) SetRate(_ context.Context, rate float64) (api.Sim, error) {
	err := c.Sim.SetRate(rate)
	return c.State(), err
}
