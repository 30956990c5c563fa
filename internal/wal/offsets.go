package wal

import (
	"context"
	"errors"

	"github.com/geokv/geokv/internal/event"
)

// Starts returns the first offset that exists of every partition of the topics.
// A topic that does not exist is a *fail.Error NOT_FOUND.
func (l *Log) Starts(ctx context.Context, topics ...string) (map[Partition]int64, error) {
	return nil, errors.ErrUnsupported
}

// Ends returns the next offset to be written of every partition of the topics.
func (l *Log) Ends(ctx context.Context, topics ...string) (map[Partition]int64, error) {
	return nil, errors.ErrUnsupported
}

// OffsetsAt returns for every partition the first offset whose record timestamp
// is at least ms (Unix milliseconds), or the end when there is none. Everything
// before it has a smaller timestamp; what follows may be mixed.
func (l *Log) OffsetsAt(ctx context.Context, ms int64, topics ...string) (map[Partition]int64, error) {
	return nil, errors.ErrUnsupported
}

// MaxTimestamps returns the greatest record timestamp (Unix milliseconds) of
// every partition of the topic that has a record. It is the floor of a clock
// that starts.
func (l *Log) MaxTimestamps(ctx context.Context, topic string) (map[Partition]int64, error) {
	return nil, errors.ErrUnsupported
}

// Scan reads from[p] (inclusive) to to[p] (exclusive) of every partition that to
// names, calls fn for each record in offset order per partition, and returns
// when all are read. A partition missing from from begins at its first record.
// It ends exactly, also when offsets are missing in between (compaction,
// transaction markers). An error of fn ends the scan and is returned as it is;
// a range that is not in the log any more is a *DataLossError.
func (l *Log) Scan(ctx context.Context, from, to map[Partition]int64, fn func(event.Record) error) error {
	return errors.ErrUnsupported
}
