package materializer

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

// Whether the view is whole. A view that misses writes which it once held, or
// which were acknowledged before it began, shows half-built values: reads must
// wait until it holds what the logs held at that moment. That is so at the start
// with an empty view, and whenever a view is found to have gone back while it was
// used: flushed, restored from an old snapshot, restarted empty, wiped because it
// was torn. Each time begins a life of its own, with goals of its own.

const progressEvery = 100 * time.Millisecond

// Progress returns how much of the log that existed when the view's life began
// has been applied, 0 to 100, and whether the view is whole.
func (m *Materializer) Progress() (percent float64, whole bool) {
	m.stats.mu.Lock()
	defer m.stats.mu.Unlock()
	return m.stats.percent, m.stats.whole
}

// Holds returns the offset up to which the view is known to hold a partition; 0
// when another process owns it. A reader that then finds the view standing
// before it has read from a view that went back, and tells by WentBack.
func (m *Materializer) Holds(p wal.Partition) int64 {
	m.stats.mu.Lock()
	defer m.stats.mu.Unlock()
	return m.stats.offsets[p]
}

// WentBack says that the view does not hold any more what it held: from now on
// it is not whole, until it is rebuilt.
func (m *Materializer) WentBack() {
	if m.stats.wentBack() {
		m.warnBack()
	}
}

func (m *Materializer) warnBack() {
	m.log.Warn("the view went back; it is not whole until it holds what the logs hold now")
}

// Look finds out whether the view went back. The error is one of reading it.
func (m *Materializer) Look(ctx context.Context) error {
	held := map[wal.Partition]int64{}
	for _, p := range m.everyPartition() {
		held[p] = m.Holds(p)
	}
	stands, err := m.stands(ctx)
	if err != nil {
		return err
	}
	for p, offset := range held {
		if stands[p] < offset {
			m.WentBack()
			return nil
		}
	}
	return nil
}

func (m *Materializer) everyPartition() (all []wal.Partition) {
	for _, w := range m.workers {
		for _, s := range w.sources {
			all = append(all, s.part)
		}
	}
	return all
}

// stands reads where the view stands, in one round trip.
func (m *Materializer) stands(ctx context.Context) (map[wal.Partition]int64, error) {
	offsets, err := m.cfg.View.Offsets(ctx, m.cfg.Topology.Topics()...)
	if err != nil {
		return nil, err
	}
	stands := map[wal.Partition]int64{}
	for topic, list := range offsets {
		for index, offset := range list {
			stands[wal.Partition{Topic: topic, Index: int32(index)}] = offset
		}
	}
	return stands, nil
}

// trustStanding takes a view that stands somewhere at the start for one that was
// whole when it was left, unless it must be empty, or is marked: then a rebuild
// was cut short, or another process is at it. It waits for the view.
func (m *Materializer) trustStanding(ctx context.Context) {
	if m.cfg.FreshView {
		return
	}
	var wait backoff
	for {
		stands, err := m.stands(ctx)
		partial := false
		if err == nil { // behind the positions, which move behind the mark
			partial, err = m.cfg.View.Rebuilding(ctx)
		}
		if err == nil {
			m.stats.alarms.Clear(api.AlarmViewUnavailable, "")
			if !partial && slices.Max(slices.Collect(maps.Values(stands))) > 0 {
				m.stats.reach(m.stats.lifeNow(), 100, true)
			}
			return
		}
		m.stats.alarms.Raise(api.AlarmViewUnavailable, "", err.Error(), viewHint)
		if !pause.For(ctx, wait.next()) {
			return
		}
	}
}

// followProgress compares the view's positions with the ends that the log had
// when the view's life began, and then watches that none goes back.
func (m *Materializer) followProgress(ctx context.Context) {
	for {
		life := m.stats.lifeNow()
		if m.health.check(ctx) == nil {
			m.mark.set(ctx) // or else before the next batch
		}
		goals, ok := m.goals(ctx)
		for ok && life == m.stats.lifeNow() {
			wait := progressEvery
			if m.compare(ctx, life, goals) {
				wait = watchEvery
			}
			ok = pause.Until(ctx, m.stats.back, wait)
		}
		if !ok {
			return
		}
	}
}

// goal is a partition's part of the log that existed when the life began.
type goal struct {
	start, end int64
	at         int64 // where the view stood at the last look
}

func (g *goal) reached() bool { return g.at >= g.end }

// goals reads the bounds of every partition, waiting for the brokers.
func (m *Materializer) goals(ctx context.Context) (map[wal.Partition]*goal, bool) {
	var wait backoff
	topics := m.cfg.Topology.Topics()
	for {
		starts, err := m.cfg.Log.Starts(ctx, topics...)
		ends, err2 := m.cfg.Log.Ends(ctx, topics...)
		if err == nil && err2 == nil {
			goals := make(map[wal.Partition]*goal, len(ends))
			for p, end := range ends {
				goals[p] = &goal{start: starts[p], end: end}
			}
			return goals, true
		}
		if !pause.For(ctx, wait.next()) {
			return nil, false
		}
	}
}

// compare looks where the view stands and reports whether it holds all goals.
func (m *Materializer) compare(ctx context.Context, life int, goals map[wal.Partition]*goal) (reached bool) {
	stands, err := m.stands(ctx)
	if err != nil {
		return allReached(goals)
	}
	for p, g := range goals {
		if stands[p] < g.at {
			m.WentBack()
			return false
		}
		g.at = stands[p]
	}
	if !allReached(goals) {
		m.stats.reach(life, percentOf(goals), false)
		return false
	}
	return m.mark.remove(ctx, life) == nil
}

func allReached(goals map[wal.Partition]*goal) bool {
	for _, g := range goals {
		if !g.reached() {
			return false
		}
	}
	return true
}

// percentOf leaves 100 to those that have reached all.
func percentOf(goals map[wal.Partition]*goal) float64 {
	var done, total int64
	for _, g := range goals {
		total += g.end - g.start
		done += max(0, min(g.at, g.end)-g.start)
	}
	if total == 0 {
		return 0
	}
	return min(99.9, 100*float64(done)/float64(total))
}

// moved records where an owned partition stands. It reports whether a view that
// was whole went back by that.
func (s *stats) moved(p wal.Partition, offset int64) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	back := offset < s.offsets[p]
	s.offsets[p] = offset
	return back && s.wentBackLocked()
}

// wentBack begins a new life and reports whether the view was whole before.
func (s *stats) wentBack() (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wentBackLocked()
}

func (s *stats) wentBackLocked() (fresh bool) {
	fresh = s.whole
	s.life++
	s.percent, s.whole = 0, false
	select {
	case s.back <- struct{}{}:
	default:
	}
	return fresh
}

func (s *stats) lifeNow() int {
	life, _ := s.now()
	return life
}

// now returns the present life and whether the view is whole in it.
func (s *stats) now() (life int, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life, s.whole
}

// reach records how far a life has come; a view that is whole stays so for the
// rest of it.
func (s *stats) reach(life int, percent float64, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case life != s.life || s.whole:
	case whole:
		s.percent, s.whole = 100, true
	default:
		s.percent = percent
	}
}
