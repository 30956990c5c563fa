package crdttest

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// TestGenerateIsWhatProducersWrite checks what every user of a history relies
// on: valid events, unique stamps, stamps and numbers that rise together.
func TestGenerateIsWhatProducersWrite(t *testing.T) {
	type producer struct {
		origin string
		slot   uint16
	}
	type numbering struct {
		origin    string
		lane      lane.ID
		partition int32
	}
	seen := map[event.Op]int{}
	restarts, expiries, equalMillis := 0, 0, 0
	for seed := range uint64(40) {
		events := Generate(rand.New(rand.NewPCG(seed, 1)), Options{Events: 200})
		stamps := map[hlc.Timestamp]bool{}
		last := map[producer]event.Event{}
		seqs := map[numbering]int64{}
		millis := map[int64]bool{}
		for _, e := range events {
			if err := e.Validate(); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, e.ID, err)
			}
			if stamps[e.HLC] {
				t.Fatalf("seed %d: %s repeats stamp %v", seed, e.ID, e.HLC)
			}
			stamps[e.HLC] = true
			p := producer{e.Origin, e.Lane.Slot}
			if prev, ok := last[p]; ok {
				if !e.HLC.After(prev.HLC) || e.Lane.Incarnation < prev.Lane.Incarnation {
					t.Fatalf("seed %d: %s runs backwards after %s", seed, e.ID, prev.ID)
				}
				if e.Lane.Incarnation > prev.Lane.Incarnation {
					restarts++
				}
			}
			last[p] = e
			n := numbering{e.Origin, e.Lane, geo.PartitionOf(e.Key)}
			if seqs[n]++; e.Seq != seqs[n] {
				t.Fatalf("seed %d: %s has seq %d, want %d", seed, e.ID, e.Seq, seqs[n])
			}
			if millis[e.HLC.Physical] {
				equalMillis++
			}
			millis[e.HLC.Physical] = true
			seen[e.Op()]++
			if a, ok := e.Args.(event.Set); ok && a.ExpireAtMS > 0 {
				expiries++
			}
		}
	}
	for _, op := range event.Ops() {
		if seen[op] == 0 {
			t.Errorf("no %s in any history", op)
		}
	}
	if restarts == 0 || expiries == 0 || equalMillis == 0 {
		t.Errorf("got %d restarts, %d expiries, %d equal milliseconds, want some of each", restarts, expiries, equalMillis)
	}
}

func TestGenerateRepeatsItself(t *testing.T) {
	a := Generate(rand.New(rand.NewPCG(7, 7)), Options{})
	b := Generate(rand.New(rand.NewPCG(7, 7)), Options{})
	if !reflect.DeepEqual(a, b) {
		t.Error("two histories of one seed differ")
	}
}

func TestDeliveriesCoverEveryEvent(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	events := Generate(rng, Options{Events: 300})
	for name, delivery := range map[string][]event.Event{
		"shuffle": Shuffle(rng, events), "interleave": Interleave(rng, events),
	} {
		ids := map[string]bool{}
		for _, batch := range Batches(rng, delivery, 7) {
			if len(batch) > 7 {
				t.Errorf("%s: batch of %d", name, len(batch))
			}
			for _, e := range batch {
				ids[e.ID] = true
			}
		}
		if len(ids) != len(events) {
			t.Errorf("%s: got %d different events, want %d", name, len(ids), len(events))
		}
		if len(delivery) <= len(events) {
			t.Errorf("%s: no duplicates in %d deliveries of %d events", name, len(delivery), len(events))
		}
	}
}

// TestInterleaveKeepsLogOrder checks first deliveries: numbers of a lane rise.
func TestInterleaveKeepsLogOrder(t *testing.T) {
	type numbering struct {
		origin    string
		lane      lane.ID
		partition int32
	}
	rng := rand.New(rand.NewPCG(5, 6))
	seqs := map[numbering]int64{}
	for _, e := range Interleave(rng, Generate(rng, Options{Events: 300})) {
		n := numbering{e.Origin, e.Lane, geo.PartitionOf(e.Key)}
		if e.Seq > seqs[n]+1 {
			t.Fatalf("%s arrives with seq %d after %d", e.ID, e.Seq, seqs[n])
		}
		seqs[n] = max(seqs[n], e.Seq)
	}
}
