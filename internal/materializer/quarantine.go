package materializer

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/geokv/geokv/internal/event"
)

// Quarantine keeps records that no region can ever accept, for people to look
// at. Keep must not block and may drop: the record itself stays in the log.
// Dropped counts those that it dropped.
type Quarantine interface {
	Keep(r event.Record, reject *event.RejectError)
	Dropped() int64
}

// QuarantineTopic is where LogQuarantine appends, on the region's own Kafka.
const QuarantineTopic = "geokv.dlq"

const (
	maxPending   = 64      // appends under way; more are dropped
	maxPendingB  = 4 << 20 // their bytes; one larger record goes alone
	maxDetailLen = 512
)

// LogQuarantine appends rejected records to QuarantineTopic as they are, with
// headers that say where they came from and why. What it has under way is
// bounded well below what the log buffers: while the topic is missing or Kafka is
// down, a flood of garbage must not take the room of the region's writes.
type LogQuarantine struct {
	// Append hands over a record without waiting; *wal.Log's Append does. The
	// topic must exist.
	Append func(r event.Record, done func(offset int64, err error)) error
	Wall   func() time.Time

	mu      sync.Mutex
	pending int // appends under way
	bytes   int // of them

	dropped atomic.Int64
}

// Keep appends the record unless too much is under way.
func (q *LogQuarantine) Keep(r event.Record, reject *event.RejectError) {
	size := recordBytes(r)
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value)
	}
	if !q.take(size) {
		q.dropped.Add(1)
		return
	}
	done := func(err error) {
		q.give(size)
		if err != nil {
			q.dropped.Add(1)
		}
	}
	if err := q.Append(q.record(r, reject), func(_ int64, err error) { done(err) }); err != nil {
		done(err)
	}
}

func (q *LogQuarantine) take(size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending >= maxPending || q.pending > 0 && q.bytes+size > maxPendingB {
		return false
	}
	q.pending++
	q.bytes += size
	return true
}

func (q *LogQuarantine) give(size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending--
	q.bytes -= size
}

// Dropped counts records that did not reach the topic.
func (q *LogQuarantine) Dropped() int64 { return q.dropped.Load() }

func (q *LogQuarantine) record(r event.Record, reject *event.RejectError) event.Record {
	return event.Record{
		Topic: QuarantineTopic, Offset: -1, Key: r.Key, Value: r.Value, TimestampMS: q.Wall().UnixMilli(),
		Headers: append([]event.Header{
			{Key: "geokv.reason", Value: []byte(reject.Reason)},
			{Key: "geokv.detail", Value: []byte(clip(reject.Detail))},
			{Key: "geokv.topic", Value: []byte(r.Topic)},
			{Key: "geokv.partition", Value: strconv.AppendInt(nil, int64(r.Partition), 10)},
			{Key: "geokv.offset", Value: strconv.AppendInt(nil, r.Offset, 10)},
			{Key: "geokv.timestamp", Value: strconv.AppendInt(nil, r.TimestampMS, 10)},
		}, r.Headers...),
	}
}

func clip(s string) string { return s[:min(len(s), maxDetailLen)] }
