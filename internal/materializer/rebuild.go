package materializer

import (
	"context"
	"errors"
	"fmt"

	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// tearOff says that a crash of Redis left a batch of the partition in part or
// twice. No batch is accepted any more; the partition is rebuilt.
func (w *worker) tearOff(err *view.CorruptError) state {
	part := wal.Partition{Topic: err.Topic, Index: err.Partition}
	if w.m.stats.raise(alarmCorrupt, part.String(), err.Error(), "the partition's keys are rebuilt from the log") {
		w.m.log.Error("partition torn", "partition", w.index, "error", err)
		if w.m.cfg.OnCorrupt != nil {
			w.m.cfg.OnCorrupt(w.index, err)
		}
	}
	return w.rebuild
}

// rebuild wipes the partition and reads all of it again. A log that does not
// begin at 0 any more cannot replace what would be wiped: then only somebody
// else can help, and what there is stays readable.
func (w *worker) rebuild(ctx context.Context) state {
	if err := w.logIsWhole(ctx); err != nil {
		w.m.stats.raise(alarmCorrupt, w.name(), "cannot rebuild from the log: "+err.Error(),
			"bring the brokers back; when the start of the log is gone for good, restore it from a copy")
		return w.torn
	}
	w.m.WentBack()
	err := w.m.cfg.View.WipePartition(ctx, w.index, w.m.cfg.Topology.Topics()...)
	switch {
	case errors.Is(err, view.ErrStale): // whole again, or in other hands
		return w.torn
	case err != nil:
		return w.viewFailed(ctx, err, w.rebuild)
	}
	w.whole()
	w.m.stats.count(alarmRebuilt, w.name(), "torn by a crash of Redis, its keys were rebuilt from the log",
		"consumer groups of its streams must be created again; switch the append-only file of Redis off")
	w.m.log.Warn("partition wiped, reading it again", "partition", w.index)
	return w.reload
}

// logIsWhole answers whether every topic's log still begins at offset 0.
func (w *worker) logIsWhole(ctx context.Context) error {
	starts, err := w.m.cfg.Log.Starts(ctx, w.m.cfg.Topology.Topics()...)
	if err != nil {
		return err
	}
	for _, s := range w.sources {
		if starts[s.part] > 0 {
			return fmt.Errorf("%s begins at offset %d", s.part, starts[s.part])
		}
	}
	return nil
}

// torn waits for another process, or for the log; whole markers mean that the
// partition was rebuilt.
func (w *worker) torn(ctx context.Context) state {
	if !pause.For(ctx, watchEvery) {
		return nil
	}
	for _, s := range w.sources {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index)
		if err != nil {
			return w.torn
		}
		if pos.Torn() {
			return w.rebuild
		}
	}
	w.whole()
	return w.reload
}

func (w *worker) whole() {
	w.m.stats.clear(alarmCorrupt, w.name())
	for _, s := range w.sources {
		w.m.stats.clear(alarmCorrupt, s.part.String())
	}
}
