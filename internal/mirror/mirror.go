// Package mirror carries each region's log to the other regions inside the
// process, under the contract of MirrorMaker 2 with the identity policy: a flow
// copies its source's own topic, and nothing else, to the same topic and
// partition of its target; key, value, headers and timestamp survive; every
// record arrives at least once, and after a restart some arrive again, older
// ones after newer ones. It moves bytes and decodes nothing.
//
// Unlike MirrorMaker 2 its flows can be cut, healed and delayed one by one.
package mirror

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

// Config says what to mirror.
type Config struct {
	Topology geo.Topology
	// Open opens the log of a region. Every flow opens its own logs, so that
	// cutting one touches no other, and closes them.
	Open func(region string) (*wal.Log, error)
	// Store keeps how far each flow is; nil forgets it at the end of the
	// process, which fits clusters that forget their logs too.
	Store  Store
	Logger *slog.Logger
}

// Mirror is the set of flows between all regions.
type Mirror struct {
	flows map[geo.Flow]*flow
	order []geo.Flow
}

// State is what a flow does at the moment.
type State struct {
	Flow   geo.Flow
	State  api.FlowState // up, cut by Mirror.Cut, or down: the source or the target does not answer, or refuses
	Delay  time.Duration
	Detail string // why it is down; empty otherwise
	Copied int64  // records copied since the start of the process, repeats included
	Lag    int64  // records of the source that the target has not acknowledged, as of about a second ago; -1 when not known
}

// New makes the flows; Run starts them.
func New(cfg Config) *Mirror {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Store == nil {
		cfg.Store = forgetful{}
	}
	m := &Mirror{flows: map[geo.Flow]*flow{}, order: cfg.Topology.Flows()}
	for _, f := range m.order {
		m.flows[f] = newFlow(f, cfg)
	}
	return m
}

// Run copies until ctx ends, through outages of sources and targets.
func (m *Mirror) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, f := range m.flows {
		wg.Go(func() { f.run(ctx) })
	}
	wg.Wait()
}

// Cut stops a flow: when it returns, nothing more of the flow reaches the
// target, whether it was read before or not. Cutting twice is no error; an
// unknown flow is, with code NOT_FOUND.
func (m *Mirror) Cut(f geo.Flow) error { return m.with(f, (*flow).cut) }

// Heal lets a cut flow go on where it was.
func (m *Mirror) Heal(f geo.Flow) error { return m.with(f, (*flow).heal) }

// Delay makes every record of the flow wait for d after it was read, in order;
// 0 ends that, also for the records that wait.
func (m *Mirror) Delay(f geo.Flow, d time.Duration) error {
	if d < 0 {
		return fail.New(fail.Usage, "delay %s by %v: want 0 or more", f, d)
	}
	return m.with(f, func(fl *flow) { fl.setDelay(d) })
}

func (m *Mirror) with(f geo.Flow, do func(*flow)) error {
	fl, ok := m.flows[f]
	if !ok {
		return fail.New(fail.NotFound, "no flow %s", f).WithHint("geokv status lists the flows")
	}
	do(fl)
	return nil
}

// States returns the state of every flow, in the order of geo.Topology.Flows.
func (m *Mirror) States() []State {
	states := make([]State, len(m.order))
	for i, f := range m.order {
		states[i] = m.flows[f].state()
	}
	return states
}
