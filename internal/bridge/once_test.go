package bridge_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

func withID(t testing.TB, line, id string) event.Operation {
	o := op(t, line)
	o.EventID = id
	return o
}

// inLog counts the events with an id.
func (g *rig) inLog(id string) int {
	n := 0
	for _, events := range g.log.events(g.t, g.codec) {
		for _, e := range events {
			if e.ID == id {
				n++
			}
		}
	}
	return n
}

func (g *rig) once(b *bridge.Bridge, line, id string) event.Receipt {
	g.t.Helper()
	r, err := b.Write(g.t.Context(), withID(g.t, line, id))
	if err != nil {
		g.t.Fatalf("%s with id %s: %v", line, id, err)
	}
	return r
}

func TestRepeatReturnsTheReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		stopA, stopB := g.run(a), g.run(b) // as living processes do
		defer stopA()
		defer stopB()
		first := g.once(a, "incr k", "id-1")
		if first.EventID != "id-1" || first.Outcome != event.Durable {
			t.Errorf("receipt %+v", first)
		}
		for _, again := range []*bridge.Bridge{a, b} { // here, and at another bridge of the region
			if r := g.once(again, "incr k", "id-1"); r != first {
				t.Errorf("repeat: %+v, want %+v", r, first)
			}
		}
		if n := g.inLog("id-1"); n != 1 {
			t.Errorf("in the log %d times", n)
		}
		if r := g.once(a, "incr k", "id-2"); r.Seq != 2 {
			t.Errorf("another id: %+v", r)
		}
		if _, err := b.Write(t.Context(), withID(t, "incr k 2", "id-1")); fail.CodeOf(err) != fail.Rejected {
			t.Errorf("the id for another operation: %v, want REJECTED", err)
		}
		time.Sleep(11 * time.Minute)
		if r := g.once(a, "incr k", "id-1"); r.Seq != 3 {
			t.Errorf("after ten minutes: %+v, want a new write", r)
		}
	})
}

func TestRepeatWaitsForThePendingOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		stopA, stopB := g.run(a), g.run(b)
		defer stopA()
		defer stopB()
		g.log.set(func() { g.log.hold = true })
		var first event.Receipt
		var calls sync.WaitGroup
		calls.Go(func() { first = g.once(a, "incr k", "id-1") })
		synctest.Wait()
		if _, err := a.Write(t.Context(), withID(t, "incr k 2", "id-1")); fail.CodeOf(err) != fail.Rejected {
			t.Errorf("the pending id for another operation: %v, want REJECTED", err)
		}
		var here, there event.Receipt
		calls.Go(func() { here = g.once(a, "incr k", "id-1") })
		calls.Go(func() { there = g.once(b, "incr k", "id-1") })
		time.Sleep(time.Second)
		g.log.set(func() { g.log.hold = false })
		calls.Wait()
		if first.Outcome != event.Durable || here != first || there != first {
			t.Errorf("first %+v\nhere  %+v\nthere %+v", first, here, there)
		}
		if n := g.inLog("id-1"); n != 1 {
			t.Errorf("in the log %d times", n)
		}
	})
}

// The deadline passes while the record is queued, for both; a later repeat gets
// the receipt.
func TestRepeatOfAnUnknownWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		stopA, stopB := g.run(a), g.run(b)
		defer stopA()
		defer stopB()
		g.log.set(func() { g.log.hold = true })
		if r := g.once(a, "incr k", "id-1"); r.Outcome != event.FateUnknown || r.Seq != 1 {
			t.Errorf("first: %+v", r)
		}
		if r := g.once(a, "incr k", "id-1"); r.Outcome != event.FateUnknown || r.Seq != 1 {
			t.Errorf("repeat here: %+v", r)
		}
		if r := g.once(b, "incr k", "id-1"); r.Outcome != event.FateUnknown || r.EventID != "id-1" {
			t.Errorf("repeat there: %+v", r)
		}
		time.Sleep(25 * time.Minute) // the outage lasts; the holder lives on
		if r := g.once(b, "incr k", "id-1"); r.Outcome != event.FateUnknown {
			t.Errorf("repeat during the outage: %+v", r)
		}
		g.log.set(func() { g.log.hold = false })
		synctest.Wait()
		for _, w := range []*bridge.Bridge{a, b} {
			if r := g.once(w, "incr k", "id-1"); r.Outcome != event.Durable || r.Seq != 1 || r.Slot != 0 {
				t.Errorf("after it: %+v", r)
			}
		}
		if n := g.inLog("id-1"); n != 1 {
			t.Errorf("in the log %d times", n)
		}
	})
}

// Without the table there is no safety.
func TestIdempotentWriteNeedsRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		g.redis.set(func() { g.redis.down = true })
		if _, err := b.Write(t.Context(), withID(t, "incr k", "id-1")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
		g.redis.set(func() { g.redis.down = false })
		// The reservation takes effect but its answer is lost.
		g.redis.set(func() { g.redis.mute = 1 })
		if _, err := b.Write(t.Context(), withID(t, "incr k", "id-1")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
		if n := g.inLog("id-1"); n != 0 {
			t.Errorf("in the log %d times", n)
		}
		if r := g.once(b, "incr k", "id-1"); r.Outcome != event.Durable || g.inLog("id-1") != 1 {
			t.Errorf("retry: %+v, %d in the log", r, g.inLog("id-1"))
		}
	})
}

// Redis goes away while the record is on its way: the receipt is stored later,
// and until then a repeat is answered from memory.
func TestReceiptIsStoredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		stop := g.run(a)
		defer stop()
		g.log.set(func() { g.log.hold = true })
		answered := make(chan event.Receipt, 1)
		go func() { answered <- g.once(a, "incr k", "id-1") }()
		synctest.Wait()
		g.redis.set(func() { g.redis.down = true })
		g.log.set(func() { g.log.hold = false })
		first := <-answered
		if r := g.once(a, "incr k", "id-1"); r != first || first.Outcome != event.Durable {
			t.Errorf("repeat without Redis: %+v, want %+v", r, first)
		}
		g.redis.set(func() { g.redis.down = false })
		time.Sleep(6 * time.Second)
		if r := g.once(b, "incr k", "id-1"); r != first {
			t.Errorf("at another bridge: %+v, want %+v", r, first)
		}
	})
}

// A write that certainly failed frees its id: before the append, and after.
func TestFailedWriteFreesItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b, other := g.open(), g.open()
		g.log.set(func() { g.log.full = true })
		if _, err := b.Write(t.Context(), withID(t, "incr k", "id-1")); fail.CodeOf(err) != fail.Busy {
			t.Errorf("got %v, want BUSY", err)
		}
		g.log.set(func() { g.log.full = false })
		if r := g.once(other, "incr k", "id-1"); r.Outcome != event.Durable {
			t.Errorf("at another bridge, at once: %+v", r)
		}
		g.log.set(func() { g.log.fate = func(event.Record) fault { return lost } })
		if _, err := b.Write(t.Context(), withID(t, "incr k", "id-2")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
		g.log.set(func() { g.log.fate = nil })
		synctest.Wait()
		if r := g.once(other, "incr k", "id-2"); r.Outcome != event.Durable || g.inLog("id-2") != 1 {
			t.Errorf("retry: %+v", r)
		}
	})
}

// The client library gave the record up, stored or not: a repeat looks.
func TestRepeatOfARecordThatWasGivenUp(t *testing.T) {
	for _, how := range []fault{storedMute, droppedMute} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			b := g.open()
			g.log.set(func() { g.log.fate = func(event.Record) fault { return how } })
			if r := g.once(b, "incr k", "id-1"); r.Outcome != event.FateUnknown {
				t.Errorf("first: %+v", r)
			}
			g.log.set(func() { g.log.fate = nil })
			synctest.Wait()
			if r := g.once(b, "incr k", "id-1"); r.Outcome != event.Durable || g.inLog("id-1") != 1 {
				t.Errorf("repeat: %+v, %d in the log", r, g.inLog("id-1"))
			}
		})
	}
}

// A holder that moved to another slot is still seen to live: its open
// reservations are pointed at the slot it holds.
func TestReservationFollowsItsHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a := g.open()
		g.log.set(func() { g.log.hold = true })
		if r := g.once(a, "incr k", "id-1"); r.Outcome != event.FateUnknown {
			t.Fatalf("first: %+v", r)
		}
		time.Sleep(40 * time.Second) // a is paused; its lease runs out
		b := g.open()                // and takes its slot
		stopB := g.run(b)
		defer stopB()
		stopA := g.run(a)
		defer stopA()
		time.Sleep(time.Minute)
		if !a.State().Leased || a.State().Slot == b.State().Slot {
			t.Fatalf("slots %d and %d", a.State().Slot, b.State().Slot)
		}
		if r := g.once(b, "incr k", "id-1"); r.Outcome != event.FateUnknown {
			t.Errorf("repeat: %+v, want unknown: the record is still queued at its holder", r)
		}
		g.log.set(func() { g.log.hold = false })
		synctest.Wait()
		if r := g.once(b, "incr k", "id-1"); r.Outcome != event.Durable || r.Slot != 0 || g.inLog("id-1") != 1 {
			t.Errorf("at the end: %+v, %d in the log", r, g.inLog("id-1"))
		}
	})
}

// Many at once, at two bridges, while the log fails: counted once.
func TestConcurrentRepeats(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			a, b := g.open(), g.open()
			stopA, stopB := g.run(a), g.run(b)
			defer stopA()
			defer stopB()
			n := uint64(0)
			g.log.set(func() {
				g.log.fate = func(event.Record) fault { n++; return fault((n*7 + seed) % 5 % 4) }
			})
			var calls sync.WaitGroup
			durable := make(chan event.Receipt, 200)
			for i := range 40 {
				calls.Go(func() {
					w := []*bridge.Bridge{a, b}[i%2]
					for range 4 {
						r, err := w.Write(t.Context(), withID(t, "incr k", fmt.Sprint("id-", i%5)))
						if err == nil && r.Outcome == event.Durable {
							durable <- r
						}
						time.Sleep(time.Duration(i) * time.Millisecond)
					}
				})
			}
			calls.Wait()
			close(durable)
			receipts := map[string]event.Receipt{}
			for r := range durable {
				if first, ok := receipts[r.EventID]; ok && r != first {
					t.Errorf("two receipts for one id:\n%+v\n%+v", first, r)
				}
				receipts[r.EventID] = r
			}
			for id := range receipts {
				if n := g.inLog(id); n != 1 {
					t.Errorf("%s is in the log %d times", id, n)
				}
			}
			if len(receipts) != 5 {
				t.Errorf("%d of 5 ids durable", len(receipts))
			}
		})
	}
}

// A lease that was asked for and never confirmed shows nobody that its bridge
// lives: an idempotent write gets one first. Else another bridge takes the record
// that is still queued for a dead one's, and writes it again.
func TestUnconfirmedLeaseDoesNotCarryAReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.set(func() { g.redis.down = true })
		a := g.open() // asked for slot 0, without an answer
		g.redis.set(func() { g.redis.down = false })
		b := g.open()
		stopA, stopB := g.run(a), g.run(b)
		defer stopA()
		defer stopB()
		g.log.set(func() { g.log.hold = true })
		var first, second event.Receipt
		var calls sync.WaitGroup
		calls.Go(func() { first = g.once(a, "incr k", "id-1") })
		synctest.Wait()
		calls.Go(func() { second = g.once(b, "incr k", "id-1") })
		time.Sleep(time.Second)
		g.log.set(func() { g.log.hold = false })
		calls.Wait()
		if first != second || g.inLog("id-1") != 1 {
			t.Errorf("%+v\n%+v\n%d in the log", first, second, g.inLog("id-1"))
		}
	})
}
