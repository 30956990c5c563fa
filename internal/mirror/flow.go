package mirror

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

const (
	retryMin = 50 * time.Millisecond
	retryMax = time.Second
	// grace is how long a record on its way may still arrive once the flow is
	// told to stop; after that its connection is closed.
	grace = 250 * time.Millisecond
	// hold is the wait before a partition that cannot be read is tried again.
	hold = 30 * time.Second
)

// flow is one direction of mirroring. Its life is a chain of sessions; a cut, a
// failure or the end of the process ends one, and the next continues after the
// last record that the target acknowledged.
type flow struct {
	geo.Flow
	topic  string
	open   func(region string) (*wal.Log, error)
	store  Store
	logger *slog.Logger

	mu      sync.Mutex
	isCut   bool
	delay   time.Duration
	changed chan struct{} // closed and replaced when isCut or delay changes
	session *session      // nil between sessions
	at      Checkpoint    // how far the target has acknowledged
	saved   bool          // at is in the store
	trouble string
	copied  int64
	lag     int64
	waiting time.Time // since when the target owes an acknowledgement; zero: it does not
}

func newFlow(f geo.Flow, cfg Config) *flow {
	return &flow{
		Flow: f, topic: geo.Topic(f.From), open: cfg.Open, store: cfg.Store,
		logger:  cfg.Logger.With("flow", f.String()),
		changed: make(chan struct{}), lag: -1, saved: true,
	}
}

// run has sessions until ctx ends.
func (f *flow) run(ctx context.Context) {
	f.load()
	retry := retryMin
	for ctx.Err() == nil {
		if !f.awaitHealed(ctx) {
			break
		}
		before := f.count()
		err := f.runSession(ctx)
		if f.count() > before {
			retry = retryMin
		}
		if ctx.Err() != nil || err == nil {
			continue
		}
		f.report(err)
		wait := f.recoverFrom(err, retry)
		pause.Until(ctx, f.changes(), wait)
		retry = min(2*retry, retryMax)
	}
	f.save()
}

// awaitHealed waits while the flow is cut; false when ctx ended.
func (f *flow) awaitHealed(ctx context.Context) bool {
	for {
		f.mu.Lock()
		cut, changed := f.isCut, f.changed
		f.mu.Unlock()
		if !cut {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// runSession runs one session; nil when it was told to stop.
func (f *flow) runSession(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{flow: f, cancel: cancel, done: make(chan struct{})}
	f.mu.Lock()
	if f.isCut {
		f.mu.Unlock()
		return nil
	}
	f.session = s
	f.waiting = time.Time{}
	f.mu.Unlock()

	err := s.run(ctx)

	f.mu.Lock()
	f.session = nil
	f.waiting = time.Time{}
	f.mu.Unlock()
	close(s.done)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// recoverFrom decides how long to wait for the next session, and gives up a
// position that the source cannot continue: what arrives twice is told apart by
// its lane, what never arrives is lost. Topics that are not the same any more are
// seen by the check at the start of the session.
func (f *flow) recoverFrom(err error, retry time.Duration) time.Duration {
	var loss *wal.DataLossError
	if !errors.As(err, &loss) {
		return retry
	}
	if loss.Kind == wal.Unreadable {
		return hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.at.Source, loss.Partition.Index)
	f.saved = false
	return retry
}

func (f *flow) cut() {
	f.mu.Lock()
	f.isCut = true
	f.change()
	s := f.session
	f.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.done
	}
}

func (f *flow) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isCut = false
	f.change()
}

func (f *flow) setDelay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
	f.change()
}

// change wakes whoever waits for a decision; it needs mu.
func (f *flow) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *flow) changes() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *flow) delayNow() (time.Duration, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.delay, f.changed
}

func (f *flow) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.copied
}

// report notes what is wrong, and says it once.
func (f *flow) report(err error) {
	f.mu.Lock()
	news := err.Error() != f.trouble
	f.trouble = err.Error()
	f.mu.Unlock()
	if news {
		f.logger.Warn("mirror flow is down", "err", err)
	}
}

// slow is how long the target may take to acknowledge before the flow is down.
const slow = time.Second

func (f *flow) state() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := State{Flow: f.Flow, State: api.FlowUp, Delay: f.delay, Copied: f.copied, Lag: f.lag}
	switch {
	case f.isCut:
		s.State = api.FlowCut
	case f.trouble != "":
		s.State, s.Detail = api.FlowDown, f.trouble
	case !f.waiting.IsZero() && time.Since(f.waiting) > slow:
		s.State, s.Detail = api.FlowDown, "Kafka of "+f.To+" does not acknowledge"
	}
	return s
}
