package app

import "github.com/geokv/geokv/internal/sim"

// defaultRate is the simulator's when nobody chooses one, in steps per second.
const defaultRate = 20

// Simulator drives the traffic simulator of this process.
func (a *App) Simulator() *sim.Control {
	return &sim.Control{Sim: a.sim, Defaults: sim.Options{Regions: a.Regions(), Rate: defaultRate}}
}
