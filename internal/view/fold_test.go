package view

import (
	"context"
	"errors"
	"testing"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
)

// increments40 are enough of one region for a batch to sum the older ones.
func increments40() []event.Event {
	var log []event.Event
	for i := range int64(40) {
		log = append(log, ev(0, -1000+i, "n", incr(1)))
	}
	return log
}

// A barrier, or the expiry of an older SET, that falls into a stored sum cannot
// be answered from Redis: +1 at h1 and +1 at h3 summed into h3 would make a late
// SET 10 at h2 give 12 instead of 11.
func TestBarrierInsideASumAsksForTheLog(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		for name, late := range map[string]event.Event{
			"SET inside":    ev(1, -990, "n", set("100")),
			"DEL inside":    ev(1, -990, "n", event.Del{}),
			"expiry inside": ev(1, -1500, "n", event.Set{Value: []byte("100"), ExpireAtMS: testNow - 990}),
		} {
			flush(t, db)
			log := increments40()
			mustApply(t, db, batchAt(0, 40, log...))
			before := snapshot(t, db)
			b := batchAt(40, 41, late)
			var repair *RepairError
			if _, err := db.Apply(ctx, b); !errors.As(err, &repair) || repair.Keys[0].Since != late.HLC {
				t.Fatalf("%s: %v", name, err)
			}
			if after := snapshot(t, db); after != before {
				t.Fatalf("%s\nbefore\n%s\nafter\n%s", name, before, after)
			}
			log = append(log, late)
			b.Installs = recount(t, repair.Keys, log)
			mustApply(t, db, b)
			compareWithModel(t, db, log)
		}
	})
}

// A batch's own sums never cross its own SET's expiry, and barriers beside sums
// split nothing.
func TestSumsBesideBarriers(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		for _, other := range []event.Event{
			ev(1, -1500, "n", event.Set{Value: []byte("5"), ExpireAtMS: testNow - 985}),
			ev(1, -2000, "n", set("5")), ev(1, -100, "n", set("5")), ev(1, -980, "n", set("5")), ev(1, -980, "n", event.Del{}),
		} {
			inOrders(t, db, append(increments40(), other)...)
		}
	})
}

// The ring keeps the greatest stamps, not the latest arrivals.
func TestRingKeepsTheGreatest(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		f := newFeed(t, db)
		for i := range int64(crdt.RingSize) {
			f.apply(ev(0, -500+i, "n", incr(1)))
		}
		for i := range int64(10) { // late and oldest: they fold at once
			f.apply(ev(0, -900+i, "n", incr(1)))
		}
		f.apply(ev(1, -600, "n", set("1000"))) // after what is folded, before the ring
		if f.repairs != 0 {
			t.Errorf("%d repairs for a barrier that the ring can split", f.repairs)
		}
		compareWithModel(t, db, f.log)
	})
}

// The visible type does not depend on whether the server has dropped an expired
// string already: replay after the expiry must show what live applying showed.
func TestExpiredStringKeepsItsPlaceNatively(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		log := []event.Event{
			ev(0, -90, "k", event.Set{Value: []byte("5"), ExpireAtMS: testNow - 50}),
			ev(1, -89, "k", sadd("m")), ev(2, -88, "k", incr(1)),
		}
		for i, e := range log {
			b := NewBatch(testNow, false)
			b.Add(e)
			b.Ranges = []Range{{Topic: testTopic, From: int64(i), To: int64(i) + 1}}
			mustApply(t, db, b)
		}
		compareWithModel(t, db, log)
		if n := db.clients.read.Exists(ctx, "k").Val(); n != 0 {
			t.Error("something stands in the expired string's place")
		}
	})
}

// Should a script fail in the middle all the same, the position has not moved
// and the markers tell.
func TestFailureInTheMiddleIsTorn(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		mustApply(t, db, batchAt(0, 4, ev(0, -9, "k", sadd("m"))))
		db.clients.apply.Set(ctx, "k", "a foreign hand", 0)
		if _, err := db.Apply(ctx, batchAt(4, 5, ev(0, -8, "k", sadd("n")))); err == nil {
			t.Fatal("a set was written over a string")
		}
		p, err := db.Position(ctx, testTopic, 0)
		if err != nil || p.Offset != 4 || !p.Torn() {
			t.Fatalf("%+v %v", p, err)
		}
		var corrupt *CorruptError
		if _, err := db.Apply(ctx, batchAt(4, 5)); !errors.As(err, &corrupt) {
			t.Fatal(err)
		}
	})
}

// Entries of a stream fill a batch more slowly than other operations: it takes
// 2,048 of them.
func TestEntriesFillABatchSlowly(t *testing.T) {
	b := NewBatch(testNow, true)
	n := 0
	for ; !b.Full(); n++ {
		b.Add(xadd(int64(n)-5000, "v"))
	}
	if n != 8*(MaxBatchOps-1)+1 || b.Len() != MaxBatchOps {
		t.Errorf("full after %d entries, counted as %d operations", n, b.Len())
	}
}
