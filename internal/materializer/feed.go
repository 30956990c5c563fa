package materializer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

// How much one origin's partition may hold decoded or waiting in memory before
// its fetching pauses, and below which it resumes.
const (
	pauseAbove  = 4 << 20
	resumeBelow = 1 << 20
	pollMax     = 2048
)

// feed moves records from the reader to the workers' queues until ctx ends. All
// seeks, pauses and resumes happen here, between two polls: so a record that a
// poll returned is never older than the seek it should have obeyed.
func (m *Materializer) feed(ctx context.Context, reader Reader) error {
	for ctx.Err() == nil {
		m.obeyWorkers(reader)
		polling, cancel := m.pollFor(ctx)
		if m.allowInterrupt(cancel) {
			fetch, err := reader.Poll(polling, pollMax)
			m.forbidInterrupt()
			if err := m.digest(ctx, fetch, err); err != nil {
				cancel()
				return err
			}
		}
		cancel()
	}
	return nil
}

func (m *Materializer) digest(ctx context.Context, fetch wal.Fetch, err error) error {
	var loss *wal.DataLossError
	switch {
	case err == nil:
		m.dispatch(fetch.Records)
		return nil
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		m.tryKafka(ctx)
		return nil
	case errors.Is(err, wal.ErrClosed):
		return err
	case errors.As(err, &loss):
		if w, ok := m.worker(loss.Partition.Index); ok {
			w.lose(loss)
		}
		return nil
	default:
		m.stats.alarms.Raise(api.AlarmKafka, "", err.Error(), "check the brokers' address, credentials and permissions; geokv status shows which regions answer")
		pause.For(ctx, time.Second)
		return nil
	}
}

// quiet is how long a reader that was refused must wait in peace to be one that
// is not refused any more: the client tries again sooner.
const quiet = 2 * time.Second

// pollFor bounds a poll while the group cannot read, since a poll that works
// again and has nothing to bring would never say so.
func (m *Materializer) pollFor(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, refused := m.stats.alarms.Find(api.AlarmKafka, ""); refused {
		return context.WithTimeout(ctx, quiet)
	}
	return context.WithCancel(ctx)
}

// tryKafka ends the alarm when the brokers answer: the reader met no error lately.
func (m *Materializer) tryKafka(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	if _, err := m.cfg.Log.Ends(ctx, m.cfg.Topology.Topics()...); err == nil {
		m.stats.alarms.Clear(api.AlarmKafka, "")
	}
}

func (m *Materializer) dispatch(records []event.Record) {
	m.stats.alarms.Clear(api.AlarmKafka, "")
	for _, r := range records {
		if w, ok := m.worker(r.Partition); ok {
			w.deliver(r)
			continue
		}
		m.stats.alarms.Raise(api.AlarmPartitions, r.Topic, fmt.Sprintf("records in partition %d, where no key belongs", r.Partition),
			fmt.Sprintf("event topics have %d partitions on every cluster", geo.Partitions))
	}
}

// worker finds the worker of a partition index; false for one that an event
// topic does not have.
func (m *Materializer) worker(index int32) (*worker, bool) {
	if index < 0 || int(index) >= len(m.workers) {
		return nil, false
	}
	return m.workers[index], true
}

// allowInterrupt lets workers end the poll that is about to start. It answers
// false when one of them already asked for attention.
func (m *Materializer) allowInterrupt(cancel context.CancelFunc) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attention {
		return false
	}
	m.interrupt = cancel
	return true
}

func (m *Materializer) forbidInterrupt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupt = nil
}

// callFeed asks the feed to look at what workers want.
func (m *Materializer) callFeed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attention = true
	if m.interrupt != nil {
		m.interrupt()
	}
}

func (m *Materializer) obeyWorkers(reader Reader) {
	m.mu.Lock()
	m.attention = false
	m.mu.Unlock()
	seeks := map[wal.Partition]wal.Place{}
	var pauses, resumes []wal.Partition
	for _, w := range m.workers {
		w.wishes(seeks, &pauses, &resumes)
	}
	if len(seeks) > 0 {
		reader.Seek(seeks)
	}
	if len(pauses) > 0 {
		reader.Pause(pauses...)
	}
	if len(resumes) > 0 {
		reader.Resume(resumes...)
	}
}

// startAt answers where assigned partitions begin: at the view's position, read
// now. It waits as long as the view cannot be read.
func (m *Materializer) startAt(ctx context.Context, assigned []wal.Partition) (map[wal.Partition]wal.Place, error) {
	ends, err := m.cfg.Log.Ends(ctx, m.cfg.Topology.Topics()...)
	if err != nil { // only the order of catching up depends on them
		m.log.Warn("read ends of the log", "error", err)
	}
	places := make(map[wal.Partition]wal.Place, len(assigned))
	for _, p := range assigned {
		if places[p], err = m.viewStands(ctx, p); err != nil {
			return nil, err
		}
	}
	for p, place := range places {
		if w, ok := m.worker(p.Index); ok {
			w.assign(p, place, ends[p])
		}
	}
	return places, nil
}

// viewStands reads one position, waiting until the view answers or ctx ends.
func (m *Materializer) viewStands(ctx context.Context, p wal.Partition) (wal.Place, error) {
	var wait backoff
	for {
		pos, err := m.cfg.View.Position(ctx, p.Topic, p.Index)
		if err == nil {
			m.stats.alarms.Clear(api.AlarmViewUnavailable, "")
			return placeOf(pos), nil
		}
		m.stats.alarms.Raise(api.AlarmViewUnavailable, "", "read position of "+p.String()+": "+err.Error(), viewHint)
		if !pause.For(ctx, wait.next()) {
			return wal.Place{}, ctx.Err()
		}
	}
}

func (m *Materializer) revoked(partitions []wal.Partition, _ bool) {
	for _, p := range partitions {
		if w, ok := m.worker(p.Index); ok {
			w.revoke(p)
		}
	}
}

// backoff doubles a wait from 20 ms to 1 s.
type backoff struct{ d time.Duration }

func (b *backoff) next() time.Duration {
	b.d = min(max(b.d*2, 20*time.Millisecond), time.Second)
	return b.d
}

func (b *backoff) reset() { b.d = 0 }
