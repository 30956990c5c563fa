package materializer

import (
	"context"
	"errors"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
)

// repair answers a batch that needs increments which the view has already
// summed: it reads them again from the logs below the batch, computes the
// counters, and sends the same batch with the result. All keys of the batch
// share a scan.
func (w *worker) repair(keys []view.RepairKey) state {
	return func(ctx context.Context) state {
		below, err := w.positions(ctx)
		switch {
		case errors.Is(err, view.ErrStale):
			return w.reload
		case err != nil:
			return w.viewFailed(ctx, err, w.recheck)
		}
		installs, err := view.Recount(keys, func(each func(event.Event)) error {
			w.draft.events(each)
			return w.m.cfg.History.Events(ctx, w.index, below, keys, each)
		})
		if err != nil {
			return w.repairFailed(ctx, err)
		}
		w.m.stats.alarms.Clear(api.AlarmRepairBlocked, w.name())
		w.draft.install(keys, installs)
		return w.apply
	}
}

// positions returns where every origin of the partition stands, owned or not.
// The batch is then pinned to exactly these positions. The error is ErrStale
// when one that the worker owns moved under it.
func (w *worker) positions(ctx context.Context) (map[string]int64, error) {
	below := map[string]int64{}
	for _, s := range w.sources {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index)
		if err != nil {
			return nil, err
		}
		if w.owns(s) && pos.Offset != s.offset {
			return nil, view.ErrStale
		}
		s.offset, s.applied = pos.Offset, pos.Epoch
		below[s.part.Topic] = pos.Offset
	}
	return below, nil
}

// repairFailed waits: the registry or the brokers may come back. A log that no
// longer reaches far enough needs an operator; guessing would lose increments
// in this region only.
func (w *worker) repairFailed(ctx context.Context, err error) state {
	if ctx.Err() != nil {
		return nil
	}
	hint := "the partition goes on when the brokers and the schema registry answer"
	if errors.Is(err, ErrHistoryGone) {
		hint = "the log was cut short: restore it, or rebuild from a region that is ahead"
	}
	if w.m.stats.alarms.Raise(api.AlarmRepairBlocked, w.name(), "repair counters from the log: "+err.Error(), hint) {
		w.m.log.Warn("partition waits", "partition", w.index, "error", err)
	}
	if !pause.For(ctx, w.wait.next()) {
		return nil
	}
	return w.recheck
}
