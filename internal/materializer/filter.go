package materializer

import (
	"context"
	"fmt"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view"
)

// prepare makes s.head the next event to merge. Rejected records and duplicates
// on the way are consumed. Without a head afterwards the queue is empty or its
// front cannot be judged yet. The error is ErrStale or one of reading the view.
func (w *worker) prepare(ctx context.Context, s *source) error {
	for s.head == nil {
		r, ok := w.peek(s)
		if !ok || s.blocked != nil && time.Now().Before(s.blocked.retry) {
			return nil
		}
		e, err := w.decode(ctx, r)
		if reject := event.AsReject(err); reject != nil {
			w.draft.skip(s, r, reject)
			w.pop(s)
			continue
		}
		if err != nil {
			w.block(s, r, err)
			return nil
		}
		w.unblock(s)
		duplicate, err := w.taken(ctx, s, e)
		if err != nil {
			return err
		}
		if duplicate {
			w.draft.skip(s, r, nil)
			w.pop(s)
			continue
		}
		s.head = &pending{event: e, offset: r.Offset, epoch: r.Epoch, bytes: recordBytes(r)}
		w.witness(s, e)
		w.checkIndex(s, e)
	}
	return nil
}

func (w *worker) decode(ctx context.Context, r event.Record) (event.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, decodeWithin)
	defer cancel()
	return w.m.cfg.Decoder.Decode(ctx, r)
}

// taken reports whether the event was applied before, in the view or in this
// draft. The lane's interval set is read once and then kept up; that it is
// current is proven by the compare-and-set of the batch.
func (w *worker) taken(ctx context.Context, s *source, e event.Event) (bool, error) {
	set, loaded := w.draft.applied(s, e.Lane)
	if !loaded {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index, e.Lane)
		if err != nil {
			return false, err
		}
		if pos.Offset != s.offset {
			return false, view.ErrStale
		}
		set = pos.Lanes[e.Lane]
		s.lanes[e.Lane] = set
	}
	return set.Contains(e.Seq), nil
}

// witness merges the stamp into the region's clock. One from too far in the
// future is applied all the same, alike in every region, but not followed.
func (w *worker) witness(s *source, e event.Event) {
	if w.m.cfg.Clock.Witness(e.HLC) {
		return
	}
	w.m.stats.alarms.RaiseUntil(e.HLC.Time().Add(time.Millisecond), api.AlarmClockAhead, s.part.Topic,
		"stamp "+e.HLC.String()+" is too far in the future to follow; it wins until a later stamp", "check the clock of region "+e.Origin)
}

// checkIndex looks whether an origin stamps with its own index: two that share
// one can make equal stamps. The event counts all the same: every region must
// decide alike, and topologies may differ while one is changed.
func (w *worker) checkIndex(s *source, e event.Event) {
	home, ok := w.m.cfg.Topology.Lookup(e.Origin)
	if !ok || int(e.HLC.Region) == home.Index {
		return
	}
	w.m.stats.alarms.Raise(api.AlarmRegionIndex, s.part.Topic, fmt.Sprintf("event %s is stamped with region index %d, but %s has index %d here",
		e.ID, e.HLC.Region, home.Name, home.Index),
		"give every process the same list of regions in the same order, and restart the bridges of "+home.Name)
}

// block makes the partition wait: the record may become readable, by an upgrade
// or when the registry answers. It is never skipped.
func (w *worker) block(s *source, r event.Record, err error) {
	if s.blocked == nil {
		s.blocked = &blockage{}
		w.m.log.Warn("partition waits", "partition", s.part.String(), "offset", r.Offset, "error", err)
	}
	s.blocked.retry = time.Now().Add(s.blocked.wait.next())
	w.m.stats.alarms.Raise(api.AlarmBlocked, s.part.String(), err.Error(),
		"upgrade geokv, or bring the schema registry back; the partition goes on by itself")
}

func (w *worker) unblock(s *source) {
	if s.blocked == nil {
		return
	}
	s.blocked = nil
	w.m.stats.alarms.Clear(api.AlarmBlocked, s.part.String())
}
