package app

import (
	"cmp"
	"context"
	"math/rand/v2"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/sim"
)

// defaultRate is the simulator's when nobody chooses one, in steps per second.
const defaultRate = 20

// Simulator returns the traffic simulator of this process.
func (a *App) Simulator() Simulator { return Simulator{a.sim, a.Regions()} }

// Simulator serves a sim.Sim to the HTTP API. Its methods return the state
// after the call.
type Simulator struct {
	sim     *sim.Sim
	regions []string
}

// State tells what the simulator does and has done.
func (s Simulator) State() api.Sim {
	stats := s.sim.Stats()
	regions := make([]string, 0, len(stats.Regions))
	for _, name := range s.regions {
		if _, takesPart := stats.Regions[name]; takesPart {
			regions = append(regions, name)
		}
	}
	return api.Sim{
		Running: stats.Running, Rate: stats.Rate, Seed: stats.Seed, Regions: regions,
		Steps: uint64(stats.Steps), Produced: uint64(stats.Produced),
		Failed: uint64(stats.Failed), Unknown: uint64(stats.Unknown), Error: stats.LastError,
	}
}

// Start begins a run; what the request leaves open is chosen.
func (s Simulator) Start(_ context.Context, start api.SimStart) (api.Sim, error) {
	o := sim.Options{Regions: start.Regions, Rate: cmp.Or(start.Rate, defaultRate), Seed: start.Seed}
	if len(o.Regions) == 0 {
		o.Regions = s.regions
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	err := s.sim.Start(o)
	return s.State(), err
}

// Stop ends the run.
func (s Simulator) Stop(context.Context) (api.Sim, error) {
	s.sim.Stop()
	return s.State(), nil
}

// SetRate changes the rate of the run.
func (s Simulator) SetRate(_ context.Context, rate float64) (api.Sim, error) {
	err := s.sim.SetRate(rate)
	return s.State(), err
}
