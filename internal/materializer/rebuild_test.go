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
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
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
		w.wantAlarm(api.AlarmViewTorn, false)
		w.wantAlarm(api.AlarmViewRebuilt, true)
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
		w.wantAlarm(api.AlarmViewTorn, true)
		if why := blockedOf(w.m.State(), p); !strings.Contains(why, "torn") {
			t.Errorf("state says %q", why)
		}
		w.view.with(func() { w.view.positions[p] = view.Position{} })
		w.later(5 * time.Second)
		w.wantApplied(4)
		w.wantAlarm(api.AlarmViewTorn, false)
		w.wantAlarm(api.AlarmViewRebuilt, false)
	})
}

// A topic that was made again begins at 0 too, without what the view was made of:
// nothing is wiped before the log has it all again.
func TestTornPartitionOfATopicMadeAgainWaits(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.write("us", "k")
		w.settle()
		whole := w.log.records[p]
		stranger := w.incr("us", "k", 0)
		stranger.Lane.Incarnation++
		for say, held := range map[string][]event.Record{
			"ends at offset 1":   whole[:1],
			"the view never had": {encode(stranger), encode(stranger)},
		} {
			w.log.change(func() { w.log.records[p] = held })
			w.tear(p)
			w.later(10 * time.Second)
			if at := w.view.at(p); at.Offset != 2 || !at.Torn() {
				t.Errorf("wiped, although the log lacks records: %+v", at)
			}
			if why := blockedOf(w.m.State(), p); !strings.Contains(why, say) {
				t.Errorf("state says %q, want %q", why, say)
			}
		}
		w.log.change(func() { w.log.records[p] = whole })
		w.later(5 * time.Second)
		w.wantApplied(4)
		w.wantAlarm(api.AlarmViewTorn, false)
	})
}

// A batch that Redis breaks off half-way for a reason that lasts would tear the
// partition after every rebuild: from the second time on it waits, longer and
// longer, with what Redis says. When the reason is gone, it goes on by itself.
func TestBatchThatTearsThePartitionAgainWaits(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		other := w.write("us", "j")
		w.settle()
		wrong := &view.ScriptError{Err: errors.New("WRONGTYPE Operation against a key")}
		w.view.with(func() {
			w.view.breaks = func(b *view.Batch) error {
				if r := b.Ranges[0]; r.Partition == p.Index && r.To > 1 { // the second event
					return wrong
				}
				return nil
			}
		})
		w.write("us", "k")
		w.write("us", "j")
		w.later(time.Hour)
		if w.view.tears < 5 || w.view.tears > 25 {
			t.Errorf("torn %d times in an hour", w.view.tears)
		}
		if why := blockedOf(w.m.State(), p); !strings.Contains(why, "WRONGTYPE") {
			t.Errorf("state says %q", why)
		}
		if why := blockedOf(w.m.State(), other); why != "" {
			t.Errorf("the other partition: %q", why)
		}
		w.wantAlarm(api.AlarmViewUnavailable, false)
		w.view.with(func() { w.view.breaks = nil })
		w.later(faultMax + 5*time.Second)
		if at := w.view.at(p); at.Offset != 2 || at.Torn() {
			t.Errorf("the partition does not go on: %+v", at)
		}
		w.wantAlarm(api.AlarmViewTorn, false)
		if w.m.workers[p.Index].fault != nil {
			t.Error("the fault is not forgotten")
		}
	})
}

// The same on a real server: a user of Redis that may not run a command.
func TestCommandThatTheUserMayNotRunIsNamed(t *testing.T) {
	server := redistest.Start(t)
	raw := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer raw.Close()
	if err := raw.Do(t.Context(), "ACL", "SETUSER", "geokv", "on", ">secret", "~*", "&*", "+@all", "-sadd").Err(); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "redis://geokv:secret@"+server.Addr)
	var events []event.Event
	for i, args := range []event.Args{event.Set{Value: []byte("1")}, event.SAdd{Members: [][]byte{[]byte("m")}}} {
		events = append(events, event.Event{
			Version: 1, MinVersion: 1, ID: fmt.Sprint(i), Origin: "us", HLC: hlc.Timestamp{Physical: s.now - 1000 + int64(i)},
			Lane: seven, Seq: int64(i) + 1, Key: []byte("k"), Args: args,
		})
	}
	m, stop := s.run(s.db, nil)
	s.append(events...)
	polltest.Until(t, "the alarm names the reason", func() bool {
		why := m.State().Why()
		return strings.Contains(why, "torn again") && strings.Contains(why, "can't run this command")
	})
	if err := raw.Do(t.Context(), "ACL", "SETUSER", "geokv", "+sadd").Err(); err != nil {
		t.Fatal(err)
	}
	s.awaitEnd(m)
	stop()
	s.wantFold(events)
}

// A server that may evict or forget is waited for, also when it becomes one
// while it works.
func TestUnfitServerIsWaitedFor(t *testing.T) {
	unfit := fail.Wrap(fail.NotAllowed, &view.UnfitError{Why: "redis may evict keys"}, "use redis").WithHint("set noeviction")
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
		w.wantAlarm(api.AlarmViewUnavailable, false)
		w.view.with(func() { w.view.unfit = unfit })
		w.later(2 * time.Second)
		w.write("us", "k")
		w.later(2 * time.Second)
		w.wantApplied(1)
		w.wantAlarm(api.AlarmViewUnavailable, true)
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
		if !strings.Contains(message, api.AlarmForeignKeys) || !strings.Contains(message, `"session:1"`) {
			t.Errorf("alarms %q", message)
		}
		w.view.with(func() { w.view.foreign = nil })
		w.later(foreignEvery + time.Second)
		w.wantAlarm(api.AlarmForeignKeys, false)
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
		polltest.Until(t, "both partitions are rebuilt", func() bool {
			n := int64(0)
			for _, a := range m.State().Alarms {
				if a.Code == api.AlarmViewRebuilt {
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
