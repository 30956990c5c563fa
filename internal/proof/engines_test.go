// Package proof holds tests that take the merge engine as a whole: random
// histories by the thousand, crashes of real servers, large streams. What one
// package alone can show is tested beside it; docs/testing-proof.md lists which test
// stands for which promise.
package proof

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lab/memredis"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
)

// onEngines runs a test on the embedded server and on a real one, at once: one
// of them computes in this process, the other in its own.
func onEngines(t *testing.T, test func(t *testing.T, db *view.DB)) {
	t.Run("memredis", func(t *testing.T) {
		t.Parallel()
		s, err := memredis.Start(memredis.Config{Addr: "127.0.0.1:0", Secret: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		test(t, openDB(t, "redis://geokv:secret@"+s.Addr()))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, openDB(t, redistest.Start(t).URL))
	})
}

func openDB(t testing.TB, url string) *view.DB {
	t.Helper()
	db, err := view.Open(view.Config{URL: url, DB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// site is one view fed from logs of one partition, as a materializer does it:
// duplicates are filtered by the lanes' interval sets, repairs answered from the
// log below the position.
type site struct {
	db      *view.DB
	now     int64
	noFold  bool
	offset  int64
	log     map[string][]event.Event // accepted events per key
	lanes   map[laneOf]lane.Set
	top     hlc.Timestamp
	repairs int
}

// laneOf tells lanes of histories that share one site apart.
type laneOf struct {
	origin, space string
	partition     int32
	lane          lane.ID
}

func newSite(db *view.DB, now int64, noFold bool) *site {
	return &site{db: db, now: now, noFold: noFold, log: map[string][]event.Event{}, lanes: map[laneOf]lane.Set{}}
}

const topic = "us.events"

// apply sends a batch; the first n of its events' keys name their history.
func (s *site) apply(ctx context.Context, events []event.Event) error {
	b := view.NewBatch(s.now, true)
	if s.noFold {
		b.DisableFolding()
	}
	added := 0
	for _, e := range events {
		id := laneOf{e.Origin, space(e.Key), geo.PartitionOf(e.Key), e.Lane}
		if s.lanes[id].Contains(e.Seq) {
			continue
		}
		s.lanes[id] = s.lanes[id].Add(e.Seq)
		s.log[string(e.Key)] = append(s.log[string(e.Key)], e)
		s.top = hlc.Max(s.top, e.HLC)
		b.Add(e)
		added++
	}
	to := s.offset + int64(len(events))
	b.Ranges = []view.Range{{Topic: topic, From: s.offset, To: to, HLC: s.top}}
	outcomes, err := s.send(ctx, b)
	if err != nil {
		return err
	}
	if len(outcomes) != added {
		return fmt.Errorf("%d outcomes for %d events", len(outcomes), added)
	}
	s.offset = to
	return nil
}

func (s *site) send(ctx context.Context, b *view.Batch) ([]event.Outcome, error) {
	outcomes, err := s.db.Apply(ctx, b)
	var short *view.RepairError
	if !errors.As(err, &short) {
		return outcomes, err
	}
	s.repairs++
	if b.Installs, err = view.Recount(short.Keys, func(each func(event.Event)) error {
		for _, k := range short.Keys {
			for _, e := range s.log[string(k.Key)] {
				each(e)
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return s.db.Apply(ctx, b)
}

// check compares every key and the position with what the events alone say.
func (s *site) check(ctx context.Context, want map[string]string) (wrong string, err error) {
	keys := make([][]byte, 0, len(want))
	for key := range want {
		keys = append(keys, []byte(key))
	}
	views, err := s.db.ReadMany(ctx, keys, view.ReadOptions{Now: s.now})
	if err != nil {
		return "", err
	}
	for i, v := range views {
		if got := canonical(v); got != want[string(keys[i])] {
			return string(keys[i]), fmt.Errorf("key %q\n got %s\nwant %s", keys[i], got, want[string(keys[i])])
		}
	}
	p, err := s.db.Position(ctx, topic, 0)
	if err == nil && (p.Offset != s.offset || p.Torn() || p.HLC != s.top) {
		err = fmt.Errorf("position %+v, want offset %d and %v", p, s.offset, s.top)
	}
	return "", err
}

func canonical(v crdt.View) string { return string(v.AppendCanonical(nil)) }

// space is what a key starts with up to its first slash: the history it
// belongs to, when several share a view.
func space(key []byte) string {
	for i, c := range key {
		if c == '/' {
			return string(key[:i])
		}
	}
	return ""
}
