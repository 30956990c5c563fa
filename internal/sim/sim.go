// Package sim is the traffic simulator: a shop with customers in every region
// that keeps every merge rule busy, conflicts on purpose included.
//
// What happens is a function of the seed (Generator); how fast, and what became
// of it, is Sim's.
package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/pause"
)

// Writer takes the operations; a bridge per region, or the HTTP API. A nil
// error with outcome "unknown" is neither produced nor failed.
type Writer interface {
	Produce(ctx context.Context, op event.Operation) (event.Receipt, error)
}

// Max is the greatest rate, in steps per second, and means as fast as the
// writers answer.
const Max float64 = 1_000_000

const (
	inFlightPerRegion = 64               // steps; beyond it a region's steps are skipped
	wakeEvery         = time.Millisecond // at high rates several steps are due at once
	catchUp           = time.Second      // what a stalled process makes up for, at most
	patience          = 50 * time.Millisecond
)

// Options of a run.
type Options struct {
	Regions []string // in index order
	Rate    float64  // steps per second over all regions: more than 0, at most Max
	Seed    uint64
	Steps   int64 // end after so many; 0 runs until Stop
}

// Counts of operations. A purchase is four of them.
type Counts struct {
	Produced int64 // durable
	Failed   int64 // certainly not in the log
	Unknown  int64 // may be or become durable
}

// Stats is the state of the simulator.
type Stats struct {
	Running bool
	Rate    float64 // steps per second; Max at full speed
	Seed    uint64
	Steps   int64    // begun
	Skipped int64    // not begun, or not in a region that had too many on their way
	Counts           // over all regions
	Order   []string // the regions as given at Start
	Regions map[string]Counts

	LastError string
}

// Sim runs one simulation at a time. It is safe for concurrent use; the zero
// value is not usable.
type Sim struct {
	writer Writer

	mu    sync.Mutex
	run   *run
	stats Stats
}

// run is one simulation between Start and its end.
type run struct {
	cancel  context.CancelFunc
	changed chan struct{} // the rate changed; capacity 1
	ended   chan struct{}
}

// New makes a simulator that does not run.
func New(w Writer) *Sim { return &Sim{writer: w} }

// Start begins a run; the counters start from 0. The error is a *fail.Error:
// one runs already, or the options are wrong.
func (s *Sim) Start(o Options) error {
	if len(o.Regions) == 0 {
		return fail.New(fail.Usage, "start the simulator: no regions")
	}
	if err := checkRate(o.Rate); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return fail.New(fail.Usage, "start the simulator: it runs already").WithHint("geokv sim stop, or geokv sim rate to change its rate")
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.run = &run{cancel: cancel, changed: make(chan struct{}, 1), ended: make(chan struct{})}
	s.stats = Stats{Running: true, Rate: o.Rate, Seed: o.Seed, Order: slices.Clone(o.Regions), Regions: map[string]Counts{}}
	for _, r := range o.Regions {
		s.stats.Regions[r] = Counts{}
	}
	go s.drive(ctx, s.run, o)
	return nil
}

func checkRate(rate float64) error {
	if rate > 0 && rate <= Max {
		return nil
	}
	return fail.New(fail.Usage, "set the simulator's rate to %g: want more than 0 and at most %.0f (full speed) steps per second", rate, Max)
}

// Stop ends the run and waits for the operations on their way. Without a run it
// does nothing.
func (s *Sim) Stop() {
	s.mu.Lock()
	r := s.run
	s.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.ended
	}
}

// Wait returns when the run has ended by itself or by Stop, or with ctx's error.
func (s *Sim) Wait(ctx context.Context) error {
	s.mu.Lock()
	r := s.run
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetRate changes the rate of the run, from now on. The error is a *fail.Error.
func (s *Sim) SetRate(rate float64) error {
	if err := checkRate(rate); err != nil {
		return err
	}
	return s.change(func(*run) { s.stats.Rate = rate })
}

func (s *Sim) change(apply func(*run)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return fail.New(fail.Usage, "change the simulator: it does not run").WithHint("geokv sim start")
	}
	apply(s.run)
	select {
	case s.run.changed <- struct{}{}:
	default:
	}
	return nil
}

// Stats returns the state now; after a run, how it ended.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Regions = maps.Clone(s.stats.Regions)
	return stats
}

// drive makes steps at the rate until the run ends.
func (s *Sim) drive(ctx context.Context, r *run, o Options) {
	d := &driver{sim: s, ctx: ctx, generator: NewGenerator(o.Seed, o.Regions), slots: map[string]chan struct{}{}, stuck: map[string]bool{}}
	for _, region := range o.Regions {
		d.slots[region] = make(chan struct{}, inFlightPerRegion)
	}
	pace := pacer{since: time.Now()}
	for left := o.Steps; ctx.Err() == nil && (o.Steps == 0 || left > 0); {
		rate := s.rate()
		due := pace.due(rate, time.Now())
		if o.Steps > 0 {
			due = min(due, left)
		}
		for range due {
			d.begin(d.generator.Next(), rate == Max)
		}
		left -= due
		if o.Steps > 0 && left == 0 {
			break
		}
		pace.sleep(ctx, r.changed, rate)
	}
	d.steps.Wait()
	r.cancel()
	s.mu.Lock()
	s.run, s.stats.Running = nil, false
	s.mu.Unlock()
	close(r.ended)
}

func (s *Sim) rate() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.Rate
}

// pacer turns a rate into steps that are due.
type pacer struct {
	rate  float64
	since time.Time // when this rate began
	made  int64     // steps due since then, so far
}

// due returns how many steps to make now. What could not be made in time is
// made up for, but for no more than catchUp.
func (p *pacer) due(rate float64, now time.Time) int64 {
	if rate != p.rate {
		p.rate, p.since, p.made = rate, now, 0
	}
	if rate == Max {
		return 64
	}
	total := int64(now.Sub(p.since).Seconds() * rate)
	if behind := total - p.made; float64(behind) > rate*catchUp.Seconds()+1 {
		p.made = total - int64(rate*catchUp.Seconds())
	}
	due := total - p.made
	p.made = total
	return due
}

// sleep waits until the next step may be due.
func (p *pacer) sleep(ctx context.Context, changed <-chan struct{}, rate float64) {
	if rate == Max {
		return
	}
	next := p.since.Add(time.Duration(float64(p.made+1) / rate * float64(time.Second)))
	pause.Until(ctx, changed, max(wakeEvery, time.Until(next)+time.Microsecond))
}

// driver carries steps out.
type driver struct {
	sim       *Sim
	ctx       context.Context
	generator *Generator
	slots     map[string]chan struct{}
	stuck     map[string]bool // regions without a place at the last try
	steps     sync.WaitGroup
}

// begin starts a step. A region that does not answer must not hold up the
// others: when it has too many on their way, its part of the step is skipped, at
// full speed after a moment's wait.
func (d *driver) begin(step Step, wait bool) {
	type turn struct {
		ops  []event.Operation
		slot chan struct{}
	}
	var turns []turn
	parts := step.parts()
	for _, ops := range parts {
		if slot, ok := d.take(ops[0].Region, wait); ok {
			turns = append(turns, turn{ops, slot})
		}
	}
	d.sim.count(func(st *Stats) {
		if len(turns) == len(parts) {
			st.Steps++
		} else {
			st.Skipped++
		}
	})
	for _, t := range turns {
		d.steps.Go(func() {
			defer func() { <-t.slot }()
			for _, op := range t.ops {
				if d.ctx.Err() != nil {
					return
				}
				d.write(op)
			}
		})
	}
}

// take takes one of a region's places. A region that let us wait in vain is not
// waited for again before it has a place, unless all are like that.
func (d *driver) take(region string, wait bool) (slot chan struct{}, ok bool) {
	slot = d.slots[region]
	wait = wait && (!d.stuck[region] || len(d.stuck) == len(d.slots))
	if ok = take(d.ctx, slot, wait); ok {
		delete(d.stuck, region)
	} else {
		d.stuck[region] = true
	}
	return slot, ok
}

func take(ctx context.Context, slot chan struct{}, wait bool) bool {
	select {
	case slot <- struct{}{}:
		return true
	default:
	}
	if !wait {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case slot <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// write sends one operation. A stop does not interrupt it: its fate is worth
// knowing, and the writer has a deadline of its own.
func (d *driver) write(op event.Operation) {
	receipt, err := d.sim.writer.Produce(context.WithoutCancel(d.ctx), op)
	d.sim.count(func(st *Stats) {
		region := st.Regions[op.Region]
		for _, c := range []*Counts{&st.Counts, &region} {
			switch {
			case err != nil:
				c.Failed++
			case receipt.Outcome == event.Durable:
				c.Produced++
			default:
				c.Unknown++
			}
		}
		st.Regions[op.Region] = region
		if err != nil && !errors.Is(err, context.Canceled) {
			st.LastError = op.Region + ": " + err.Error()
		}
	})
}

func (s *Sim) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}
