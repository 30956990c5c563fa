package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
)

func (g *rig) wantClock(b *bridge.Bridge, when string) {
	g.t.Helper()
	if _, err := b.Write(g.t.Context(), op(g.t, "incr k")); fail.CodeOf(err) != fail.Clock || fail.HintOf(err) == "" {
		g.t.Errorf("%s: got %v, want CLOCK with a hint", when, err)
	}
}

// A clock that is set while the bridge runs is noticed by the next write, not
// at the next check, in both directions.
func TestClockSetWhileRunning(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour, -501 * time.Millisecond, 600 * time.Millisecond} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				b := g.open()
				stop := g.run(b)
				defer stop()
				before := g.write(b, "incr k")
				g.setClock(step)
				g.wantClock(b, "right after the step")
				time.Sleep(7 * time.Second)
				g.wantClock(b, "after the next check")
				if !alarmed(b, api.AlarmClockOffset) {
					t.Error("no alarm")
				}
				g.setClock(0)
				after := g.write(b, "incr k")
				if !stampOf(after).After(stampOf(before)) || after.Seq != 2 {
					t.Errorf("after it was set right: %+v after %+v", after, before)
				}
				time.Sleep(6 * time.Second)
				if alarmed(b, api.AlarmClockOffset) {
					t.Error("the alarm stays")
				}
			})
		})
	}
}

// Steps within the bound are absorbed: stamps rise all the same.
func TestSmallClockStepsAreAbsorbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		last := g.write(b, "incr k")
		for i, skew := range []time.Duration{-400, 300, -100, 450, -450} {
			g.setClock(skew * time.Millisecond)
			r, err := b.Write(t.Context(), op(t, "incr k"))
			if fail.CodeOf(err) == fail.Clock && err != nil {
				continue // more than 500 ms behind its own last stamp: refused, not lost
			}
			if err != nil || !stampOf(r).After(stampOf(last)) {
				t.Errorf("step %d: %+v (%v) after %+v", i, r, err, last)
			}
			last = r
		}
	})
}

// With Redis out of reach there is no check; what the bridge stamped itself
// still forbids to stamp behind it.
func TestClockSetBackWithoutRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.down = true
		b := g.open()
		before := g.write(b, "incr k")
		if !alarmed(b, api.AlarmClockUnchecked) {
			t.Error("no alarm that the clock is unchecked")
		}
		g.setClock(-time.Second)
		g.wantClock(b, "a second back")
		time.Sleep(600 * time.Millisecond) // now it is less than 500 ms ahead of the wall
		if r := g.write(b, "incr k"); !stampOf(r).After(stampOf(before)) {
			t.Errorf("stamp %v after %v", stampOf(r), stampOf(before))
		}
	})
}

// A process that starts with a clock behind its predecessor refuses to stamp
// until the wall has caught up; no stamp is made twice.
func TestRestartWithTheClockBack(t *testing.T) {
	for _, redisDown := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			b := g.open()
			before := g.write(b, "incr k")
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.redis.set(func() { g.redis.down = redisDown })
			g.setClock(-time.Hour)
			again := g.open()
			g.wantClock(again, "an hour back")
			g.setClock(-300 * time.Millisecond)
			after := g.write(again, "incr k")
			if !stampOf(after).After(stampOf(before)) || after.Lane() == before.Lane() {
				t.Errorf("stamp %v lane %v after %v lane %v", stampOf(after), after.Lane(), stampOf(before), before.Lane())
			}
		})
	}
}

// A slow clock over an empty log: only Redis can tell, and does.
func TestSlowClockAtTheFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.setClock(-time.Hour)
		b := g.open()
		g.wantClock(b, "an hour slow")
		if offset := b.State().ClockOffset; offset != -time.Hour {
			t.Errorf("offset %v, want -1h", offset)
		}
		g.setClock(0)
		g.write(b, "incr k")
	})
}

// The floor covers what the view has applied from any region.
func TestFloorIncludesTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		applied := hlc.Timestamp{Physical: time.Now().Add(400 * time.Millisecond).UnixMilli(), Logical: 5, Region: 0}
		g.redis.positions["us.events"] = applied
		if r := g.write(g.open(), "incr k"); !stampOf(r).After(applied) {
			t.Errorf("stamp %v, want after %v", stampOf(r), applied)
		}
	})
}

// A stamp of the year 2100 from another region is applied, alarmed and not
// followed: a restart must not make it the floor of every later write.
func TestForeignStampFromTheFutureDoesNotStopARestartedBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.positions["us.events"] = hlc.Timestamp{Physical: time.Now().AddDate(74, 0, 0).UnixMilli()}
		b := g.open()
		g.write(b, "incr k")
		if !alarmed(b, api.AlarmClockAhead) {
			t.Errorf("alarms %+v, want %s", b.State().Alarms, api.AlarmClockAhead)
		}
	})
}

// The alarm about a stamp from the future ends when the wall is past it.
func TestStampOfTheFutureIsNoAlarmWhenItsTimeHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t).open()
		far := hlc.Timestamp{Physical: time.Now().Add(time.Hour).UnixMilli()}
		b.Witness(far)
		b.Witness(hlc.Timestamp{Physical: far.Physical - 1000}) // the latest one counts
		time.Sleep(time.Until(far.Time()))
		if !alarmed(b, api.AlarmClockAhead) {
			t.Error("the alarm ended early: a write of this instant may lose")
		}
		time.Sleep(time.Millisecond)
		if alarmed(b, api.AlarmClockAhead) {
			t.Errorf("alarms %+v after the time has come", b.State().Alarms)
		}
	})
}

// The round trip is halved, and an answer that took too long judges nothing.
func TestSlowAnswersOfRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.rtt, g.redis.skew = 400*time.Millisecond, -200*time.Millisecond
		b := g.open()
		if offset := b.State().ClockOffset; offset != 0 {
			t.Errorf("offset %v, want 0: the answer is 200 ms old", offset)
		}
		g.redis.set(func() { g.redis.rtt, g.redis.skew = 3*time.Second, -3*time.Second })
		stop := g.run(b)
		defer stop()
		time.Sleep(6 * time.Second)
		if !alarmed(b, api.AlarmClockUnchecked) || alarmed(b, api.AlarmClockOffset) {
			t.Errorf("alarms %+v, want only that the clock is unchecked", b.State().Alarms)
		}
		g.write(b, "incr k")
	})
}

// Two processes that follow each other while the wall is behind the log compute
// their incarnations from the same floor; they must differ, or the second one's
// writes would count as duplicates of the first one's.
func TestIncarnationsDifferWhileTheWallIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.positions["us.events"] = hlc.Timestamp{Physical: time.Now().Add(400 * time.Millisecond).UnixMilli(), Region: 0}
		var last event.Receipt
		for i := range 20 {
			b := g.open()
			r := g.write(b, "incr k")
			if i > 0 && (r.Slot != last.Slot || r.Incarnation <= last.Incarnation || !stampOf(r).After(stampOf(last))) {
				t.Fatalf("restart %d: lane %v stamp %v after lane %v stamp %v", i, r.Lane(), stampOf(r), last.Lane(), stampOf(last))
			}
			last = r
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
