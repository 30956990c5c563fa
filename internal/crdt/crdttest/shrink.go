package crdttest

import (
	"slices"

	"github.com/geokv/geokv/internal/event"
)

// Shrink returns a part of a history that still fails and of which no single
// event can be left out, by leaving out ever smaller runs of it. fails must
// hold for the events given and be repeatable.
func Shrink(events []event.Event, fails func([]event.Event) bool) []event.Event {
	for size := len(events) / 2; size > 0; {
		shrunk := false
		for at := 0; at < len(events); {
			less := slices.Delete(slices.Clone(events), at, min(at+size, len(events)))
			if len(less) < len(events) && fails(less) {
				events, shrunk = less, true
			} else {
				at += size
			}
		}
		if !shrunk || size > len(events) {
			size = min(size/2, len(events)/2)
		}
		if size == 0 && shrunk {
			size = 1
		}
	}
	return events
}
