package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
)

func wantSlot(t *testing.T, b *bridge.Bridge, r event.Receipt, leased bool, when string) {
	t.Helper()
	if (r.Slot < 512) != leased || b.State().Leased != leased || alarmed(b, api.AlarmSlotLease) == leased {
		t.Errorf("%s: slot %d, leased %v, alarms %+v; want leased %v", when, r.Slot, b.State().Leased, b.State().Alarms, leased)
	}
}

func TestSlotsAreTakenFromTheBottomAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a := g.open()
		b := g.open()
		if a.State().Slot != 0 || b.State().Slot != 1 {
			t.Errorf("slots %d and %d, want 0 and 1", a.State().Slot, b.State().Slot)
		}
		stop := g.run(a)
		defer stop()
		before := g.write(a, "incr k")
		time.Sleep(10 * time.Minute)
		after := g.write(a, "incr k")
		wantSlot(t, a, after, true, "after ten minutes of renewals")
		if after.Lane() != before.Lane() || after.Seq != 2 {
			t.Errorf("lane %v seq %d, want %v seq 2", after.Lane(), after.Seq, before.Lane())
		}
		// b was not tended: its lease ran out and its slot is free for c.
		if c := g.open(); c.State().Slot != 1 {
			t.Errorf("slot %d, want 1", c.State().Slot)
		}
		wantSlot(t, b, g.write(b, "incr k"), false, "untended")
	})
}

// Paused for longer than its lease, a bridge stamps nothing with a slot that
// another one has by now.
func TestPausedBridgeLeavesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		paused := g.open()
		before := g.write(paused, "incr k")
		time.Sleep(20 * time.Second) // still within the time it may stamp
		if r := g.write(paused, "incr k"); r.Lane() != before.Lane() {
			t.Errorf("after 20 s: lane %v, want %v", r.Lane(), before.Lane())
		}
		time.Sleep(15 * time.Second)
		other := g.open()
		if other.State().Slot != int(before.Slot) {
			t.Fatalf("the new bridge has slot %d, want the expired %d", other.State().Slot, before.Slot)
		}
		stop := g.run(other)
		defer stop()
		resumed := g.write(paused, "incr k")
		wantSlot(t, paused, resumed, false, "resumed")
		if resumed.Seq != 1 || resumed.Incarnation <= before.Incarnation {
			t.Errorf("resumed: %+v, want seq 1 of a new incarnation", resumed)
		}
		stopToo := g.run(paused)
		defer stopToo()
		time.Sleep(time.Minute)
		back := g.write(paused, "incr k")
		wantSlot(t, paused, back, true, "a minute later")
		if back.Slot == before.Slot {
			t.Errorf("both have slot %d", back.Slot)
		}
	})
}

// A suspended machine: monotonic time stands still, the wall shows the truth.
func TestSuspendedBridgeLeavesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		before := g.write(b, "incr k")
		g.setClock(time.Hour)
		g.redis.set(func() { g.redis.skew = time.Hour })
		r := g.write(b, "incr k")
		wantSlot(t, b, r, false, "after the suspend")
		if !stampOf(r).After(stampOf(before)) {
			t.Errorf("stamp %v after %v", stampOf(r), stampOf(before))
		}
	})
}

// FLUSHALL: the table forgets everybody. Nobody takes a slot that another may
// still stamp with, and all find back to their own.
func TestFlushedTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		stopA, stopB := g.run(a), g.run(b)
		defer stopA()
		defer stopB()
		before := g.write(b, "incr k")
		g.redis.loseTable()
		time.Sleep(6 * time.Second)
		during := g.write(b, "incr k")
		wantSlot(t, b, during, false, "right after")
		wantSlot(t, a, g.write(a, "incr k"), false, "right after")
		time.Sleep(10 * time.Second) // somebody may still stamp with a lease that was flushed
		wantSlot(t, b, g.write(b, "incr k"), false, "16 s after")
		time.Sleep(25 * time.Second)
		after := g.write(b, "incr k")
		wantSlot(t, b, after, true, "later")
		if after.Slot != before.Slot || after.Incarnation <= during.Incarnation {
			t.Errorf("lane %v, want a newer one of slot %d", after.Lane(), before.Slot)
		}
	})
}

// Redis out of reach stops no write: first the lease is used up, then a slot
// without a lease serves.
func TestRedisOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		stop := g.run(b)
		defer stop()
		before := g.write(b, "incr k")
		time.Sleep(6 * time.Second) // one renewal at 5 s
		g.redis.set(func() { g.redis.down = true })
		time.Sleep(15 * time.Second)
		if r := g.write(b, "incr k"); r.Lane() != before.Lane() {
			t.Errorf("16 s after the last renewal: lane %v, want %v", r.Lane(), before.Lane())
		}
		time.Sleep(6 * time.Second)
		wantSlot(t, b, g.write(b, "incr k"), false, "22 s after it")
		g.redis.set(func() { g.redis.down = false })
		time.Sleep(5 * time.Second) // the lease of 30 s still stands
		back := g.write(b, "incr k")
		wantSlot(t, b, back, true, "back within the lease")
		if back.Slot != before.Slot || back.Incarnation <= before.Incarnation {
			t.Errorf("lane %v, want a newer one of slot %d", back.Lane(), before.Slot)
		}
		checkLanes(t, g.log.events(t, g.codec), nil)
	})
}

func TestStartWithoutRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.down = true
		b := g.open()
		stop := g.run(b)
		defer stop()
		wantSlot(t, b, g.write(b, "incr k"), false, "without Redis")
		g.redis.set(func() { g.redis.down = false })
		time.Sleep(30 * time.Second)
		wantSlot(t, b, g.write(b, "incr k"), true, "with Redis again")
	})
}

// The answer to taking a slot is lost: the bridge finds out that it has it.
func TestLostAnswerToAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.mute = 1
		b := g.open()
		stop := g.run(b)
		defer stop()
		wantSlot(t, b, g.write(b, "incr k"), false, "unsure")
		time.Sleep(6 * time.Second)
		r := g.write(b, "incr k")
		wantSlot(t, b, r, true, "renewed")
		if r.Slot != 0 {
			t.Errorf("slot %d, want the 0 it took", r.Slot)
		}
	})
}

// After the table was flushed a bridge takes its own slot again, although a
// lower one is free by the table: its holder may not have noticed yet.
func TestFormerSlotIsPreferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.open() // holds slot 0, untended
		b := g.open()
		stop := g.run(b)
		defer stop()
		g.redis.loseTable()
		time.Sleep(45 * time.Second)
		if s := b.State(); s.Slot != 1 || !s.Leased {
			t.Errorf("slot %d, leased %v, want its former 1", s.Slot, s.Leased)
		}
	})
}

// Paused for 40 s, and the wall was set back by as much: only monotonic time
// tells that the lease is over.
func TestPausedBridgeWhoseWallWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.openWith(func(c *bridge.Config) { c.Leases = &noClock{g.redis} })
		before := g.write(b, "incr k")
		time.Sleep(40 * time.Second)
		g.setClock(-40 * time.Second)
		after := g.write(b, "incr k")
		wantSlot(t, b, after, false, "resumed")
		if !stampOf(after).After(stampOf(before)) {
			t.Errorf("stamp %v after %v", stampOf(after), stampOf(before))
		}
	})
}

// A bridge that starts right after the table was lost must not stamp with a slot
// that a living one, which does not know yet, still stamps with: in one
// millisecond both would make the same stamps, and of two stream entries with one
// id an acknowledged one is lost.
func TestNewcomerAfterTheTableWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		old := g.open()
		stop := g.run(old)
		defer stop()
		time.Sleep(7 * time.Second) // renewed 2 s ago, and in 3 s again
		g.redis.loseTable()
		young := g.open()
		stopToo := g.run(young)
		defer stopToo()
		if len(young.State().Alarms) != 0 {
			t.Errorf("alarms %+v: nobody has to do anything", young.State().Alarms)
		}
		for range 60 {
			a, b := g.write(old, "xadd feed * from old"), g.write(young, "xadd feed * from young")
			if a.Slot == b.Slot && a.Slot < 512 { // from there on chance tells them apart (ADR 5)
				t.Fatalf("two entries stamped %v and %v", stampOf(a), stampOf(b))
			}
			if r := g.once(young, "incr k", ulid.Make().String()); r.Outcome != event.Durable {
				t.Errorf("an idempotent write: %+v", r)
			}
			time.Sleep(time.Second)
		}
		wantSlot(t, old, g.write(old, "incr k"), true, "a minute later, the old one")
		wantSlot(t, young, g.write(young, "incr k"), true, "a minute later, the young one")
	})
}

// The longest that a lost lease can be trusted: the holder is cut off from Redis
// right after a renewal, and its clock is ahead. The newcomer comes on a slot of
// its own only when the last such stamp is long past.
func TestNewcomerOutlastsAHolderThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		cut := &severedLeases{fakeRedis: g.redis}
		old := g.openWith(func(c *bridge.Config) {
			c.Leases, c.Wall = cut, func() time.Time { return time.Now().Add(499 * time.Millisecond) }
		})
		stop := g.run(old)
		defer stop()
		g.redis.loseTable()
		young := g.open()
		stopToo := g.run(young)
		defer stopToo()
		cut.kill()
		var last event.Receipt
		for r := range time.Duration(500) {
			if w := g.write(old, "incr k"); w.Slot == 0 {
				last = w
			}
			if w := g.write(young, "incr k"); w.Slot == 0 && !stampOf(w).After(stampOf(last)) {
				t.Fatalf("after %v: stamp %v on slot 0 after %v", r*100*time.Millisecond, stampOf(w), stampOf(last))
			} else if w.Slot == 0 {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error("the young one never came on its slot")
	})
}

// Who has just started Redis itself knows that nobody trusts a lost lease, and
// has its slot at once; others that join have to wait.
func TestAloneWithAFreshRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.loseTable()
		b := g.openWith(func(c *bridge.Config) { c.Alone = true })
		wantSlot(t, b, g.write(b, "incr k"), true, "at once")
		if s := g.open().State(); s.Leased {
			t.Errorf("another one, in the same second: slot %d, leased", s.Slot)
		}
		stop := g.run(b)
		defer stop()
		g.redis.loseTable()
		time.Sleep(6 * time.Second)
		wantSlot(t, b, g.write(b, "incr k"), false, "when the table was lost later")
	})
}

func TestAllSlotsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		for slot := range uint16(512) {
			_, _ = g.redis.AcquireSlot(t.Context(), slot, "someone", time.Minute)
		}
		b := g.open()
		wantSlot(t, b, g.write(b, "incr k"), false, "all taken")
	})
}
