package materializer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// tear makes a partition's markers disagree, as a batch in part does.
func (w *testWorld) tear(p wal.Partition) {
	w.view.with(func() {
		pos := w.view.positions[p]
		pos.Marks = [2]int64{4, 3}
		w.view.positions[p] = pos
	})
}

// A torn partition is wiped and read again from the start, all origins of it;
// the others go on.
func TestTornPartitionIsRebuilt(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		other := w.write("eu", "k")
		w.settle()
		w.tear(p)
		w.view.with(func() { w.view.wipes = []error{errors.New("i/o timeout")} }) // interrupted: once more
		w.write("us", "k")
		w.write("us", "j")
		w.later(10 * time.Second)
		if a, b := w.view.at(p), w.view.at(other); a.Offset != 2 || b.Offset != 1 || a.Torn() || b.Torn() {
			t.Errorf("positions %+v and %+v after the rebuild", a, b)
		}
		w.wantApplied(2 + 3 + 1) // before, again, and the other partition's
		w.wantAlarm(alarmCorrupt, false)
		w.wantAlarm(alarmRebuilt, true)
		if w.m.State().Blocked() {
			t.Errorf("blocked: %+v", w.m.State().Alarms)
		}
	})
}

// What the log cannot replace is not wiped. Another process may do it.
func TestTornPartitionOfAShortLogWaits(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		w.log.change(func() { w.log.starts[p] = 1 })
		w.tear(p)
		w.write("us", "k")
		w.write("us", "j")
		w.later(10 * time.Second)
		w.wantApplied(2) // the first, and the other partition's
		w.wantAlarm(alarmCorrupt, true)
		if why := blockedOf(w.m.State(), p); !strings.Contains(why, "torn") {
			t.Errorf("state says %q", why)
		}
		w.view.with(func() { w.view.positions[p] = view.Position{} })
		w.later(5 * time.Second)
		w.wantApplied(4)
		w.wantAlarm(alarmCorrupt, false)
		w.wantAlarm(alarmRebuilt, false)
	})
}

// A server that may evict or forget is waited for, also when it becomes one
// while it works.
func TestUnfitServerIsWaitedFor(t *testing.T) {
	unfit := fail.New(fail.Unavailable, "redis may evict keys").WithHint("set noeviction")
	inWorld(t, func(w *testWorld) { w.view.unfit = unfit }, func(w *testWorld) {
		p := w.write("us", "k")
		w.later(5 * time.Second)
		w.wantApplied(0)
		if why := blockedOf(w.m.State(), p); !strings.Contains(why, "evict") {
			t.Errorf("state says %q", why)
		}
		w.view.with(func() { w.view.unfit = nil })
		w.later(5 * time.Second)
		w.wantApplied(1)
		w.wantAlarm(alarmView, false)
		w.view.with(func() { w.view.unfit = unfit })
		w.later(2 * time.Second)
		w.write("us", "k")
		w.later(2 * time.Second)
		w.wantApplied(1)
		w.wantAlarm(alarmView, true)
		w.view.with(func() { w.view.unfit = nil })
		w.later(5 * time.Second)
		w.wantApplied(2)
	})
}

func TestForeignKeysAreNamed(t *testing.T) {
	inWorld(t, func(w *testWorld) { w.view.foreign = [][]byte{[]byte("session:1")} }, func(w *testWorld) {
		w.write("us", "k")
		w.settle()
		w.wantApplied(1)
		message := ""
		for _, a := range w.m.State().Alarms {
			message += alarmText(a)
		}
		if !strings.Contains(message, alarmForeign) || !strings.Contains(message, `"session:1"`) {
			t.Errorf("alarms %q", message)
		}
		w.view.with(func() { w.view.foreign = nil })
		w.later(foreignEvery + time.Second)
		w.wantAlarm(alarmForeign, false)
	})
}

func alarmText(a api.Alarm) string { return a.Code + " " + a.Message + "\n" }

// The same on real engines: markers torn under traffic, a wipe, and the view
// equals the fold of the log again.
func TestTornViewEqualsTheFoldAgain(t *testing.T) {
	onEngines(t, func(t *testing.T, s *site) {
		events := crdttest.Generate(rand.New(rand.NewPCG(8, 1)), crdttest.Options{Events: 200, Keys: manyKeys(30)})
		m, stop := s.run(s.db, func(c *Config) { c.CatchUpBytes = 2000 })
		s.append(events[:150]...)
		s.awaitEnd(m)
		options, err := redis.ParseURL(s.redis)
		if err != nil {
			t.Fatal(err)
		}
		raw := redis.NewClient(options)
		defer raw.Close()
		for _, key := range []string{"key:1", "key:2"} {
			p := geo.PartitionOf([]byte(key))
			// as after a batch that ran twice: more begun than finished, and wrong data
			raw.HIncrBy(t.Context(), fmt.Sprintf("geokv:pos:eu.events:%d", p), "b", 1)
			raw.Set(t.Context(), key, "wrong", 0)
		}
		s.append(events[150:]...)
		eventually(t, "both partitions are rebuilt", func() bool {
			n := int64(0)
			for _, a := range m.State().Alarms {
				if a.Code == alarmRebuilt {
					n += a.Count
				}
			}
			return n == 2
		})
		s.awaitEnd(m)
		stop()
		s.wantFold(events)
	})
}
