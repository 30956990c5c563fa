package watch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

func written(seq int64) event.Event {
	return event.Event{
		ID: "e", Origin: "eu", HLC: hlc.Timestamp{Physical: 1000, Region: 1},
		Lane: lane.ID{Slot: 1, Incarnation: 7}, Seq: seq, Key: []byte("k"), Args: event.Del{},
	}
}

// region is a fake Kafka and Redis: records arrive when the test says so.
type region struct {
	records  chan event.Record
	applied  chan view.Applied
	mu       sync.Mutex
	position int64
	tails    []wal.From
	failTail int
}

func newRegion() *region {
	return &region{records: make(chan event.Record, 100), applied: make(chan view.Applied, 100)}
}

func (r *region) Tail(_ context.Context, cfg wal.TailConfig) (Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failTail > 0 {
		r.failTail--
		return nil, errors.New("no broker")
	}
	r.tails = append(r.tails, cfg.From)
	return r, nil
}

func (r *region) Poll(ctx context.Context, _ int) (wal.Fetch, error) {
	select {
	case <-ctx.Done():
		return wal.Fetch{}, ctx.Err()
	case rec := <-r.records:
		if rec.Topic == "" {
			return wal.Fetch{}, &wal.DataLossError{Kind: wal.Truncated}
		}
		fetch := wal.Fetch{Records: []event.Record{rec}}
		for string(rec.Value) == "unknown schema" && len(r.records) > 0 { // those come at once
			fetch.Records = append(fetch.Records, <-r.records)
		}
		return fetch, nil
	}
}

func (r *region) Close() {}

func (r *region) Subscribe(ctx context.Context) (<-chan view.Applied, error) {
	out := make(chan view.Applied)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case m := <-r.applied:
				out <- m
			}
		}
	}()
	return out, nil
}

func (r *region) Position(context.Context, string, int32, ...lane.ID) (view.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return view.Position{Offset: r.position}, nil
}

func (r *region) Decode(ctx context.Context, rec event.Record) (event.Event, error) {
	switch string(rec.Value) {
	case "garbage":
		return event.Event{}, event.Reject("bad magic", "byte 7")
	case "unknown schema": // and a registry that does not answer
		<-ctx.Done()
		return event.Event{}, ctx.Err()
	}
	return written(rec.Offset + 1), nil
}

// watchRegion runs an observer of r until the test's end and returns its stream.
func watchRegion(t *testing.T, r *region) *Subscription {
	hub := NewHub(time.Now(), 0)
	s := hub.Subscribe(0, 1000)
	o := NewObserver(ObserverConfig{
		Region: geo.Region{Name: "us"}, Topics: []string{"eu.events"},
		Log: r, View: r, Decoder: r, Hub: hub, Wall: time.Now,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.Close()
	})
	return s
}

func record(offset int64, value string) event.Record {
	return event.Record{Topic: "eu.events", Partition: 2, Offset: offset, Key: []byte("k"), Value: []byte(value), TimestampMS: time.Now().UnixMilli() - 40}
}

func outcomes(offset int64, o event.Outcome) view.Applied {
	return view.Applied{
		Region: "us", Topic: "eu.events", Partition: 2, AtMS: time.Now().UnixMilli() + 5,
		Events: []view.AppliedOutcome{{Offset: offset, Outcome: o}},
	}
}

func TestObserverReportsSeenThenApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion()
		s := watchRegion(t, r)
		r.records <- record(0, "")
		synctest.Wait()
		r.applied <- outcomes(0, event.Superseded)
		got := drain(s)
		if len(got) != 2 || got[0].Kind != api.KindSeen || got[1].Kind != api.KindApplied {
			t.Fatalf("got %+v, want seen then applied", got)
		}
		if got[0].DelayMS != 40 || got[1].DelayMS != 45 || got[1].Outcome != event.Superseded || got[1].Event.Seq != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestObserverJoinsAnOutcomeThatCameFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion()
		s := watchRegion(t, r)
		r.applied <- outcomes(0, event.Applied)
		if got := drain(s); len(got) != 0 {
			t.Fatalf("reported %+v before the record was seen", got)
		}
		r.records <- record(0, "")
		got := drain(s)
		if len(got) != 2 || got[1].Outcome != event.Applied {
			t.Errorf("got %+v, want seen and applied", got)
		}
	})
}

func TestObserverDerivesAMissedOutcomeFromThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion()
		s := watchRegion(t, r)
		r.records <- record(0, "")
		r.records <- record(1, "")
		drain(s)
		time.Sleep(5 * time.Second) // virtual
		if got := drain(s); len(got) != 0 {
			t.Fatalf("reported %+v although the position has not moved", got)
		}
		r.mu.Lock()
		r.position = 1
		r.mu.Unlock()
		time.Sleep(time.Second)
		got := drain(s)
		if len(got) != 1 || got[0].Kind != api.KindApplied || got[0].Outcome != event.Unknown || got[0].Offset != 0 {
			t.Errorf("got %+v, want offset 0 applied with unknown outcome", got)
		}
	})
}

func TestObserverShowsWhatCannotBeDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion()
		s := watchRegion(t, r)
		garbage, fetched := record(0, "garbage"), make([]byte, 1<<20)
		garbage.Key = append(fetched[:0], garbage.Key...)
		r.records <- garbage
		r.applied <- outcomes(0, event.Rejected)
		got := drain(s)
		if len(got) != 2 || got[0].Decoded() || got[0].Reason == "" || string(got[0].Event.Key) != "k" {
			t.Fatalf("got %+v, want an undecoded record with key and reason", got)
		}
		if n := cap(got[0].Event.Key); n > event.MaxKeyBytes {
			t.Errorf("it holds on to %d bytes of the fetch", n)
		}
		if got[1].Outcome != event.Rejected || got[1].Reason == "" {
			t.Errorf("got %+v, want rejected with the reason", got[1])
		}
	})
}

// A registry that does not answer holds a poll up for a second, however many of
// its records need it.
func TestObserverWaitsOnceForTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion()
		for range 100 {
			r.records <- record(0, "unknown schema")
		}
		s := watchRegion(t, r)
		time.Sleep(3 * time.Second)
		if got := drain(s); len(got) != 100 || got[0].Decoded() {
			t.Errorf("%d records seen in 3 s, want 100", len(got))
		}
	})
}

func TestObserverWaitsForBrokersAndGoesOnAfterALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion()
		r.failTail = 3
		s := watchRegion(t, r)
		r.records <- record(0, "")
		time.Sleep(4 * time.Second)
		if got := drain(s); len(got) != 1 {
			t.Fatalf("got %+v, want the record once the broker is back", got)
		}
		r.records <- event.Record{} // a loss
		r.records <- record(7, "")
		time.Sleep(2 * time.Second)
		if got := drain(s); len(got) != 1 || got[0].Offset != 7 {
			t.Errorf("got %+v, want offset 7", got)
		}
		if len(r.tails) != 2 || r.tails[1] != wal.AtEnd {
			t.Errorf("tails began at %+v, want the second at the end", r.tails)
		}
	})
}

func TestObserverMemoryIsBounded(t *testing.T) {
	m := newRecent[int](3)
	for i := range int64(10) {
		m.put(spot{offset: i}, int(i))
	}
	var kept []int
	for _, v := range m.oldestFirst() {
		kept = append(kept, v)
	}
	if len(kept) != 3 || kept[0] != 7 || len(m.at) != 3 {
		t.Errorf("kept %v, want [7 8 9]", kept)
	}
}

// A view that is down for long keeps large events waiting for their outcomes:
// they are bounded in bytes, not only in number.
func TestObserverMemoryIsBoundedForLargeEvents(t *testing.T) {
	o := NewObserver(ObserverConfig{Region: geo.Region{Name: "us"}, Hub: NewHub(time.Now(), 1), Wall: time.Now})
	large := func(offset int64) api.Observation {
		ob := api.Observation{Kind: api.KindSeen, Topic: "eu.events", Offset: offset, Event: written(offset + 1)}
		ob.Event.Args = event.Set{Value: make([]byte, 512<<10)}
		return ob
	}
	const n = 200
	for offset := range int64(n) {
		o.sighted(large(offset))
	}
	if got := len(o.seen.at); got > seenBytes>>19 || got < seenBytes>>20 {
		t.Errorf("%d events of 512 KiB wait, want about %d", got, seenBytes>>19)
	}
	for offset := range int64(n) {
		o.applied(view.Applied{Topic: "eu.events", Events: []view.AppliedOutcome{{Offset: offset, Outcome: event.Applied}}})
	}
	if len(o.seen.at) != 0 || o.seen.bytes != 0 {
		t.Errorf("%d events of %d bytes wait after all were applied", len(o.seen.at), o.seen.bytes)
	}
}
