package materializer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// tearOff says that the view holds a batch of the partition in part or twice:
// Redis crashed, or broke the script off. No batch is accepted any more; the
// partition is rebuilt.
func (w *worker) tearOff(err *view.CorruptError) state {
	w.viewWorks()
	if w.draft.broken != nil {
		w.fault = w.fault.again(w.draft)
		w.m.log.Error("redis broke a batch off", "partition", w.index, "times", w.fault.times, "error", w.fault.err)
	}
	if w.m.stats.alarms.Raise(api.AlarmViewTorn, w.name(), err.Error(), "the partition's keys are rebuilt from the log") {
		w.m.log.Error("partition torn", "partition", w.index, "error", err)
		if w.m.cfg.OnCorrupt != nil {
			w.m.cfg.OnCorrupt(w.index, err)
		}
	}
	return w.rebuild
}

// rebuild wipes the partition and reads all of it again. A log that cannot
// replace what would be wiped, and a batch that tears the partition each time,
// need somebody's help first: what there is stays readable until then.
func (w *worker) rebuild(ctx context.Context) state {
	if w.fault.waits() {
		w.m.stats.alarms.Raise(api.AlarmViewTorn, w.name(), "torn again by the same batch after a rebuild: "+w.fault.err.Error(), faultHint)
		return w.torn
	}
	if err := w.logCovers(ctx); err != nil {
		w.m.stats.alarms.Raise(api.AlarmViewTorn, w.name(), "torn, and cannot be rebuilt from the log: "+err.Error(),
			"bring the brokers back; when a part of the log is gone for good, restore it from a copy")
		return w.torn
	}
	w.m.WentBack()
	if err := w.m.mark.set(ctx); err != nil {
		return w.viewFailed(ctx, err, w.rebuild)
	}
	err := w.m.cfg.View.WipePartition(ctx, w.index, w.m.cfg.Topology.Topics()...)
	switch {
	case errors.Is(err, view.ErrStale): // whole again, or in other hands
		return w.torn
	case err != nil:
		return w.viewFailed(ctx, err, w.rebuild)
	}
	w.whole()
	w.m.stats.alarms.Raise(api.AlarmViewRebuilt, w.name(), "torn by "+w.fault.cause()+", its keys were rebuilt from the log",
		"consumer groups of its streams must be created again; switch the append-only file of Redis off")
	w.m.log.Warn("partition wiped, reading it again", "partition", w.index)
	return w.reload
}

// logCovers answers whether every topic's log still holds what the view was made
// of: it begins at offset 0, with an event that the view has, and reaches as far.
// A topic that was made again begins at 0 as well, without its records.
func (w *worker) logCovers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, applyWithin)
	defer cancel()
	topics := w.m.cfg.Topology.Topics()
	starts, err := w.m.cfg.Log.Starts(ctx, topics...)
	if err != nil {
		return err
	}
	ends, err := w.m.cfg.Log.Ends(ctx, topics...)
	if err != nil {
		return err
	}
	for _, s := range w.sources {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index)
		switch {
		case err != nil:
			return err
		case starts[s.part] > 0:
			return fmt.Errorf("%s begins at offset %d", s.part, starts[s.part])
		case ends[s.part] < pos.Offset:
			return fmt.Errorf("%s ends at offset %d, the view stands at %d", s.part, ends[s.part], pos.Offset)
		case pos.Offset > 0:
			err = w.firstIsKnown(ctx, s.part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firstIsKnown answers whether the view has the log's first event. One that
// cannot be judged, or was rejected, says nothing.
func (w *worker) firstIsKnown(ctx context.Context, p wal.Partition) error {
	from, to := map[wal.Partition]int64{p: 0}, map[wal.Partition]int64{p: 1}
	return w.m.cfg.Log.Scan(ctx, from, to, func(r event.Record) error {
		e, err := w.decode(ctx, r)
		if err != nil {
			return nil
		}
		pos, err := w.m.cfg.View.Position(ctx, p.Topic, p.Index, e.Lane)
		if err == nil && !pos.Lanes[e.Lane].Contains(e.Seq) {
			err = fmt.Errorf("%s begins with an event that the view never had: the topic was made again", p)
		}
		return err
	})
}

// torn waits for another process, for the log or for the next try; whole markers
// mean that the partition was rebuilt.
func (w *worker) torn(ctx context.Context) state {
	if !pause.For(ctx, watchEvery) {
		return nil
	}
	if w.ownershipChanged() {
		return w.reload
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

func (w *worker) whole() { w.m.stats.alarms.Clear(api.AlarmViewTorn, w.name()) }

// fault is a batch that Redis broke off in the middle, which tore the partition.
// Read again after a rebuild it tears it again as long as the cause lasts; so
// from the second time on the rebuilds wait, longer and longer. nil: none.
type fault struct {
	err   error
	upTo  map[*source]int64 // behind these offsets it is over
	times int
	retry time.Time
	wait  time.Duration
}

const (
	faultFirst = time.Second
	faultMax   = 5 * time.Minute
	faultHint  = "give geokv's user of Redis every command on every key, and remove keys beside geokv's that another program wrote; it is tried again by itself, then later and later"
)

// again notes that the draft was broken off. Any such batch before the old one is
// passed counts as the same: a partition read again is cut into other batches.
func (f *fault) again(d *draft) *fault {
	g := &fault{err: d.broken, upTo: map[*source]int64{}, times: 1}
	for s, c := range d.claims {
		g.upTo[s] = c.to
	}
	if f == nil {
		return g
	}
	for s, to := range f.upTo {
		g.upTo[s] = max(g.upTo[s], to)
	}
	g.times = f.times + 1
	g.wait = min(max(2*f.wait, faultFirst), faultMax)
	g.retry = time.Now().Add(g.wait)
	return g
}

// waits reports whether it is too early for another rebuild.
func (f *fault) waits() bool { return f != nil && time.Now().Before(f.retry) }

// passed reports whether the view is behind the offsets that could not be applied.
func (f *fault) passed() bool {
	for s, to := range f.upTo {
		if s.offset < to {
			return false
		}
	}
	return true
}

func (f *fault) cause() string {
	if f == nil {
		return "a crash of Redis"
	}
	return "a batch that failed half-way (" + f.err.Error() + ")"
}
