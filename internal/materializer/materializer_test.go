package materializer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

func TestAppliesEveryOriginOnce(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		for i := range 300 {
			w.write([]string{"us", "eu", "ap"}[i%3], fmt.Sprint("key", i%20))
		}
		w.settle()
		w.wantApplied(300)
		w.wantCounters(300, 0, 0)
		if percent, ready := w.m.Progress(); percent != 100 || !ready {
			t.Errorf("progress %v, ready %v over a log that was empty at start", percent, ready)
		}
	})
}

func TestDuplicatesAreFilteredAndCounted(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		e := encode(w.incr("eu", "k", 0))
		p := wal.Partition{Topic: e.Topic, Index: e.Partition}
		later := encode(w.incr("eu", "k", 0))
		w.log.append(p, e, e, later) // in one batch
		w.settle()
		w.log.append(p, e, later) // and long after, out of order
		w.settle()
		w.wantApplied(2)
		w.wantCounters(5, 3, 0)
		if got := w.view.at(p).Offset; got != 5 {
			t.Errorf("position %d, want 5: duplicates are consumed too", got)
		}
	})
}

func TestRejectedRecordsAreQuarantinedAndPassed(t *testing.T) {
	kept := &keptRecords{}
	inWorld(t, func(w *testWorld) { w.kept = kept }, func(w *testWorld) {
		p := w.write("us", "k")
		w.log.append(p, event.Record{Key: []byte("k"), Value: []byte("garbage")})
		w.write("us", "k")
		w.settle()
		w.wantApplied(2)
		w.wantCounters(3, 0, 1)
		w.wantAlarm(api.AlarmRejected, true)
		if r := kept.records; len(r) != 1 || r[0].Offset != 1 || string(r[0].Key) != "k" || kept.reasons[0] != "bad payload" {
			t.Errorf("quarantine %+v", kept)
		}
		if w.m.State().Blocked() {
			t.Error("a rejected record counts as a blockage")
		}
	})
}

// keptRecords is a quarantine.
type keptRecords struct {
	records []event.Record
	reasons []string
}

func (k *keptRecords) Keep(r event.Record, reject *event.RejectError) {
	k.records, k.reasons = append(k.records, r), append(k.reasons, reject.Reason)
}

func (k *keptRecords) Dropped() int64 { return 0 }

// A bridge with another list of regions stamps with an index that is not its
// region's. The event counts, as it does everywhere.
func TestForeignRegionIndexIsAlarmed(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.write("eu", "k")
		w.settle()
		w.wantAlarm(api.AlarmRegionIndex, false)
		e := w.incr("eu", "k", 0)
		e.HLC.Region = 0
		r := encode(e)
		w.log.append(wal.Partition{Topic: r.Topic, Index: r.Partition}, r)
		w.settle()
		w.wantApplied(2)
		if message, _ := w.alarm(api.AlarmRegionIndex); !strings.Contains(message, "eu.events: ") || !strings.Contains(message, "index 0") {
			t.Errorf("alarm %q", message)
		}
		if w.m.State().Blocked() {
			t.Error("the region counts as blocked")
		}
	})
}

func TestEventFromTheFutureBlocksItsPartitionOnly(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		blocked := w.incr("eu", "k", 0)
		blocked.ID = "future"
		r := encode(blocked)
		p := wal.Partition{Topic: r.Topic, Index: r.Partition}
		w.log.append(p, r)
		w.write("eu", "k")              // behind it: waits
		other := w.write("us", "k")     // same key, other origin: goes on
		elsewhere := w.write("eu", "j") // other partition: goes on
		w.later(time.Minute)
		w.wantApplied(2)
		w.wantAlarm(api.AlarmBlocked, true)
		if w.view.at(p).Offset != 0 || w.view.at(other).Offset != 1 || w.view.at(elsewhere).Offset != 1 {
			t.Errorf("positions %d %d %d, want 0 1 1", w.view.at(p).Offset, w.view.at(other).Offset, w.view.at(elsewhere).Offset)
		}
		w.codec.upgrade()
		w.later(2 * time.Second)
		w.wantApplied(4)
		w.wantAlarm(api.AlarmBlocked, false)
		w.wantCounters(4, 0, 0)
	})
}

var errNetwork = errors.New("connection reset")

func TestReplyLostAfterTheBatchTookEffect(t *testing.T) {
	inWorld(t, func(w *testWorld) { w.view.after = []error{errNetwork} }, func(w *testWorld) {
		w.write("us", "k")
		w.later(time.Second)
		w.wantApplied(1)
		w.wantCounters(1, 0, 0)
		if len(w.view.published) != 0 {
			t.Error("an outcome was published although nobody knows it")
		}
		w.write("us", "k")
		w.later(time.Second)
		w.wantApplied(2)
		w.wantCounters(2, 0, 0)
	})
}

func TestReplyLostBeforeTheBatchTookEffect(t *testing.T) {
	inWorld(t, func(w *testWorld) { w.view.before = []error{errNetwork, errNetwork} }, func(w *testWorld) {
		w.write("us", "k")
		w.later(time.Second)
		w.wantApplied(1)
		w.wantCounters(1, 0, 0)
		w.wantAlarm(api.AlarmViewUnavailable, false)
	})
}

func TestViewThatRefusesWritesIsWaitedFor(t *testing.T) {
	for _, state := range []string{"MISCONF", "OOM", "READONLY", "LOADING", "BUSY"} {
		t.Run(state, func(t *testing.T) {
			refusal := &view.BlockedError{State: state, Err: errors.New(state + " no")}
			refusals := make([]error, 50)
			for i := range refusals {
				refusals[i] = refusal
			}
			inWorld(t, func(w *testWorld) { w.view.before = refusals }, func(w *testWorld) {
				w.write("us", "k")
				w.later(5 * time.Second)
				w.wantApplied(0)
				w.wantAlarm(api.AlarmViewUnavailable, true)
				if !w.m.State().Blocked() {
					t.Error("state is not blocked")
				}
				w.later(2 * time.Minute)
				w.wantApplied(1)
				w.wantAlarm(api.AlarmViewUnavailable, false)
			})
		})
	}
}

func TestHoldIsWaitedForWithoutAlarm(t *testing.T) {
	inWorld(t, func(w *testWorld) { w.view.before = []error{view.ErrHold, view.ErrHold, view.ErrHold} }, func(w *testWorld) {
		w.write("us", "k")
		w.later(40 * time.Millisecond)
		w.wantApplied(0)
		w.wantAlarm(api.AlarmViewUnavailable, false)
		w.later(40 * time.Millisecond)
		w.wantApplied(1)
	})
}

func TestFlushedViewHealsOnAQuietSystem(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		for range 10 {
			w.write("us", "k")
		}
		w.settle()
		w.wantApplied(10)
		w.view.with(func() { w.view.positions = map[wal.Partition]view.Position{} })
		w.later(2 * time.Second)
		w.wantApplied(20)
	})
}

func TestRestoredSnapshotIsFedWhatItMisses(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		snapshot := w.view.at(p)
		for range 10 {
			w.write("us", "k")
		}
		w.settle()
		w.view.with(func() { w.view.positions[p] = snapshot })
		w.write("us", "k") // the next batch finds out, not the watch
		w.settle()
		w.wantApplied(1 + 10 + 11)
		if got := w.view.at(p); got.Offset != 12 || got.Lanes[seven].String() != "1-12" {
			t.Errorf("position %+v, want 12 with 1-12", got)
		}
	})
}

// A second owner applies the same records first: the zombie's batch is refused
// and it goes on where the other stands.
func TestZombieIsFenced(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		first := w.view.at(p)
		w.view.with(func() {
			w.view.steal = func(v *fakeView) {
				pos := v.positions[p]
				pos.Offset, pos.Lanes = 2, map[laneID]laneSet{seven: first.Lanes[seven].Add(2)}
				v.positions[p] = pos
			}
		})
		w.write("us", "k")
		w.settle()
		w.wantApplied(1) // the second event came from the other owner
		w.write("us", "k")
		w.settle()
		w.wantApplied(2)
		if got := w.view.at(p); got.Offset != 3 || got.Lanes[seven].String() != "1-3" {
			t.Errorf("position %+v, want 3 with 1-3", got)
		}
	})
}

// The other owner is ahead of what is queued here: nothing is applied from the
// queue, and the position never moves back.
func TestOvertakenOwnerContinuesWhereTheOtherStands(t *testing.T) {
	inWorld(t, func(w *testWorld) {
		w.small = 200
		var p wal.Partition
		for range 10 {
			p = w.write("us", "k")
		}
		w.view.steal = func(v *fakeView) {
			v.positions[p] = view.Position{Offset: 6, Lanes: map[laneID]laneSet{seven: lane.SetOf(lane.Interval{Lo: 1, Hi: 6})}}
		}
	}, func(w *testWorld) {
		w.settle()
		w.wantApplied(4)
		w.wantCounters(4, 0, 0)
	})
}

func TestDataLossStopsOnePartitionWithAnAlarm(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		w.log.fail(&wal.DataLossError{Partition: p, Kind: wal.Truncated, Position: 1})
		w.write("eu", "k")
		w.later(10 * time.Second)
		w.wantApplied(2)
		w.wantAlarm(api.AlarmDataLoss, true)
		if state := w.m.State(); !state.Blocked() || blockedOf(state, p) == "" {
			t.Errorf("state %+v does not name the partition", state.Partitions)
		}
		// A rebuilt view stands elsewhere: reading starts again there.
		w.view.with(func() { w.view.positions[p] = view.Position{} })
		w.later(5 * time.Second)
		w.wantApplied(3)
		w.wantAlarm(api.AlarmDataLoss, false)
	})
}

func blockedOf(s State, p wal.Partition) string {
	for _, part := range s.Partitions {
		if part.Topic == p.Topic && part.Partition == p.Index {
			return part.Blocked
		}
	}
	return "not owned"
}

// A record that disappears between reader and worker must not be taken for a gap.
func TestRecordLostOnTheWayIsReadAgain(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		w.log.change(func() { w.log.drop[p] = 1 })
		w.log.append(p, encode(w.incr("us", "k", 0)), encode(w.incr("us", "k", 0)), encode(w.incr("us", "k", 0)))
		w.settle()
		w.wantApplied(4)
		if got := w.view.at(p).Lanes[seven].String(); got != "1-4" {
			t.Errorf("lane %s, want 1-4", got)
		}
	})
}

func TestStampsAreWitnessedUnlessTooFarAhead(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		near := w.incr("eu", "k", 400)
		far := w.incr("eu", "k", 3_600_000)
		for _, e := range []event.Event{near, far} {
			r := encode(e)
			w.log.append(wal.Partition{Topic: r.Topic, Index: r.Partition}, r)
		}
		w.settle()
		w.wantApplied(2)
		w.wantAlarm(api.AlarmClockAhead, true)
		if got := w.clock.Last(); got != near.HLC {
			t.Errorf("clock at %v, want %v: a stamp from the future is not followed", got, near.HLC)
		}
		w.later(time.Until(far.HLC.Time()))
		w.wantAlarm(api.AlarmClockAhead, true) // a write of this instant may still lose
		w.later(time.Millisecond)
		w.wantAlarm(api.AlarmClockAhead, false)
	})
}

func TestViewThatIsDownAtStart(t *testing.T) {
	down := make([]error, 300)
	for i := range down {
		down[i] = errNetwork
	}
	inWorld(t, func(w *testWorld) { w.view.reads = down }, func(w *testWorld) {
		w.write("us", "k")
		w.later(3 * time.Second)
		w.wantApplied(0)
		w.wantAlarm(api.AlarmViewUnavailable, true)
		w.later(10 * time.Minute)
		w.wantApplied(1)
		w.wantAlarm(api.AlarmViewUnavailable, false)
	})
}

func TestShutdownFinishesTheBatchThatWasSent(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(w *testWorld) {
		release = make(chan struct{})
		w.view.hold = release
	}, func(w *testWorld) {
		w.write("us", "k")
		w.settle() // Apply is under way
		stopped := make(chan error, 1)
		go func() { stopped <- w.stop() }()
		w.settle()
		close(release)
		if err := <-stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
		w.stop = func() error { return nil }
		w.wantApplied(1)
		w.wantCounters(1, 0, 0)
		if !w.log.closed {
			t.Error("the reader was not closed")
		}
	})
}

func TestClosedLogEndsRun(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		w.log.fail(wal.ErrClosed)
		w.settle()
		if err := w.stop(); !errors.Is(err, wal.ErrClosed) {
			t.Errorf("Run returned %v, want ErrClosed", err)
		}
		w.stop = func() error { return nil }
	})
}

func TestRefusedReaderIsAnAlarmAndTriedAgain(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		w.log.fail(errors.New("not authorized"))
		w.settle()
		w.wantAlarm(api.AlarmKafka, true)
		w.write("us", "k")
		w.later(2 * time.Second)
		w.wantApplied(1)
		w.wantAlarm(api.AlarmKafka, false)
	})
}

// A broker that answers again ends the alarm, though there is nothing to read.
func TestRefusalThatIsOverIsNoAlarmOnAQuietSystem(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		w.log.change(func() { w.log.away = true })
		w.log.fail(errors.New("not authorized"))
		w.later(time.Minute)
		w.wantAlarm(api.AlarmKafka, true)
		w.log.change(func() { w.log.away = false })
		w.later(5 * time.Second)
		w.wantAlarm(api.AlarmKafka, false)
	})
}

func TestCatchUpPausesAtFullQueuesAndLosesNothing(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 64<<10)
	inWorld(t, func(w *testWorld) {
		for range 100 { // 6 MiB in one partition
			e := w.incr("us", "k", 0)
			e.Args = event.Set{Value: big}
			r := encode(e)
			w.log.append(wal.Partition{Topic: r.Topic, Index: r.Partition}, r)
		}
	}, func(w *testWorld) {
		w.later(time.Minute)
		w.wantApplied(100)
		w.wantCounters(100, 0, 0)
		if w.log.pauses == 0 {
			t.Error("fetching was never paused")
		}
		if len(w.log.paused) != 0 {
			t.Errorf("partitions %v stay paused", w.log.paused)
		}
		if percent, ready := w.m.Progress(); percent != 100 || !ready {
			t.Errorf("progress %v, ready %v", percent, ready)
		}
	})
}

func TestRevokedPartitionsAreLeftAlone(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		mine := partitionsOf(p.Index)
		w.log.revoke(mine...)
		w.write("us", "k")
		w.later(5 * time.Second)
		w.wantApplied(1)
		if got := blockedOf(w.m.State(), p); got != "not owned" {
			t.Errorf("state still lists %s", p)
		}
		if err := w.log.assign(t.Context(), mine...); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.wantApplied(2)
	})
}

func partitionsOf(index int32) (list []wal.Partition) {
	for _, topic := range geo.Default().Topics() {
		list = append(list, wal.Partition{Topic: topic, Index: index})
	}
	return list
}
