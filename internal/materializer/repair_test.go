package materializer

import (
	"fmt"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

func TestRepairReadsHistoryAndSendsTheBatchAgain(t *testing.T) {
	need := &view.RepairError{Keys: []view.RepairKey{{Key: []byte("k")}}}
	inWorld(t, func(w *testWorld) {
		w.past.errs = []error{errNetwork, fmt.Errorf("us.events/1: %w", ErrHistoryGone)}
	}, func(w *testWorld) {
		w.write("eu", "k")
		w.settle()
		w.view.with(func() { w.view.before = []error{need, need, need} })
		p := w.write("us", "k")
		w.settle()
		w.wantAlarm(api.AlarmRepairBlocked, true)
		w.wantApplied(1)
		w.later(10 * time.Second)
		w.wantApplied(2)
		w.wantAlarm(api.AlarmRepairBlocked, false)
		if w.view.installed != 1 {
			t.Errorf("the batch had %d installs, want 1", w.view.installed)
		}
		if len(w.past.asked) != 3 || w.past.asked[2]["eu.events"] != 1 || w.past.asked[2]["us.events"] != 0 {
			t.Errorf("history asked below %+v, want eu 1 and us 0", w.past.asked)
		}
		if got := w.view.at(p).Offset; got != 1 {
			t.Errorf("position %d, want 1", got)
		}
	})
}

// A repair is computed for the positions the batch was made at, or not at all.
func TestRepairAfterAnotherOwnerMovedIsDropped(t *testing.T) {
	need := &view.RepairError{Keys: []view.RepairKey{{Key: []byte("k")}}}
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		eu := w.write("eu", "k")
		w.settle()
		w.view.with(func() {
			w.view.before = []error{need}
			w.view.steal = func(v *fakeView) {
				pos := v.positions[eu]
				pos.Offset, pos.Lanes = 0, nil // rewound, as by an old snapshot
				v.positions[eu] = pos
			}
		})
		w.write("us", "k")
		w.settle()
		if len(w.past.asked) != 0 {
			t.Errorf("history was asked below %+v", w.past.asked)
		}
		w.wantApplied(3) // eu's event once more
	})
}

// While an origin whose position is part of a repair moves, the repair is void.
func TestRepairIsPinnedToAllOrigins(t *testing.T) {
	need := &view.RepairError{Keys: []view.RepairKey{{Key: []byte("k")}}}
	inWorld(t, nil, func(w *testWorld) {
		w.view.with(func() { w.view.before = []error{need} })
		eu := wal.Partition{Topic: "eu.events", Index: geo.PartitionOf([]byte("k"))}
		moved := false
		w.past.errs = []error{nil}
		w.view.with(func() {
			w.view.steal = func(v *fakeView) { // first Apply: REPAIR; arm the second
				v.steal = func(v *fakeView) {
					moved = true
					v.positions[eu] = view.Position{Offset: 5}
				}
			}
		})
		w.write("us", "k")
		w.later(5 * time.Second)
		if !moved {
			t.Fatal("the fault was not injected")
		}
		if n := len(w.view.applied); n == 0 || w.view.installed != 0 {
			t.Errorf("%d batches, last with %d installs: a repair over moved positions was accepted", n, w.view.installed)
		}
	})
}
