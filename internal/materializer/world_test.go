package materializer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// testWorld is a materializer over fakes, in virtual time.
type testWorld struct {
	t     *testing.T
	log   *fakeLog
	view  *fakeView
	codec *jsonCodec
	clock *hlc.Clock
	past  fakeHistory
	m     *Materializer
	stop  func() error

	lanes map[string]int64
	small int  // CatchUpBytes when not 0
	fresh bool // FreshView
	kept  Quarantine
}

// fakeHistory answers repairs.
type fakeHistory struct {
	mu    sync.Mutex
	errs  []error
	asked []map[string]int64
}

func (h *fakeHistory) Events(_ context.Context, _ int32, below map[string]int64, _ []view.RepairKey, _ func(event.Event)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, below)
	return shift(&h.errs)
}

// inWorld runs a test in a bubble with a materializer that is running.
func inWorld(t *testing.T, prepare func(*testWorld), test func(*testWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &testWorld{t: t, log: newFakeLog(), view: newFakeView(t), codec: &jsonCodec{}, clock: hlc.NewClock(0, time.Now), lanes: map[string]int64{}}
		if prepare != nil {
			prepare(w)
		}
		w.start()
		test(w)
		if err := w.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (w *testWorld) start() {
	cfg := Config{
		Region: geo.Region{Name: "us"}, Topology: geo.Default(), Log: w.log, View: w.view,
		Decoder: w.codec, Clock: w.clock, History: &w.past, Wall: time.Now,
	}
	cfg.CatchUpBytes, cfg.FreshView = w.small, w.fresh
	cfg.Quarantine = w.kept
	m, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.m = m
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	w.stop = func() error { cancel(); return <-done }
}

// incr makes the next event of a region on a key.
func (w *testWorld) incr(origin, key string, ms int64) event.Event {
	place, _ := geo.Default().Lookup(origin)
	lane_ := fmt.Sprintf("%s/%d", origin, geo.PartitionOf([]byte(key)))
	w.lanes[lane_]++
	return event.Event{
		Version: 1, MinVersion: 1, ID: fmt.Sprintf("%s-%d", lane_, w.lanes[lane_]), Origin: origin,
		HLC:  hlc.Timestamp{Physical: time.Now().UnixMilli() + ms, Logical: uint32(w.lanes[lane_]) << 10, Region: uint8(place.Index)},
		Lane: lane.ID{Slot: 1, Incarnation: 7}, Seq: w.lanes[lane_], Key: []byte(key), Args: event.Incr{Delta: 1},
	}
}

// write appends an increment to the log and returns where.
func (w *testWorld) write(origin, key string) wal.Partition {
	r := encode(w.incr(origin, key, 0))
	p := wal.Partition{Topic: r.Topic, Index: r.Partition}
	w.log.append(p, r)
	return p
}

// settle waits until nothing moves any more without time passing.
func (w *testWorld) settle() { synctest.Wait() }

// later lets virtual time pass.
func (w *testWorld) later(d time.Duration) { time.Sleep(d); synctest.Wait() }

func (w *testWorld) wantApplied(n int64) {
	w.t.Helper()
	if got := w.view.events(); got != n {
		w.t.Errorf("%d events were applied, want %d", got, n)
	}
}

func (w *testWorld) wantCounters(consumed, duplicate, rejected int64) {
	w.t.Helper()
	c := w.m.State().Counters
	if c.Consumed != consumed || c.Duplicate != duplicate || c.Rejected != rejected {
		w.t.Errorf("counters %+v, want consumed %d, duplicate %d, rejected %d", c, consumed, duplicate, rejected)
	}
	if c.Consumed != c.Applied+c.Superseded+c.Duplicate+c.Rejected {
		w.t.Errorf("counters do not add up: %+v", c)
	}
}

func (w *testWorld) alarm(code string) (message string, raised bool) {
	for _, a := range w.m.State().Alarms {
		if a.Code == code {
			return a.Message, true
		}
	}
	return "", false
}

func (w *testWorld) wantAlarm(code string, want bool) {
	w.t.Helper()
	if _, got := w.alarm(code); got != want {
		w.t.Errorf("alarm %s raised: %v, want %v; alarms %+v", code, got, want, w.m.State().Alarms)
	}
}
