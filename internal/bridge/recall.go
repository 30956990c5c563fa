package bridge

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/wal"
)

// maxTrail bounds what a trail remembers: with every partition's full about
// 100 MB, for ten minutes. What lies behind it is read again for each id.
const maxTrail = 1 << 18

// recall looks for an id that the table found free among the records from before
// the table began: it may have been used under one that was lost. Nothing is read
// once the table has lasted for as long as an id is remembered.
func (b *Bridge) recall(ctx context.Context, a *attempt, op event.Operation) (*event.Receipt, error) {
	since := b.cfg.Wall().Add(-rememberFor - lookBack)
	age, err := b.cfg.Leases.TableAge(ctx, rememberFor)
	if err != nil {
		b.giveUp(a)
		return nil, noTable(err, a.id)
	}
	if age >= rememberFor {
		return nil, nil
	}
	until := b.cfg.Wall().Add(-age + lookBack) // the age is of now, however long the answer took
	receipt, err := b.findBefore(ctx, a.id, op, since, until)
	if err != nil {
		b.giveUp(a)
		return nil, unreadable(err, a.id, op)
	}
	b.storeFound(ctx, a, receipt)
	return receipt, nil
}

// findBefore is find among the records from between since and until, by the trail
// of the operation's partition.
func (b *Bridge) findBefore(ctx context.Context, id string, op event.Operation, since, until time.Time) (*event.Receipt, error) {
	t := b.trails.covering(wal.Partition{Topic: b.topic, Index: partitionOf(op)}, since, until)
	if err := t.reading.enter(ctx); err != nil {
		return nil, err
	}
	err := b.followTrail(ctx, t)
	from, to := t.whereabouts(id, op.Key)
	t.reading.leave()
	if err != nil {
		return nil, err
	}
	return b.search(ctx, id, op, from, to, since)
}

// trail tells where which event ids stand among one partition's records from
// between since and until. Every write with an id asks while the table is young,
// so the records are read once for all of them.
type trail struct {
	partition    wal.Partition
	since, until time.Time

	reading gate // guards the rest; whoever comes next reads on where one gave up
	next    int64
	end     int64
	final   bool // a record later than until stands at the end: it does not move any more
	seed    maphash.Seed
	first   map[uint64]int64 // offset by hash of id and key, the lowest of equal ones; nil: not begun
}

// trails are the latest ones by partition.
type trails struct {
	mu sync.Mutex
	of map[wal.Partition]*trail
}

// covering returns a trail of at least the time between since and until. The
// beginning of the table, as told by its age, wavers with the clocks: a new trail
// is a little longer, so that only a table that begins anew makes another.
func (t *trails) covering(p wal.Partition, since, until time.Time) *trail {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.of[p]; known != nil && !since.Before(known.since) && !until.After(known.until) {
		return known
	}
	t.of[p] = &trail{
		partition: p, since: since.Add(-lookBack), until: until.Add(lookBack),
		reading: newGate(), seed: maphash.MakeSeed(),
	}
	return t.of[p]
}

// forget drops the trails to tables that are not young any more.
func (t *trails) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p, known := range t.of {
		if now.Sub(known.until) > rememberFor {
			delete(t.of, p)
		}
	}
}

// whereabouts returns the offsets between which an id of the key stands, if it
// stands anywhere: from the first record of that hash, or from the first that was
// not read.
func (t *trail) whereabouts(id string, key []byte) (from, to int64) {
	if at, ok := t.first[t.hash(id, key)]; ok {
		return at, t.end
	}
	return t.next, t.end
}

func (t *trail) hash(id string, key []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.WriteString(id)
	_ = h.WriteByte(0)
	_, _ = h.Write(key)
	return h.Sum64()
}

// followTrail reads what was not read yet. It stops at its bound, and at a record
// that cannot be judged now: that one matters to its own key alone.
func (b *Bridge) followTrail(ctx context.Context, t *trail) error {
	if err := b.boundTrail(ctx, t); err != nil || t.next >= t.end {
		return err
	}
	from, to := map[wal.Partition]int64{t.partition: t.next}, map[wal.Partition]int64{t.partition: t.end}
	err := b.cfg.Log.Scan(ctx, from, to, func(r event.Record) error {
		if len(t.first) >= maxTrail {
			return errEnough
		}
		e, err := b.cfg.Codec.Decode(ctx, r)
		if err != nil && event.AsReject(err) == nil {
			return errEnough
		}
		t.next = r.Offset + 1
		if err == nil {
			t.note(t.hash(e.ID, e.Key), r.Offset)
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil:
		t.next = t.end // there may be none left before it
	}
	return err
}

func (t *trail) note(hash uint64, offset int64) {
	if _, known := t.first[hash]; !known {
		t.first[hash] = offset
	}
}

// boundTrail finds where the trail begins and ends. The log's end is asked for
// first: a record that arrives in between must not make ours look final.
func (b *Bridge) boundTrail(ctx context.Context, t *trail) error {
	if t.final {
		return nil
	}
	if t.first == nil {
		starts, err := b.cfg.Log.OffsetsAt(ctx, t.since.UnixMilli(), b.topic)
		if err != nil {
			return err
		}
		t.next, t.first = starts[t.partition], map[uint64]int64{}
	}
	logEnds, err := b.cfg.Log.Ends(ctx, b.topic)
	if err != nil {
		return err
	}
	ends, err := b.cfg.Log.OffsetsAt(ctx, t.until.UnixMilli(), b.topic)
	if err != nil {
		return err
	}
	t.end = ends[t.partition]
	t.final = t.end < logEnds[t.partition]
	return nil
}
