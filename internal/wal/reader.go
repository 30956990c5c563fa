package wal

import (
	"context"
	"errors"

	"github.com/geokv/geokv/internal/event"
)

// From says where partitions without an explicit start begin.
type From struct {
	kind fromKind
	ms   int64
}

type fromKind uint8

const (
	fromStart fromKind = iota
	fromEnd
	fromMillis
)

// AtStart begins at the first record that exists. It is the zero From.
func AtStart() From { return From{} }

// AtEnd begins after the last record that exists.
func AtEnd() From { return From{kind: fromEnd} }

// AtMillis begins at the first record whose timestamp is at least ms (Unix
// milliseconds), or at the end when there is none.
func AtMillis(ms int64) From { return From{kind: fromMillis, ms: ms} }

// TailConfig says what to read without a group: every partition of every topic.
type TailConfig struct {
	Topics []string
	Start  map[Partition]int64 // next offset wanted; wins over From
	From   From                // for partitions that Start does not name

	// Partitions limits the tail to these partitions when not empty (Topics is
	// then ignored).
	Partitions []Partition
}

// Fetch is what one Poll took.
type Fetch struct {
	// Records in offset order per partition; partitions are not interleaved.
	Records []event.Record
}

// Reader reads records of many partitions in offset order per partition. Poll,
// Seek, Pause, Resume, Release and Commit may be used from different goroutines,
// but Poll from one at a time.
type Reader struct{}

// Tail reads topics directly, without a group. The returned reader has resolved
// its start offsets, so a record appended after Tail returned is not missed
// with AtEnd. Errors: *fail.Error NOT_FOUND for a topic that does not exist,
// otherwise as Ping.
func (l *Log) Tail(ctx context.Context, cfg TailConfig) (*Reader, error) {
	return nil, errors.ErrUnsupported
}

// Poll waits for records and returns at most max of them, or an error, never
// both. It is not an error that brokers are down: Poll waits and logs.
//
//	*DataLossError   one partition stopped; returned once; keep polling for the others
//	ctx.Err()        ctx ended
//	ErrClosed        the reader or its log was closed
//	*fail.Error      credentials or permissions are wrong; polling again retries
//
// After Poll of a group reader returned, no rebalance happens until Release or
// the next Poll.
func (r *Reader) Poll(ctx context.Context, max int) (Fetch, error) {
	return Fetch{}, errors.ErrUnsupported
}

// Release lets a waiting rebalance go on. It may be called at any time; the
// next Poll releases too.
func (r *Reader) Release() {}

// Seek moves partitions: the next Poll returns records from the given offsets
// on. Records that were already returned by Poll are the caller's to drop.
// Partitions that the reader does not own are ignored. Seek also restarts a
// partition that a *DataLossError stopped.
func (r *Reader) Seek(offsets map[Partition]int64) {}

// Pause stops delivery of partitions until Resume; buffered records are kept.
func (r *Reader) Pause(partitions ...Partition) {}

// Resume ends Pause.
func (r *Reader) Resume(partitions ...Partition) {}

// Close stops reading and leaves the group. It is safe to call twice.
func (r *Reader) Close() {}
