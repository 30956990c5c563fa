package materializer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

type (
	laneID  = lane.ID
	laneSet = lane.Set
)

var seven = lane.ID{Slot: 1, Incarnation: 7}

// OffsetsAt and Scan make fakeLog a ScanLog.
func (l *fakeLog) OffsetsAt(_ context.Context, ms int64, topics ...string) (map[wal.Partition]int64, error) {
	out := map[wal.Partition]int64{}
	for p, records := range l.records {
		out[p] = int64(len(records))
		for i := len(records) - 1; i >= int(l.starts[p]); i-- {
			if records[i].TimestampMS >= ms {
				out[p] = int64(i)
			}
		}
	}
	return out, nil
}

func (l *fakeLog) Scan(_ context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error {
	for p, end := range to {
		for at := from[p]; at < end; at++ {
			l.mu.Lock()
			gone := at < l.starts[p] || at >= int64(len(l.records[p]))
			var r event.Record
			if !gone {
				r = l.records[p][at]
			}
			l.mu.Unlock()
			if gone {
				return &wal.DataLossError{Partition: p, Kind: wal.OutOfRange}
			}
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func stamped(origin, key string, seq, ms int64) event.Event {
	return event.Event{
		ID: "e", Origin: origin, HLC: hlc.Timestamp{Physical: ms}, Lane: seven, Seq: seq,
		Key: []byte(key), Args: event.Incr{Delta: 1},
	}
}

func TestHistoryFindsEachEventBelowThePosition(t *testing.T) {
	log := newFakeLog()
	us, eu := wal.Partition{Topic: "us.events", Index: 3}, wal.Partition{Topic: "eu.events", Index: 3}
	put := func(p wal.Partition, events ...event.Event) {
		for _, e := range events {
			log.append(p, encode(e))
		}
	}
	put(us, stamped("us", "k", 1, 100), stamped("us", "k", 2, 200), stamped("us", "other", 3, 210),
		stamped("us", "k", 4, 190), stamped("us", "k", 2, 200), stamped("us", "k", 5, 300))
	log.append(us, event.Record{Key: []byte("k"), Value: []byte("garbage"), TimestampMS: 310})
	put(us, stamped("us", "k", 6, 320), stamped("us", "k", 7, 330))
	put(eu, stamped("eu", "k", 1, 250))

	seqs := map[string][]int64{}
	err := LogHistory{log, &jsonCodec{}}.Events(t.Context(), 3,
		map[string]int64{"us.events": 8, "eu.events": 1, "ap.events": 0},
		[]view.RepairKey{{Key: []byte("k"), Since: hlc.Timestamp{Physical: 195}}},
		func(e event.Event) {
			if string(e.Key) != "k" {
				t.Errorf("an event of %q", e.Key)
			}
			if e.HLC.Physical >= 195 {
				seqs[e.Origin] = append(seqs[e.Origin], e.Seq)
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(slices.Compact(slices.Sorted(slices.Values(seqs["us"]))), []int64{2, 5, 6}) || !slices.Equal(seqs["eu"], []int64{1}) {
		t.Errorf("found %v, want us 2 5 6 and eu 1: at or after 195 ms, below the positions", seqs)
	}
}

func TestHistoryRefusesToGuess(t *testing.T) {
	log := newFakeLog()
	us := wal.Partition{Topic: "us.events", Index: 3}
	for seq := range int64(4) {
		log.append(us, encode(stamped("us", "k", seq+1, 100*(seq+1))))
	}
	ask := func(ms int64) error {
		return LogHistory{log, &jsonCodec{}}.Events(t.Context(), 3, map[string]int64{"us.events": 4},
			[]view.RepairKey{{Key: []byte("k"), Since: hlc.Timestamp{Physical: ms}}}, func(event.Event) {})
	}
	log.starts[us] = 2
	if err := ask(150); !errors.Is(err, ErrHistoryGone) {
		t.Errorf("records since 150 ms are deleted: got %v", err)
	}
	if err := ask(350); err != nil {
		t.Errorf("records since 350 ms are there: got %v", err)
	}
	log.starts[us] = 0
	future := stamped("us", "k", 5, 500)
	future.ID = "future"
	log.append(us, encode(future))
	err := LogHistory{log, &jsonCodec{}}.Events(t.Context(), 3, map[string]int64{"us.events": 5},
		[]view.RepairKey{{Key: []byte("k"), Since: hlc.Timestamp{Physical: 150}}}, func(event.Event) {})
	if err == nil {
		t.Error("an event that cannot be judged was left out of the history")
	}
}

func TestQuarantineTopicKeepsTheRecordAndItsReason(t *testing.T) {
	var kept []event.Record
	var done []func(int64, error)
	full := false
	q := &LogQuarantine{Wall: fixedWall, Append: func(r event.Record, fn func(int64, error)) error {
		if full {
			return wal.ErrFull
		}
		kept, done = append(kept, r), append(done, fn)
		return nil
	}}
	bad := event.Record{
		Topic: "eu.events", Partition: 5, Offset: 77, Key: []byte("k"), Value: []byte{7}, TimestampMS: 99,
		Headers: []event.Header{{Key: "h", Value: []byte("v")}},
	}
	for range maxPending + 3 {
		q.Keep(bad, event.Reject("bad magic", "byte 7"))
	}
	if len(kept) != maxPending || q.Dropped() != 3 {
		t.Errorf("%d appends under way and %d dropped, want %d and 3", len(kept), q.Dropped(), maxPending)
	}
	for _, fn := range done {
		fn(-1, wal.ErrLost)
	}
	full = true
	q.Keep(bad, event.Reject("bad magic", "byte 7"))
	if q.Dropped() != 3+maxPending+1 {
		t.Errorf("dropped %d, want %d", q.Dropped(), 3+maxPending+1)
	}
	headers := map[string]string{}
	for _, h := range kept[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	if kept[0].Topic != QuarantineTopic || string(kept[0].Value) != "\a" || headers["geokv.reason"] != "bad magic" ||
		headers["geokv.topic"] != "eu.events" || headers["geokv.partition"] != "5" || headers["geokv.offset"] != "77" || headers["h"] != "v" {
		t.Errorf("kept %+v", kept[0])
	}
}

// Records that did not reach the topic are counted where people look.
func TestQuarantineThatDropsShowsInTheState(t *testing.T) {
	inWorld(t, func(w *testWorld) {
		w.kept = &LogQuarantine{Wall: fixedWall, Append: func(event.Record, func(int64, error)) error { return errNetwork }}
	}, func(w *testWorld) {
		w.log.append(wal.Partition{Topic: "us.events"}, event.Record{Value: []byte("garbage")}, event.Record{Value: []byte("more")})
		w.settle()
		if c := w.m.State().Counters; c.Rejected != 2 || c.QuarantineDropped != 2 {
			t.Errorf("counters %+v, want 2 rejected and both dropped", c)
		}
	})
}

func fixedWall() time.Time { return time.UnixMilli(1_700_000_000_000) }

// While nothing is acknowledged, the quarantine holds a few megabytes at most:
// the region's writes share the buffer.
func TestQuarantineLeavesRoomForWrites(t *testing.T) {
	var held int
	var acknowledge []func(int64, error)
	q := &LogQuarantine{Wall: fixedWall, Append: func(r event.Record, done func(int64, error)) error {
		held += len(r.Value)
		acknowledge = append(acknowledge, done)
		return nil
	}}
	garbage := event.Record{Topic: "us.events", Value: make([]byte, 1<<20-1024)}
	for range 100 {
		q.Keep(garbage, &event.RejectError{Reason: "bad frame"})
	}
	if held > 4<<20 || held == 0 || q.Dropped() != int64(100-len(acknowledge)) {
		t.Errorf("holds %d bytes of %d records, %d dropped", held, len(acknowledge), q.Dropped())
	}
	for _, done := range acknowledge {
		done(0, nil)
	}
	before := len(acknowledge)
	if q.Keep(garbage, &event.RejectError{Reason: "bad frame"}); len(acknowledge) != before+1 {
		t.Error("keeps nothing after the topic is back")
	}
}
