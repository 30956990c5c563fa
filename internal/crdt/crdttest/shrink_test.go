package crdttest

import (
	"math/rand/v2"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

func TestShrinkLeavesWhatMatters(t *testing.T) {
	events := Generate(rand.New(rand.NewPCG(1, 1)), Options{Events: 200})
	want := map[string]bool{events[3].ID: true, events[90].ID: true, events[199].ID: true}
	holds := func(list []event.Event) bool {
		n := 0
		for _, e := range list {
			if want[e.ID] {
				n++
			}
		}
		return n == len(want)
	}
	tries := 0
	got := Shrink(events, func(list []event.Event) bool { tries++; return holds(list) })
	if len(got) != len(want) || !holds(got) {
		t.Errorf("%d events are left, want %d", len(got), len(want))
	}
	if tries > 400 {
		t.Errorf("%d tries for 200 events", tries)
	}
	if one := Shrink(events[:1], func(l []event.Event) bool { return len(l) > 0 }); len(one) != 1 {
		t.Errorf("%d of one event are left", len(one))
	}
}
