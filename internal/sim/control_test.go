package sim_test

import (
	"testing"
	"testing/synctest"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/sim"
)

// A run that names no seed gets one of its own.
func TestEachRunChoosesItsSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &sim.Control{Sim: sim.New(&recorder{}), Defaults: sim.Options{Regions: regions, Rate: 10}}
		seeds := map[uint64]bool{}
		for range 3 {
			state, err := c.Start(t.Context(), api.SimStart{})
			if err != nil {
				t.Fatal(err)
			}
			if state.Seed == 0 {
				t.Error("seed 0, which means to choose one")
			}
			seeds[state.Seed] = true
			if _, err := c.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(seeds) < 2 {
			t.Errorf("seeds %v of three runs, want different ones", seeds)
		}
	})
}
