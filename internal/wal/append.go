package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/event"
)

// Append hands a record to the client and returns at once. Partition, key,
// value, headers and timestamp are kept as they are; records of one partition
// reach the log in the order of the calls. The record's memory must not be
// changed until done was called.
//
// When Append returns an error nothing was taken and done is never called:
// ErrFull (retry later), ErrClosed, or a *DataLossError when the topic was
// re-created while this log produced into it (open the log again once the loss
// is understood). Otherwise done is called exactly once, on a goroutine of the
// client, and must not block:
//
//	done(offset, nil)            durable: acknowledged by all in-sync replicas
//	done(-1, err Is ErrLost)     certainly not in the log
//	done(-1, err Is ErrUnknown)  may be in the log
//
// Whenever done gets an error, the records of the same partition that were
// appended after it end in an error as well. There is no deadline: through any
// outage the record stays queued, in order, and may still become durable. The
// caller's own deadline makes the answer *unknown* while the record stays queued.
func (l *Log) Append(r event.Record, done func(offset int64, err error)) error {
	a, err := l.appenderFor(r.Topic)
	if err != nil {
		return err
	}
	size := recordSize(r)
	if !l.room.take(size) {
		return ErrFull
	}
	cuts := a.cuts.Load()
	a.client.TryProduce(context.Background(), toClient(r), func(kr *kgo.Record, err error) {
		if err != nil {
			l.noteFatal(a, r.Topic, err)
			err = fmt.Errorf("append to %s/%d: %w", r.Topic, r.Partition, outcome(err, a.cuts.Load() != cuts))
		}
		done(kr.Offset, err)
		l.room.give(size)
	})
	return nil
}

// AppendSync appends records in order and waits until all are durable. It waits
// for room in the buffer. The first failure is returned, classified as for
// Append; when ctx ends first the error Is ErrUnknown and ctx's error, and the
// records stay queued. Offsets are those of the records, in order; -1 for those
// that are not known to be durable.
func (l *Log) AppendSync(ctx context.Context, records ...event.Record) (offsets []int64, err error) {
	type result struct {
		index  int
		offset int64
		err    error
	}
	offsets = make([]int64, len(records))
	for i := range offsets {
		offsets[i] = -1
	}
	results := make(chan result, len(records))
	taken := 0
	for i, r := range records {
		if err = l.appendWaiting(ctx, r, func(offset int64, err error) {
			results <- result{i, offset, err}
		}); err != nil {
			break
		}
		taken++
	}
	for range taken {
		select {
		case got := <-results:
			offsets[got.index] = got.offset
			if err == nil {
				err = got.err
			}
		case <-ctx.Done():
			return offsets, fmt.Errorf("append %d records: %w: %w", len(records), ErrUnknown, context.Cause(ctx))
		}
	}
	return offsets, err
}

// appendWaiting is Append that waits for room.
func (l *Log) appendWaiting(ctx context.Context, r event.Record, done func(int64, error)) error {
	for {
		err := l.Append(r, done)
		if !errors.Is(err, ErrFull) {
			return err
		}
		if err := l.room.waitFor(ctx, recordSize(r)); err != nil {
			return fmt.Errorf("append to %s/%d: %w: %w", r.Topic, r.Partition, ErrLost, err)
		}
	}
}

// Flush waits until nothing is buffered or ctx ends.
func (l *Log) Flush(ctx context.Context) error {
	if err := l.room.waitEmpty(ctx); err != nil {
		return fmt.Errorf("flush %d records: %w", l.room.used(), err)
	}
	return nil
}

// Buffered returns how many records are queued or in flight.
func (l *Log) Buffered() int { return l.room.used() }

func recordSize(r event.Record) int {
	size := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value)
	}
	return size
}

// toClient keeps nil and empty apart: a null key is not an empty one.
func toClient(r event.Record) *kgo.Record {
	kr := &kgo.Record{
		Topic: r.Topic, Partition: r.Partition,
		Key: r.Key, Value: r.Value,
		Timestamp: time.UnixMilli(r.TimestampMS),
	}
	if len(r.Headers) > 0 {
		kr.Headers = make([]kgo.RecordHeader, len(r.Headers))
		for i, h := range r.Headers {
			kr.Headers[i] = kgo.RecordHeader{Key: h.Key, Value: h.Value}
		}
	}
	return kr
}

func fromClient(kr *kgo.Record) event.Record {
	r := event.Record{
		Topic: kr.Topic, Partition: kr.Partition, Offset: kr.Offset, Epoch: kr.LeaderEpoch,
		Key: kr.Key, Value: kr.Value,
		TimestampMS: kr.Timestamp.UnixMilli(),
	}
	if len(kr.Headers) > 0 {
		r.Headers = make([]event.Header, len(kr.Headers))
		for i, h := range kr.Headers {
			r.Headers[i] = event.Header{Key: h.Key, Value: h.Value}
		}
	}
	return r
}
