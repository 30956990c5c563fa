package materializer

import (
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/wal"
)

// source is one origin's log in one partition: the queue between feed and
// worker, and what the worker knows about its position.
type source struct {
	part wal.Partition

	// Shared with the feed; guarded by worker.mu.
	owned   bool
	queue   []event.Record
	bytes   int
	next    int64 // offset that the feed expects to deliver next
	epoch   int32 // leader epoch of the record before next; -1 when not known
	seeking bool  // the feed has yet to move the reader to next; what it delivers until then is old
	doubted int64 // a gap in front of this offset was answered with a seek; -1 none
	paused  bool
	end     int64              // of the log when the partition was assigned
	loss    *wal.DataLossError // the log does not continue at next; stopped

	// The worker's own.
	offset  int64                // the view's position, proven by the last apply or read
	applied int32                // leader epoch of the record before offset
	lanes   map[lane.ID]lane.Set // applied numbers, of the lanes met so far, as of offset
	front   int64                // offset of the next record to take
	head    *pending             // the record at the front, decoded
	target  int64                // below it the log is being caught up, not followed
	absent  time.Time            // since when records below target are awaited
	blocked *blockage            // why the head cannot be judged yet
}

// pending is a decoded record that is neither duplicate nor rejected.
type pending struct {
	event  event.Event
	offset int64
	epoch  int32
	bytes  int
}

// blockage is a wait for the environment.
type blockage struct {
	retry time.Time
	wait  backoff
}

// behind reports whether the log is known to hold more than was taken.
func (s *source) behind() bool { return s.front < s.target }

// accept queues a delivered record and reports whether the reader must be moved
// because records are missing in front of it. Guarded by worker.mu.
//
// Event topics have no gaps, so a gap usually is a record that was dropped on
// the way from reader to worker: it is believed only when a seek to its start
// delivers it again.
func (s *source) accept(r event.Record) (seek bool) {
	switch {
	case !s.owned || s.seeking || r.Offset < s.next:
		return false
	case r.Offset > s.next && s.doubted != s.next:
		s.doubted, s.seeking = s.next, true
		return true
	}
	s.doubted = -1
	s.next, s.epoch = r.Offset+1, r.Epoch
	s.queue = append(s.queue, r)
	s.bytes += recordBytes(r)
	return false
}

// reset empties the queue and makes a place the next one to deliver from.
// Guarded by worker.mu.
func (s *source) reset(at wal.Place) {
	s.queue, s.bytes, s.loss = nil, 0, nil
	s.next, s.epoch, s.doubted = at.Offset, at.Epoch, -1
}

func recordBytes(r event.Record) int { return len(r.Key) + len(r.Value) + 64 }
