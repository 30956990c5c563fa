package materializer

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// What the feed and the group tell a worker.

func (w *worker) source(topic string) *source {
	for _, s := range w.sources {
		if s.part.Topic == topic {
			return s
		}
	}
	return nil
}

// deliver queues a record in offset order.
func (w *worker) deliver(r event.Record) {
	w.mu.Lock()
	s := w.source(r.Topic)
	seek := s != nil && s.accept(r)
	w.mu.Unlock()
	if seek {
		w.m.callFeed()
	}
	w.signal()
}

// assign starts a partition where the view stands. Below end it is caught up.
func (w *worker) assign(p wal.Partition, at wal.Place, end int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.source(p.Topic)
	s.owned, s.seeking, s.paused, s.end = true, false, false, end
	s.reset(at)
	w.changed = true
	w.signal()
}

// revoke drops a partition. A batch that is under way may still land: the next
// owner then gets STALE and reloads.
func (w *worker) revoke(p wal.Partition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.source(p.Topic)
	s.owned, s.seeking = false, false
	s.reset(wal.At(0))
	w.changed = true
	w.signal()
}

// lose stops a partition whose log does not continue at the position.
func (w *worker) lose(loss *wal.DataLossError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.source(loss.Partition.Topic)
	if s == nil || !s.owned || s.seeking {
		return
	}
	s.loss = loss
	w.m.stats.alarms.Raise(api.AlarmDataLoss, s.part.String(), loss.Error(),
		"restore the topic; or, when what is left is all there is, empty the Redis (FLUSHDB) and restart the materializer: it rebuilds the view")
	w.m.log.Error("partition stopped", "partition", s.part.String(), "error", loss)
}

// wishes collects what the reader should do for this worker.
func (w *worker) wishes(seeks map[wal.Partition]wal.Place, pauses, resumes *[]wal.Partition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sources {
		if s.seeking {
			seeks[s.part], s.seeking = wal.Place{Offset: s.next, Epoch: s.epoch}, false
		}
		switch full := s.bytes > pauseAbove; {
		case full && !s.paused:
			*pauses, s.paused = append(*pauses, s.part), true
		case s.paused && s.bytes < resumeBelow:
			*resumes, s.paused = append(*resumes, s.part), false
		}
	}
}

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) ownershipChanged() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *worker) acknowledgeOwnership() []*source {
	w.mu.Lock()
	w.changed = false
	for _, s := range w.sources {
		if !s.owned {
			w.m.stats.released(s.part)
		}
	}
	w.mu.Unlock()
	return w.owned()
}

func (w *worker) owned() []*source {
	w.mu.Lock()
	defer w.mu.Unlock()
	var owned []*source
	for _, s := range w.sources {
		if s.owned {
			owned = append(owned, s)
		}
	}
	return owned
}

func (w *worker) owns(s *source) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.owned
}

// align makes the source continue where the view stands. Queued records stay
// when they begin exactly there.
func (w *worker) align(s *source, pos view.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if pos.Offset < s.offset { // the view was rewound: catch up to where it was
		s.target = max(s.target, s.offset)
	}
	s.target = max(s.target, s.end)
	s.offset, s.applied = pos.Offset, pos.Epoch
	s.lanes, s.head = map[lane.ID]lane.Set{}, nil
	s.absent, s.blocked = time.Time{}, nil
	s.front = s.next
	if len(s.queue) > 0 {
		s.front = s.queue[0].Offset
	}
	if s.front != pos.Offset {
		s.reset(placeOf(pos))
		s.front, s.seeking = pos.Offset, s.owned
		w.m.callFeed()
	}
	if s.loss == nil {
		w.m.stats.alarms.Clear(api.AlarmDataLoss, s.part.String())
	}
	w.m.stats.alarms.Clear(api.AlarmBlocked, s.part.String())
	if w.m.stats.moved(s.part, s.offset) {
		w.m.warnBack()
	}
}

func placeOf(pos view.Position) wal.Place { return wal.Place{Offset: pos.Offset, Epoch: pos.Epoch} }

func (w *worker) peek(s *source) (event.Record, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(s.queue) == 0 || w.changed {
		return event.Record{}, false
	}
	return s.queue[0], true
}

// pop removes the record at the front; it was taken or skipped.
func (w *worker) pop(s *source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(s.queue) == 0 || w.changed { // revoked meanwhile: the draft is void
		return
	}
	s.front = s.queue[0].Offset + 1
	s.bytes -= recordBytes(s.queue[0])
	s.queue[0] = event.Record{}
	s.queue = s.queue[1:]
	s.absent = time.Time{}
	if s.paused && s.bytes < resumeBelow {
		w.m.callFeed()
	}
}

// earliest returns the source whose next event has the lowest stamp; nil when
// none is ready. The error is ErrStale or one of reading the view.
func (w *worker) earliest(ctx context.Context) (*source, error) {
	var first *source
	for _, s := range w.sources {
		if err := w.prepare(ctx, s); err != nil {
			return nil, err
		}
		if s.head != nil && (first == nil || s.head.event.HLC.Before(first.head.event.HLC)) {
			first = s
		}
	}
	if first != nil && w.awaited() {
		return nil, nil
	}
	return first, nil
}

// awaited reports whether an origin that is being caught up has nothing queued
// at the moment, so that taking from the others would break the order of stamps.
// Order is only worth a short wait: the result does not depend on it.
func (w *worker) awaited() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, any := time.Now(), false
	for _, s := range w.sources {
		if !s.owned || s.head != nil || len(s.queue) > 0 || s.loss != nil || !s.behind() {
			continue
		}
		if s.absent.IsZero() {
			s.absent = now
		}
		any = any || now.Sub(s.absent) < patience
	}
	return any
}

// untilNextLook is how long idle may sleep.
func (w *worker) untilNextLook() time.Duration {
	d := watchEvery
	for _, s := range w.sources {
		if s.blocked != nil {
			d = min(d, max(time.Until(s.blocked.retry), time.Millisecond))
		}
	}
	return d
}
