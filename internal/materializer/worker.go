package materializer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

const (
	watchEvery   = time.Second            // how often an idle worker compares its position with the view's
	patience     = 250 * time.Millisecond // how long catching up waits for one origin's records, to merge by stamp
	holdRetry    = 20 * time.Millisecond
	decodeWithin = time.Second      // a decode that has to ask the registry
	applyWithin  = 15 * time.Second // bounds an apply that outlives Run's context
)

// worker applies one partition index of all origins. It is a loop of states:
//
//	reload  -> gather          finish long work, read where the view stands, move the reader there
//	gather  -> apply | idle    decode, drop duplicates and rejects, merge by stamp
//	apply   -> gather          the batch took effect
//	        -> reload          STALE: the view moved
//	        -> recheck         the reply was lost, the view refuses writes or broke the batch off
//	        -> repair          an exact counter needs events from the log
//	        -> rebuild         CORRUPT: the partition is wiped and read from the start
//	idle    -> gather | reload records came | the view moved by itself
type worker struct {
	m     *Materializer
	index int32
	wake  chan struct{}

	draft *draft
	wait  backoff
	fault *fault // why the partition was torn, until it is passed

	mu      sync.Mutex
	sources []*source // in order of the topology
	changed bool      // ownership changed: reload
}

// state is one step of the loop; nil ends it.
type state func(ctx context.Context) state

func newWorker(m *Materializer, index int32) *worker {
	w := &worker{m: m, index: index, wake: make(chan struct{}, 1)}
	for _, topic := range m.cfg.Topology.Topics() {
		w.sources = append(w.sources, &source{part: wal.Partition{Topic: topic, Index: index}, doubted: -1})
	}
	return w
}

func (w *worker) run(ctx context.Context) {
	next := w.reload
	for ctx.Err() == nil && next != nil {
		next = next(ctx)
	}
}

// reload reads where the view stands and moves the reader there. Whatever was
// prepared is forgotten: it will be read again. Long work that the owner before
// left unfinished shows in reads, and a quiet partition has no batch that would
// finish it, so that is done here.
func (w *worker) reload(ctx context.Context) state {
	w.draft = newDraft(w.m.cfg)
	if err := w.m.health.check(ctx); err != nil {
		return w.viewFailed(ctx, err, w.reload)
	}
	owned := w.acknowledgeOwnership()
	for _, s := range owned {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index)
		if err != nil {
			return w.viewFailed(ctx, err, w.reload)
		}
		if pos.Torn() {
			return w.tearOff(&view.CorruptError{Topic: s.part.Topic, Partition: s.part.Index})
		}
		w.align(s, pos)
	}
	if len(owned) > 0 { // and not before torn markers were looked for
		if err := w.m.cfg.View.Resume(ctx, w.index); err != nil {
			return w.viewFailed(ctx, err, w.reload)
		}
	}
	w.viewWorks()
	return w.gather
}

// gather takes what has arrived, in the order of stamps over all origins, until
// the batch is full or the queues are empty.
func (w *worker) gather(ctx context.Context) state {
	if w.ownershipChanged() {
		return w.reload
	}
	for !w.draft.full() {
		s, err := w.earliest(ctx)
		switch {
		case errors.Is(err, view.ErrStale):
			return w.reload
		case err != nil:
			return w.viewFailed(ctx, err, w.reload)
		case s == nil && w.awaited():
			return w.sleep(ctx, patience/5, w.gather)
		case s == nil && w.draft.empty():
			return w.idle
		case s == nil:
			return w.apply
		}
		w.draft.add(s, s.head)
		w.pop(s)
		s.head = nil
	}
	return w.apply
}

// apply sends the batch. It is not cut short by the end of Run: the reply tells
// whether the next owner has to reload.
func (w *worker) apply(ctx context.Context) state {
	if err := w.m.health.check(ctx); err != nil {
		return w.viewFailed(ctx, err, w.apply)
	}
	if err := w.m.mark.set(ctx); err != nil {
		return w.viewFailed(ctx, err, w.apply)
	}
	w.draft.seal(w.sources, len(w.draft.batch.Installs) > 0)
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyWithin)
	defer cancel()
	outcomes, err := w.m.cfg.View.Apply(sending, w.draft.batch)

	var torn *view.CorruptError
	var short *view.RepairError
	switch {
	case err == nil:
		w.viewWorks()
		w.commit(sending, outcomes)
		return w.gather
	case errors.Is(err, view.ErrHold):
		if !pause.For(ctx, holdRetry) {
			return nil
		}
		return w.apply
	case errors.Is(err, view.ErrStale):
		return w.reload
	case errors.As(err, &torn):
		return w.tearOff(torn)
	case errors.As(err, &short):
		return w.repair(short.Keys)
	}
	w.draft.broken = brokenOff(err)
	return w.viewFailed(ctx, err, w.recheck)
}

// brokenOff returns the error when Redis itself answered with it: it will do so
// again when the batch comes again.
func brokenOff(err error) error {
	var script *view.ScriptError
	var blocked *view.BlockedError
	if errors.As(err, &script) || errors.As(err, &blocked) {
		return err
	}
	return nil
}

// recheck asks the view whether a batch whose reply is unknown took effect.
func (w *worker) recheck(ctx context.Context) state {
	kept, moved := 0, 0
	for s, c := range w.draft.claims {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index)
		switch {
		case err != nil:
			return w.viewFailed(ctx, err, w.recheck)
		case pos.Torn():
			return w.tearOff(&view.CorruptError{Topic: s.part.Topic, Partition: s.part.Index})
		case pos.Offset == c.from:
			kept++
		case pos.Offset == c.to:
			moved++
		}
	}
	switch len(w.draft.claims) {
	case kept:
		return w.apply
	case moved:
		w.viewWorks()
		w.commit(ctx, nil)
		return w.gather
	}
	return w.reload
}

// idle waits for records. Once per second it looks whether the view still
// stands where it was left, so that a view that was flushed or restored heals
// on a quiet system too, and whether long work is left because it was cut short
// behind the last batch.
func (w *worker) idle(ctx context.Context) state {
	timer := time.NewTimer(w.untilNextLook())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-w.wake:
		return w.gather
	case <-timer.C:
	}
	if err := w.m.health.check(ctx); err != nil {
		return w.viewFailed(ctx, err, w.reload)
	}
	owned := w.owned()
	for _, s := range owned {
		pos, err := w.m.cfg.View.Position(ctx, s.part.Topic, s.part.Index)
		if err != nil {
			return w.viewFailed(ctx, err, w.reload)
		}
		if pos.Offset != s.offset || pos.Torn() {
			return w.reload
		}
	}
	if len(owned) > 0 {
		if err := w.m.cfg.View.Resume(ctx, w.index); err != nil {
			return w.viewFailed(ctx, err, w.reload)
		}
	}
	w.viewWorks()
	return w.gather
}

// sleep waits, or until something arrives.
func (w *worker) sleep(ctx context.Context, d time.Duration, then state) state {
	if !pause.Until(ctx, w.wake, d) {
		return nil
	}
	return then
}

// viewFailed waits with growing patience: the view cannot be reached or refuses
// writes. Nothing is skipped.
func (w *worker) viewFailed(ctx context.Context, err error, then state) state {
	if ctx.Err() != nil {
		return nil
	}
	var blocked *view.BlockedError
	reason := "view cannot be reached: " + err.Error()
	hint := viewHint
	var unfit *view.UnfitError
	var script *view.ScriptError
	switch {
	case errors.As(err, &script):
		reason, hint = "view cannot take a batch: "+script.Error(), faultHint
	case errors.As(err, &blocked):
		reason = fmt.Sprintf("view refuses writes (%s): %v", blocked.State, blocked.Err)
	case errors.As(err, &unfit):
		reason, hint = "view is not fit to be one: "+unfit.Why, fail.HintOf(err)
	}
	if w.m.stats.alarms.Raise(api.AlarmViewUnavailable, w.name(), reason, hint) {
		w.m.log.Warn("waiting for the view", "partition", w.index, "error", err)
	}
	if !pause.For(ctx, w.wait.next()) {
		return nil
	}
	return then
}

func (w *worker) viewWorks() {
	w.wait.reset()
	w.m.stats.alarms.Clear(api.AlarmViewUnavailable, w.name())
}

func (w *worker) name() string { return workerName(w.index) }

func workerName(index int32) string { return fmt.Sprintf("partition %d", index) }

// commit makes the applied batch the worker's own knowledge and tells everybody.
// outcomes is nil when the reply was lost: the events count as applied.
func (w *worker) commit(ctx context.Context, outcomes []event.Outcome) {
	d := w.draft
	for s, c := range d.claims {
		s.offset, s.applied = c.to, c.epoch
		for id, set := range c.lanes {
			s.lanes[id] = set
		}
		w.m.stats.moved(s.part, s.offset)
	}
	if w.fault != nil && w.fault.passed() {
		w.fault = nil
	}
	w.m.count(d, outcomes)
	w.m.publish(ctx, w.sources, d, outcomes)
	w.m.quarantine(d)
	w.draft = newDraft(w.m.cfg)
}
