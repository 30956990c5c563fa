package crdttest

import (
	"math/rand/v2"
	"slices"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// Shuffle returns the events in any order at all, with duplicates and rewinds:
// every event occurs at least once.
func Shuffle(rng *rand.Rand, events []event.Event) []event.Event {
	out := slices.Clone(events)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return repeat(rng, out)
}

// Interleave returns the events in an order in which a consumer of all logs may
// meet them: each (origin, partition) in log order, logs interleaved at random,
// with rewinds. Events must be in order of writing, as Generate returns them.
func Interleave(rng *rand.Rand, events []event.Event) []event.Event {
	type log struct {
		origin    string
		partition int32
	}
	var order []log
	queues := map[log][]event.Event{}
	for _, e := range events {
		l := log{e.Origin, geo.PartitionOf(e.Key)}
		if len(queues[l]) == 0 {
			order = append(order, l)
		}
		queues[l] = append(queues[l], e)
	}
	out := make([]event.Event, 0, len(events))
	for len(order) > 0 {
		i := rng.IntN(len(order))
		l := order[i]
		n := 1 + rng.IntN(min(8, len(queues[l])))
		out = append(out, queues[l][:n]...)
		if queues[l] = queues[l][n:]; len(queues[l]) == 0 {
			order = slices.Delete(order, i, i+1)
		}
	}
	return repeat(rng, out)
}

// Batches cuts a delivery into pieces of 1 to most events.
func Batches(rng *rand.Rand, events []event.Event, most int) [][]event.Event {
	var out [][]event.Event
	for len(events) > 0 {
		n := 1 + rng.IntN(min(most, len(events)))
		out = append(out, events[:n])
		events = events[n:]
	}
	return out
}

// repeat inserts duplicates of single events and rewinds that deliver a run
// once more, each of already delivered events.
func repeat(rng *rand.Rand, events []event.Event) []event.Event {
	out := make([]event.Event, 0, len(events)+len(events)/4)
	for i, e := range events {
		out = append(out, e)
		switch rng.IntN(20) {
		case 0:
			out = append(out, events[rng.IntN(i+1)])
		case 1:
			out = append(out, events[max(0, i-rng.IntN(10)):i+1]...)
		}
	}
	return out
}
