package wal

import (
	"context"
	"errors"

	"github.com/geokv/geokv/internal/event"
)

// Append hands a record to the client and returns at once. Partition, key,
// value, headers and timestamp are kept as they are; records of one partition
// reach the log in the order of the calls. The record's memory must not be
// changed until done was called.
//
// When Append returns an error nothing was taken and done is never called:
// ErrFull (retry later) or ErrClosed. Otherwise done is called exactly once, on
// a goroutine of the client, and must not block:
//
//	done(offset, nil)            durable: acknowledged by all in-sync replicas
//	done(-1, err Is ErrLost)     certainly not in the log
//	done(-1, err Is ErrUnknown)  may be in the log
//
// There is no deadline: through any outage the record stays queued, in order,
// and may still become durable. The caller's own deadline makes the answer
// *unknown* while the record stays queued.
func (l *Log) Append(r event.Record, done func(offset int64, err error)) error {
	return errors.ErrUnsupported
}

// AppendSync appends records in order and waits until all are durable. It waits
// for room in the buffer. The first failure is returned, classified as for
// Append; when ctx ends first the error Is ErrUnknown and ctx's error, and the
// records stay queued. Offsets are those of the records, in order.
func (l *Log) AppendSync(ctx context.Context, records ...event.Record) (offsets []int64, err error) {
	return nil, errors.ErrUnsupported
}

// Flush waits until nothing is buffered or ctx ends.
func (l *Log) Flush(ctx context.Context) error { return errors.ErrUnsupported }

// Buffered returns how many records are queued or in flight.
func (l *Log) Buffered() int64 { return 0 }
