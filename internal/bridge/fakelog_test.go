package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

// fault is what the fake log does with one record.
type fault int

const (
	stored      fault = iota
	lost              // not in the log, and said so
	storedMute        // in the log, fate reported as unknown
	droppedMute       // not in the log, fate reported as unknown
)

// fakeLog is a log in memory with the contract of wal.Log: order of calls per
// partition, and after an error every record queued behind it fails as well.
type fakeLog struct {
	mu      sync.Mutex
	records map[int32][]event.Record
	queue   []queued
	hold    bool                     // keep records queued until it is lifted
	full    bool                     // refuse to take anything
	down    bool                     // reads fail
	fate    func(event.Record) fault // nil: all stored
	failed  []event.Record           // records that are not in the log, or said not to be
}

type queued struct {
	r    event.Record
	done func(int64, error)
}

func newFakeLog() *fakeLog { return &fakeLog{records: map[int32][]event.Record{}} }

func (l *fakeLog) Append(r event.Record, done func(int64, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return wal.ErrFull
	}
	l.queue = append(l.queue, queued{r, done})
	if !l.hold {
		l.drain()
	}
	return nil
}

// drain decides fates in order; answers come from other goroutines.
func (l *fakeLog) drain() {
	broken := map[int32]error{}
	for _, q := range l.queue {
		if err := broken[q.r.Partition]; err != nil {
			l.failed = append(l.failed, q.r)
			go q.done(-1, err)
			continue
		}
		what := stored
		if l.fate != nil {
			what = l.fate(q.r)
		}
		offset := int64(len(l.records[q.r.Partition]))
		if what == stored || what == storedMute {
			q.r.Offset = offset
			l.records[q.r.Partition] = append(l.records[q.r.Partition], q.r)
		}
		var err error
		switch what {
		case lost:
			err = fmt.Errorf("refused: %w", wal.ErrLost)
		case storedMute, droppedMute:
			err = fmt.Errorf("gave up: %w", wal.ErrUnknown)
		}
		if err != nil {
			offset, broken[q.r.Partition] = -1, err
			l.failed = append(l.failed, q.r)
		}
		go q.done(offset, err)
	}
	l.queue = nil
}

func (l *fakeLog) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	if !l.hold {
		l.drain()
	}
}

func (l *fakeLog) MaxTimestamps(context.Context, string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("kafka is down")
	}
	out := map[wal.Partition]int64{}
	for p, rs := range l.records {
		for _, r := range rs {
			at := wal.Partition{Topic: r.Topic, Index: p}
			out[at] = max(out[at], r.TimestampMS)
		}
	}
	return out, nil
}

func (l *fakeLog) OffsetsAt(_ context.Context, ms int64, topics ...string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[wal.Partition]int64{}
	for p := range int32(geo.Partitions) {
		at := wal.Partition{Topic: topics[0], Index: p}
		for out[at] < int64(len(l.records[p])) && l.records[p][out[at]].TimestampMS < ms {
			out[at]++
		}
	}
	return out, nil
}

func (l *fakeLog) Ends(_ context.Context, topics ...string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("kafka is down")
	}
	out := map[wal.Partition]int64{}
	for p := range int32(geo.Partitions) {
		out[wal.Partition{Topic: topics[0], Index: p}] = int64(len(l.records[p]))
	}
	return out, nil
}

func (l *fakeLog) Scan(_ context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error {
	for p, end := range to {
		for o := from[p]; o < end; o++ {
			l.mu.Lock()
			r := l.records[p.Index][o]
			l.mu.Unlock()
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// events decodes everything in the log, partition by partition.
func (l *fakeLog) events(t testing.TB, codec *avro.Codec) map[int32][]event.Event {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[int32][]event.Event{}
	for p, rs := range l.records {
		for _, r := range rs {
			e, err := codec.Decode(context.Background(), r)
			if err != nil {
				t.Fatalf("record %d/%d: %v", p, r.Offset, err)
			}
			out[p] = append(out[p], e)
		}
	}
	return out
}
