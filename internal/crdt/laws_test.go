package crdt

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
)

// history draws a random set of events of one key, a source of randomness for
// its deliveries, and a time of reading. The drawn subset lets a failure
// shrink to the few events that matter.
func history(t *rapid.T) (events []event.Event, rng *rand.Rand, now int64) {
	rng = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	all := crdttest.Generate(rng, crdttest.Options{
		Events: rapid.IntRange(1, 40).Draw(t, "events"), Keys: [][]byte{testKey},
		Ops: drawOps(t),
	})
	for _, e := range all {
		if !rapid.Bool().Draw(t, "drop") {
			events = append(events, e)
		}
	}
	now = crdttest.DefaultNow + rapid.Int64Range(-400, 400).Draw(t, "now")
	return events, rng, now
}

// drawOps favours few kinds of operation, so that they meet often.
func drawOps(t *rapid.T) []event.Op {
	if rapid.Bool().Draw(t, "all ops") {
		return event.Ops()
	}
	return rapid.SliceOfN(rapid.SampledFrom(event.Ops()), 1, 4).Draw(t, "ops")
}

var testKey = []byte("k")

func fold(events []event.Event) *Key {
	var k Key
	for _, e := range events {
		k.Apply(e)
	}
	return &k
}

// same compares everything a state can be asked.
func same(t *rapid.T, what string, got, want *Key, now int64) {
	t.Helper()
	if g, w := got.View(testKey, now), want.View(testKey, now); !g.Equal(w) {
		t.Fatalf("%s: view\n got %s\nwant %s", what, g.AppendCanonical(nil), w.AppendCanonical(nil))
	}
	if g, w := got.Barrier(), want.Barrier(); !reflect.DeepEqual(g, w) {
		t.Fatalf("%s: barrier got %+v, want %+v", what, g, w)
	}
	if g, w := got.Counter(), want.Counter(); !reflect.DeepEqual(g, w) {
		t.Fatalf("%s: counter got %+v, want %+v", what, g, w)
	}
	for _, typ := range Types() {
		if g, w := got.Newest(typ), want.Newest(typ); g != w {
			t.Fatalf("%s: newest %s got %v, want %v", what, typ, g, w)
		}
	}
}

// The order of delivery, duplicates and rewinds change nothing, and the result
// is what replaying the set in the order of stamps gives.
func TestLawFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rng, now := history(t)
		want := fold(events)
		same(t, "shuffled", fold(crdttest.Shuffle(rng, events)), want, now)
		same(t, "interleaved", fold(crdttest.Interleave(rng, events)), want, now)
		if got, naive := want.View(testKey, now), naiveView(testKey, events, now); !got.Equal(naive) {
			t.Fatalf("of %v\n   got %s\nreplay %s", stamps(events), got.AppendCanonical(nil), naive.AppendCanonical(nil))
		}
	})
}

// Equal stamps do not occur in well-run clusters; the order must not matter
// even then.
func TestLawFunctionOfTheSetWithTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rng, now := history(t)
		for i := range events {
			if e := &events[i]; i > 0 && e.Op() != event.OpXDel && rapid.Bool().Draw(t, "tie") {
				e.HLC = events[rng.IntN(i)].HLC
			}
		}
		want := fold(events)
		same(t, "shuffled", fold(crdttest.Shuffle(rng, events)), want, now)
		same(t, "once more", fold(crdttest.Shuffle(rng, events)), want, now)
	})
}

func TestLawMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rng, now := history(t)
		var parts [3][]event.Event // overlapping, to cover the set together
		for _, e := range events {
			first := rng.IntN(3)
			parts[first] = append(parts[first], e)
			if also := rng.IntN(3); also != first {
				parts[also] = append(parts[also], e)
			}
		}
		merged := func(order ...int) *Key {
			var k Key
			for _, i := range order {
				k.Merge(fold(parts[i]))
			}
			return &k
		}
		want := fold(events)
		same(t, "(0 1) 2", merged(0, 1, 2), want, now)
		same(t, "commutative", merged(2, 1, 0), want, now)
		same(t, "idempotent", merged(1, 0, 0, 1, 2, 2), want, now)
		right := fold(parts[0])
		right.Merge(merged(1, 2))
		same(t, "associative", right, want, now)
		right.Merge(right)
		same(t, "with itself", right, want, now)
		for _, e := range events {
			if got := right.Apply(e); got != event.Duplicate {
				t.Fatalf("%s after the merge: got %s, want duplicate", e.ID, got)
			}
		}
	})
}

func TestLawIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rng, now := history(t)
		k := fold(events)
		for _, e := range crdttest.Shuffle(rng, events) {
			if got := k.Apply(e); got != event.Duplicate {
				t.Fatalf("%s again: got %s, want duplicate", e.ID, got)
			}
		}
		same(t, "twice", k, fold(events), now)
	})
}

// A superseded event has no effect, now or at any later time: the fold without
// it is the same.
func TestLawSupersededMeansNoEffect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rng, now := history(t)
		var all, effective Key
		for _, e := range crdttest.Shuffle(rng, events) {
			if all.Apply(e) == event.Applied {
				effective.Apply(e)
			}
		}
		same(t, "without the superseded", &effective, &all, now)
	})
}

// Any prefix may be read without disturbing what follows.
func TestLawReadingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, _, now := history(t)
		var read Key
		for _, e := range events {
			read.View(testKey, now)
			read.Counter()
			read.Apply(e)
		}
		same(t, "read at each step", &read, fold(events), now)
	})
}

func TestLawStateIsItsKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		events := crdttest.Generate(rng, crdttest.Options{Events: 120})
		now := crdttest.DefaultNow + rapid.Int64Range(-400, 400).Draw(t, "now")
		byKey := map[string][]event.Event{}
		for _, e := range events {
			byKey[string(e.Key)] = append(byKey[string(e.Key)], e)
		}
		got := Fold(crdttest.Interleave(rng, events), now)
		if !slices.IsSortedFunc(got, func(a, b View) int { return slices.Compare(a.Key, b.Key) }) {
			t.Fatalf("views are not in byte order of key")
		}
		shown := 0
		for key, list := range byKey {
			want := naiveView([]byte(key), list, now)
			i := slices.IndexFunc(got, func(v View) bool { return string(v.Key) == key })
			if want.Empty() != (i < 0) {
				t.Fatalf("key %q: printed %v, want view %s", key, i >= 0, want.AppendCanonical(nil))
			}
			if i >= 0 {
				shown++
				if !got[i].Equal(want) {
					t.Fatalf("key %q:\n got %s\nwant %s", key, got[i].AppendCanonical(nil), want.AppendCanonical(nil))
				}
			}
		}
		if len(got) != shown || Digest(slices.Values(got)) != Digest(slices.Values(Fold(events, now))) {
			t.Fatalf("got %d views, want %d with one digest", len(got), shown)
		}
	})
}

// TestAllPairsOfOps generates argument pairs for every two operations and
// delivers them both ways.
func TestAllPairsOfOps(t *testing.T) {
	for _, a := range event.Ops() {
		for _, b := range event.Ops() {
			for seed := range uint64(12) {
				rng := rand.New(rand.NewPCG(seed, 11))
				pair := crdttest.Generate(rng, crdttest.Options{Events: 60, Keys: [][]byte{testKey}, Ops: []event.Op{a, b}})
				i := slices.IndexFunc(pair, func(e event.Event) bool { return e.Op() == a })
				j := slices.IndexFunc(pair[i+1:], func(e event.Event) bool { return e.Op() == b }) + i + 1
				first, second := pair[i], pair[j]
				for _, now := range []int64{first.HLC.Physical, crdttest.DefaultNow, crdttest.DefaultNow + 1000} {
					want := naiveView(testKey, []event.Event{first, second}, now)
					for _, order := range [][]event.Event{{first, second}, {second, first}} {
						if got := fold(order).View(testKey, now); !got.Equal(want) {
							t.Fatalf("%v at %d:\n got %s\nwant %s", stamps(order), now, got.AppendCanonical(nil), want.AppendCanonical(nil))
						}
					}
				}
			}
		}
	}
}
