package proof

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/view"
)

var (
	histories = flag.Int("histories", 3000, "random histories per engine")
	seed      = flag.Uint64("seed", 1, "of the first round of histories")
)

const (
	orders   = 3  // in which each history is delivered
	perRound = 50 // histories that share a view, on keys of their own
)

// history is a random set of events on a few keys and what they amount to.
type history struct {
	events []event.Event
	want   map[string]string // per key, canonical
}

// round makes the histories of one seed.
func round(seed uint64) (rng *rand.Rand, list []history) {
	rng = rand.New(rand.NewPCG(seed, 4))
	for i := range perRound {
		o := crdttest.Options{Events: 6 + rng.IntN(16), SpanMS: []int64{20, 400, 100_000}[rng.IntN(3)], Producers: 1 + rng.IntN(3)}
		for _, name := range []string{"k", "ключ", "\xff\x00"}[:1+rng.IntN(3)] {
			o.Keys = append(o.Keys, fmt.Appendf(nil, "%d/%s", i, name))
		}
		switch rng.IntN(4) {
		case 0: // few kinds of operation, which then meet often
			for range 1 + rng.IntN(4) {
				o.Ops = append(o.Ops, event.Ops()[rng.IntN(len(event.Ops()))])
			}
		case 1:
			o.Keys = o.Keys[:1]
			o.Ops = append(slices.Repeat([]event.Op{event.OpIncr}, 60), event.OpSet, event.OpDel, event.OpSAdd)
			if o.Brink = rng.IntN(2) == 0; o.Brink {
				o.Ops = append(slices.Repeat([]event.Op{event.OpIncr}, 6), event.OpSet, event.OpSet, event.OpSAdd)
			}
			if rng.IntN(4) == 0 { // enough increments for rings to overflow and sums to be built
				o.Events, o.Regions = 160, geo.Default().Regions()[:1]
			}
		}
		list = append(list, newHistory(crdttest.Generate(rng, o)))
	}
	return rng, list
}

func newHistory(events []event.Event) history {
	h := history{events: events, want: map[string]string{}}
	state := crdt.NewState()
	for _, e := range events {
		state.Apply(e)
	}
	for _, e := range events {
		h.want[string(e.Key)] = canonical(state.View(e.Key, crdttest.DefaultNow))
	}
	return h
}

// TestHistories delivers random histories of all operations, from three regions
// and several producers each, in three orders with duplicates and rewinds, in
// batches of any size, folded or not: the views must be what the reference model
// makes of the set, and the position where the log ends.
//
//	go test ./internal/proof -run TestHistories -histories 100000 -seed 1
func TestHistories(t *testing.T) {
	onEngines(t, func(t *testing.T, db *view.DB) {
		started, repairs, events := time.Now(), 0, 0
		rounds := (*histories + perRound - 1) / perRound
		for n := range uint64(rounds) {
			rng, list := round(*seed + n)
			for order := range orders {
				r, e, err := deliver(db, rng, list, order)
				if err != nil {
					t.Fatalf("seed %d, order %d: %v\nrepeat with: go test -tags synctests ./internal/proof -run '%s' -histories %d -seed %d",
						*seed+n, order, explain(db, err), t.Name(), perRound, *seed+n)
				}
				repairs += r
				events += e
			}
			if done := (n + 1) * perRound; done%5000 == 0 {
				t.Logf("%d histories x %d orders: 0 mismatches after %s", done, orders, time.Since(started).Round(time.Second))
			}
		}
		t.Logf("%d histories x %d orders, seeds %d to %d: 0 mismatches; %d deliveries, %d repairs, %.0f histories/s",
			rounds*perRound, orders, *seed, *seed+uint64(rounds)-1, events, repairs, float64(rounds*perRound)/time.Since(started).Seconds())
		if repairs == 0 && rounds >= 20 {
			t.Error("no history needed a repair: the test has lost part of its purpose")
		}
	})
}

// deliver feeds all histories of a round into one empty view and compares.
func deliver(db *view.DB, rng *rand.Rand, list []history, order int) (repairs, events int, err error) {
	ctx := context.Background()
	if err := db.Flush(ctx); err != nil {
		return 0, 0, err
	}
	s := newSite(db, crdttest.DefaultNow, rng.IntN(4) == 0)
	log := interleave(rng, list, order)
	most := []int{3, 40, 400, 3000}[rng.IntN(4)]
	for _, batch := range crdttest.Batches(rng, log, most) {
		if err := s.apply(ctx, batch); err != nil {
			return 0, 0, err
		}
	}
	for i := range list {
		if wrong, err := s.check(ctx, list[i].want); err != nil {
			if wrong == "" {
				return 0, 0, err
			}
			return 0, 0, &mismatch{list[i].events, err}
		}
	}
	return s.repairs, len(log), nil
}

// interleave delivers each history in an order of its own, among the others.
func interleave(rng *rand.Rand, list []history, order int) (log []event.Event) {
	queues := make([][]event.Event, len(list))
	for i, h := range list {
		if order == orders-1 { // as a consumer of all logs may meet them
			queues[i] = crdttest.Interleave(rng, h.events)
		} else {
			queues[i] = crdttest.Shuffle(rng, h.events)
		}
	}
	queues = slices.DeleteFunc(queues, func(q []event.Event) bool { return len(q) == 0 }) // shrunk to nothing
	for len(queues) > 0 {
		i := rng.IntN(len(queues))
		n := 1 + rng.IntN(min(10, len(queues[i])))
		log = append(log, queues[i][:n]...)
		if queues[i] = queues[i][n:]; len(queues[i]) == 0 {
			queues = slices.Delete(queues, i, i+1)
		}
	}
	return log
}

// mismatch is a history whose view is wrong.
type mismatch struct {
	events []event.Event
	err    error
}

func (m *mismatch) Error() string { return m.err.Error() }

// explain reduces a history that fails by itself to the events that matter.
func explain(db *view.DB, err error) string {
	m, ok := err.(*mismatch)
	if !ok {
		return err.Error()
	}
	last := m.err
	fails := func(events []event.Event) bool {
		for attempt := range uint64(12) {
			rng := rand.New(rand.NewPCG(attempt, 5))
			if _, _, err := deliver(db, rng, []history{newHistory(events)}, int(attempt)%orders); err != nil {
				last = err
				return true
			}
		}
		return false
	}
	events := m.events
	if fails(events) {
		events = crdttest.Shrink(events, fails)
		fails(events)
	}
	text := last.Error() + "\nfrom these events alone:\n"
	for _, e := range events {
		line, _ := e.MarshalJSON()
		text += string(line) + "\n"
	}
	return text
}

// A wrong view is noticed and its history named: the test of the test.
func TestWrongViewsAreNoticed(t *testing.T) {
	onEngines(t, func(t *testing.T, db *view.DB) {
		rng, list := round(7)
		for key := range list[3].want {
			list[3].want[key] = "wrong"
		}
		_, _, err := deliver(db, rng, list, 0)
		m, ok := err.(*mismatch)
		if !ok || len(m.events) != len(list[3].events) || !strings.Contains(err.Error(), "want wrong") {
			t.Fatalf("%v", err)
		}
	})
}
