package materializer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

func (w *testWorld) wantWhole(when string, want bool) (percent float64) {
	w.t.Helper()
	percent, whole := w.m.Progress()
	if whole != want || whole != (percent == 100) {
		w.t.Errorf("%s: %.1f %%, whole %v, want whole %v", when, percent, whole, want)
	}
	return percent
}

// full makes the view refuse batches until it is emptied.
func (w *testWorld) full() {
	w.view.with(func() {
		w.view.before = slices.Repeat([]error{&view.BlockedError{State: "OOM", Err: errors.New("OOM")}}, 1000)
	})
}

func (w *testWorld) room() { w.view.with(func() { w.view.before = nil }) }

// A view that is emptied while it is used is not whole until it holds what the
// logs held when that was found out, whoever finds out first.
func TestFlushedViewIsNotWholeUntilRebuilt(t *testing.T) {
	flush := func(w *testWorld) { w.view.with(func() { clear(w.view.positions) }) }
	for name, find := range map[string]func(w *testWorld, p wal.Partition){
		"the watch":  func(w *testWorld, _ wal.Partition) { w.later(2 * watchEvery) },
		"a batch":    func(w *testWorld, _ wal.Partition) { w.write("us", "k"); w.settle() },
		"a reader":   func(w *testWorld, _ wal.Partition) { w.m.WentBack(); w.settle() },
		"a rollback": func(w *testWorld, p wal.Partition) { w.m.stats.moved(p, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *testWorld) {
				p := w.write("us", "k")
				for range 9 {
					w.write("us", "k")
				}
				w.later(time.Second)
				w.wantWhole("before", true)
				if got := w.m.Holds(p); got != 10 {
					t.Errorf("holds %d records, want 10", got)
				}
				w.full()
				flush(w)
				find(w, p)
				w.wantWhole("as soon as it is found out", false)
				w.write("eu", "later") // after the goals were set
				w.later(time.Minute)
				w.wantWhole("while nothing can be applied", false)
				w.room()
				w.later(time.Minute)
				w.wantWhole("after the rebuild", true)
				if got := w.view.at(p).Offset; got < 10 {
					t.Errorf("whole at offset %d", got)
				}
			})
		})
	}
}

func TestWipedPartitionMakesTheViewPartial(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.later(time.Second)
		w.full()
		w.tear(p)
		w.later(10 * time.Second)
		w.wantWhole("wiped", false)
		w.room()
		w.later(time.Minute)
		w.wantWhole("rebuilt", true)
	})
}

// A view that was kept is trusted at the start although it is behind; an empty
// one beside a log is not.
func TestViewAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		kept, fresh, whole bool
	}{
		"kept": {kept: true, whole: true}, "empty": {}, "fresh, and somebody was faster": {kept: true, fresh: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *testWorld) {
				w.fresh = c.fresh
				p := w.write("us", "k")
				w.write("us", "k")
				if c.kept {
					w.view.positions[p] = view.Position{Offset: 1}
				}
				w.full()
			}, func(w *testWorld) {
				w.later(time.Minute)
				if percent := w.wantWhole("behind", c.whole); !c.whole && c.kept && percent != 50 {
					t.Errorf("%.1f %% of two records, one of them applied", percent)
				}
				w.room()
				w.later(time.Minute)
				w.wantWhole("caught up", true)
			})
		})
	}
}

// A process that is killed in the middle of a rebuild leaves a view that stands
// somewhere: the next one does not take it for whole.
func TestHalfRebuiltViewIsNotTrustedAtTheStart(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.write("us", "k")
		w.write("us", "j")
		w.later(time.Second)
		w.full()
		w.view.with(func() {
			clear(w.view.positions)
			w.view.before[0] = nil // one batch passes
		})
		w.later(10 * time.Second)
		w.wantWhole("half rebuilt", false)
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.log.change(func() { w.log.joined = false })
		w.start()
		w.later(10 * time.Second)
		if percent := w.wantWhole("half rebuilt, after a restart", false); percent != 50 {
			t.Errorf("%.1f %% of two records, one of them applied", percent)
		}
		w.room()
		w.later(time.Minute)
		w.wantWhole("rebuilt", true)
		if w.view.marked {
			t.Error("a whole view is still marked as partial")
		}
	})
}

// A partition that was there and went back while others were awaited counts.
func TestViewIsWholeOnlyWhenAllPartitionsStandThereAtOnce(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		w.m.WentBack()
		early, late := everyPartition()[0], everyPartition()[1]
		w.view.with(func() { w.view.positions[late] = view.Position{Offset: 1} })
		goals := map[wal.Partition]*goal{early: {end: 1, at: 1}, late: {end: 1}}
		if w.m.compare(t.Context(), w.m.stats.lifeNow(), goals) {
			t.Error("whole, although a partition went back")
		}
	})
}

// Pages of keys are checked by a look each.
func TestLookIsOneRoundTrip(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		other := w.write("eu", "j")
		w.later(time.Second) // its progress is looked at every so often, not by news
		before := w.view.asked
		if err := w.m.Look(t.Context()); err != nil || w.view.asked != before+1 {
			t.Errorf("%d round trips, %v", w.view.asked-before, err)
		}
		w.wantWhole("after a look", true)
		if w.m.Holds(p) == 0 || w.m.Holds(other) == 0 {
			t.Error("nothing to look at")
		}
	})
}
