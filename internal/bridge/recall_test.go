package bridge_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

// countingLog counts the records that are read again.
type countingLog struct {
	*fakeLog
	read atomic.Int64
}

func (l *countingLog) Scan(ctx context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error {
	return l.fakeLog.Scan(ctx, from, to, func(r event.Record) error {
		l.read.Add(1)
		return fn(r)
	})
}

// While the table is young every new id is looked for among the records from
// before it. They are read once, not once for each id.
func TestRecordsFromBeforeTheTableAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		const before, ids = 100, 50
		first := g.once(g.open(), "incr k", "id-first")
		for range before - 1 {
			g.write(g.open(), "incr k")
		}
		time.Sleep(time.Minute)
		g.redis.loseTable()
		log := &countingLog{fakeLog: g.log}
		b := g.openWith(func(c *bridge.Config) { c.Log = log })
		stop := g.run(b)
		defer stop()
		log.read.Store(0)
		var calls sync.WaitGroup
		for i := range ids {
			calls.Go(func() { g.once(b, "incr k", fmt.Sprint("id-", i)) })
		}
		calls.Wait()
		time.Sleep(9 * time.Minute)
		g.once(b, "incr k", "id-late")
		if n := log.read.Load(); n < before || n > before+ids { // those of the first seconds may be among them
			t.Errorf("%d records read for %d ids, want those %d once", n, ids, before)
		}
		if r := g.once(b, "incr k", "id-first"); r != first {
			t.Errorf("repeat: %+v, want %+v", r, first)
		}

		time.Sleep(30 * time.Second)
		g.redis.loseTable() // what was read for the table before this one is not all there is
		late := g.log.records[first.Partition][before+ids]
		if r := g.once(b, "incr k", "id-late"); r.Offset != late.Offset || g.inLog("id-late") != 1 {
			t.Errorf("repeat after another loss: %+v, want offset %d", r, late.Offset)
		}
		for range 2 {
			if _, err := b.Write(t.Context(), withID(t, "incr k 2", "id-5")); fail.CodeOf(err) != fail.Rejected {
				t.Errorf("an id of before for another operation: %v, want REJECTED", err)
			}
		}
		if r := g.once(b, "incr k", "id-first"); r == first || g.inLog("id-first") != 2 {
			t.Errorf("after more than ten minutes: %+v, want a new write", r)
		}
		time.Sleep(2 * time.Minute)
		if g.once(b, "incr k", "id-5"); g.inLog("id-5") != 2 {
			t.Errorf("an id that is ten minutes old by now: %d in the log, want a new write", g.inLog("id-5"))
		}
	})
}

// A record of another key that cannot be judged yet hides nothing: neither what
// stands before it nor what stands behind it.
func TestRecordThatCannotBeJudgedAmongThoseFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		first := []event.Receipt{g.once(g.open(), "incr k", "id-0")}
		unknown := g.log.records[first[0].Partition][0]
		other := neighbour("k")
		unknown.Key = []byte(other)
		if err := g.log.Append(unknown, func(int64, error) {}); err != nil {
			t.Fatal(err)
		}
		first = append(first, g.once(g.open(), "incr k", "id-1"))
		time.Sleep(time.Minute)
		g.redis.loseTable()
		b := g.openWith(func(c *bridge.Config) { c.Codec = &picky{c.Codec, other} })
		for i, want := range first {
			if r := g.once(b, "incr k", fmt.Sprint("id-", i)); r != want {
				t.Errorf("repeat: %+v, want %+v", r, want)
			}
		}
		if _, err := b.Write(t.Context(), withID(t, "incr "+other, "id-2")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("an id that the record may have: %v, want UNAVAILABLE", err)
		}
	})
}

// neighbour is another key of the same partition.
func neighbour(key string) string {
	for i := 0; ; i++ {
		if other := fmt.Sprint(key, i); geo.PartitionOf([]byte(other)) == geo.PartitionOf([]byte(key)) {
			return other
		}
	}
}

// picky cannot judge the records of one key.
type picky struct {
	bridge.Codec
	key string
}

func (p *picky) Decode(ctx context.Context, r event.Record) (event.Event, error) {
	if string(r.Key) == p.key {
		return event.Event{}, errDown
	}
	return p.Codec.Decode(ctx, r)
}

// A record from before the table reaches the log after the first look, and
// nothing later stands before it.
func TestRecordFromBeforeThatArrivesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		first := g.once(g.open(), "incr k", "id-1")
		queued := g.log.records[first.Partition][0]
		g.log.set(func() { clear(g.log.records) })
		g.redis.loseTable()
		b := g.open()
		g.once(b, "incr k", "id-2")
		if err := g.log.Append(queued, func(int64, error) {}); err != nil {
			t.Fatal(err)
		}
		if r := g.once(b, "incr k", "id-1"); r.HLC != first.HLC || g.inLog("id-1") != 1 {
			t.Errorf("repeat: %+v, want %+v; %d in the log", r, first, g.inLog("id-1"))
		}
	})
}

// The answer about the table's age was long on its way: the age is of its end,
// and the last records of the table that was lost are looked at all the same.
func TestTableAgeThatTookLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		first := g.once(g.open(), "incr k", "id-1")
		g.redis.loseTable()
		g.open() // begins the new table
		time.Sleep(time.Minute)
		b := g.openWith(func(c *bridge.Config) {
			c.Leases, c.Deadline = &slowAge{c.Leases}, time.Minute
		})
		if r := g.once(b, "incr k", "id-1"); r != first || g.inLog("id-1") != 1 {
			t.Errorf("repeat: %+v, want %+v; %d in the log", r, first, g.inLog("id-1"))
		}
	})
}

type slowAge struct{ bridge.Leases }

func (s *slowAge) TableAge(ctx context.Context, upTo time.Duration) (time.Duration, error) {
	time.Sleep(10 * time.Second)
	return s.Leases.TableAge(ctx, upTo)
}
