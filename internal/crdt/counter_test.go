package crdt

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// TestCounterRings checks the shape that a view installs: the newest
// increments per origin, and the newest of those that are only in the sum.
func TestCounterRings(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	events := crdttest.Generate(rng, crdttest.Options{
		Events: 600, Keys: [][]byte{testKey}, Ops: []event.Op{event.OpIncr},
	})
	want := map[string][]Increment{}
	sum := new(big.Int)
	for _, e := range events {
		delta := e.Args.(event.Incr).Delta
		want[e.Origin] = append(want[e.Origin], Increment{e.HLC, e.Origin, e.Lane, e.Seq, delta})
		sum.Add(sum, big.NewInt(delta))
	}
	c := fold(crdttest.Shuffle(rng, events)).Counter()
	if c.Current.Count != 600 || c.Current.Sum.Cmp(sum) != 0 || c.Renewed.Count != 0 || c.Renewed.Sum.Sign() != 0 {
		t.Errorf("got lives %+v and %+v, want 600 increments, sum %v", c.Current, c.Renewed, sum)
	}
	if len(c.Origins) != 3 {
		t.Fatalf("got %d origins", len(c.Origins))
	}
	for i, o := range c.Origins {
		if i > 0 && c.Origins[i-1].Origin >= o.Origin {
			t.Errorf("origins are not in order: %s, %s", c.Origins[i-1].Origin, o.Origin)
		}
		if len(o.Ring) != RingSize {
			t.Fatalf("%s: ring of %d, want %d", o.Origin, len(o.Ring), RingSize)
		}
		if o.Folded.IsZero() || !o.Folded.Before(o.Ring[0].HLC) {
			t.Errorf("%s: folded up to %v, ring from %v", o.Origin, o.Folded, o.Ring[0].HLC)
		}
		newer := 0
		for _, inc := range want[o.Origin] {
			if !inc.HLC.Before(o.Ring[0].HLC) {
				newer++
			}
			if inc.HLC.Before(o.Ring[0].HLC) && inc.HLC.After(o.Folded) {
				t.Errorf("%s: %v is neither in the ring nor folded", o.Origin, inc.HLC)
			}
		}
		if newer != RingSize {
			t.Errorf("%s: the ring does not hold the newest: %d are newer than its oldest", o.Origin, newer)
		}
	}
}

func TestCounterSplitsLivesAndKeepsUncounted(t *testing.T) {
	k := fold(parseHistory(t, "SET abc PXAT 35; INCR 1; INCR 2; INCR 4"))
	c := k.Counter()
	if c.Current.Count != 2 || c.Current.Sum.Int64() != 3 || c.Renewed.Count != 1 || c.Renewed.Sum.Int64() != 4 {
		t.Errorf("got lives %v and %v, want 3 of 2 and 4 of 1", c.Current, c.Renewed)
	}
	if len(c.Origins) != 3 || len(c.Origins[0].Ring) != 1 || !c.Origins[0].Folded.IsZero() {
		t.Errorf("got %+v, want one increment in each of three rings and nothing folded", c.Origins)
	}
	if b := k.Barrier(); b.Op != event.OpSet || string(b.Value) != "abc" || b.ExpireAtMS != 35 || b.HLC.Physical != 10 {
		t.Errorf("got barrier %+v", b)
	}
}

// TestRecountOfAPartOfTheHistory is what a view does when an old SET or DEL
// splits a sum it can no longer take apart: events from that barrier on are
// looked at, in any order and with repeats, and the counter part must come out
// as from all events.
func TestRecountOfAPartOfTheHistory(t *testing.T) {
	again := 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		events := crdttest.Generate(rng, crdttest.Options{
			Events: 400, Keys: [][]byte{testKey},
			Ops: append(slices.Repeat([]event.Op{event.OpIncr}, rapid.IntRange(1, 100).Draw(t, "increments")), event.OpSet, event.OpDel, event.OpSAdd),
		})
		var barriers []hlc.Timestamp
		for _, e := range events {
			if op := e.Op(); op == event.OpSet || op == event.OpDel {
				barriers = append(barriers, e.HLC)
			}
		}
		if len(barriers) == 0 {
			return
		}
		since := rapid.SampledFrom(barriers).Draw(t, "since")
		tail := slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool { return e.HLC.Before(since) })
		tail = append(tail, tail[:rng.IntN(len(tail))]...)
		var r Recount
		for n := 0; n == 0 || r.Again(); n++ {
			if n == 2 {
				t.Fatal("a known barrier is not enough")
			}
			again += n
			for _, e := range crdttest.Shuffle(rng, tail) {
				r.Add(e)
			}
		}
		want := fold(events)
		if got, want := r.Barrier(), want.Barrier(); !reflect.DeepEqual(got, want) {
			t.Fatalf("barrier got %+v, want %+v", got, want)
		}
		if got, want := r.Counter(), want.Counter(); !reflect.DeepEqual(got, want) {
			t.Fatalf("counter got %+v, want %+v", got, want)
		}
	})
	if again == 0 {
		t.Error("no barrier came late")
	}
}

func TestInteger(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "10": 10, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63,
	} {
		if n, ok := Integer([]byte(text)); !ok || n != want {
			t.Errorf("Integer(%q) = %d, %v, want %d", text, n, ok, want)
		}
	}
	for _, text := range []string{
		"", "-", "-0", "+1", "00", "01", "-01", " 1", "1 ", "1\n", "1.0", "1e3", "0x1", "1_0", "abc", "١",
		"9223372036854775808", "-9223372036854775809", "10000000000000000000", "\xff",
	} {
		if n, ok := Integer([]byte(text)); ok {
			t.Errorf("Integer(%q) = %d, want none", text, n)
		}
	}
}

func TestClamp(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 63)
	for _, tc := range []struct {
		sum  *big.Int
		want string
	}{
		{big.NewInt(0), "0"}, {big.NewInt(-5), "-5"},
		{limit, "9223372036854775807"}, {new(big.Int).Sub(limit, big.NewInt(1)), "9223372036854775807"},
		{new(big.Int).Neg(limit), "-9223372036854775808"}, {new(big.Int).Lsh(limit, 64), "9223372036854775807"},
		{new(big.Int).Neg(new(big.Int).Lsh(limit, 64)), "-9223372036854775808"},
	} {
		if got := string(Clamp(tc.sum)); got != tc.want {
			t.Errorf("Clamp(%v) = %s, want %s", tc.sum, got, tc.want)
		}
	}
}

// BenchmarkFold folds histories of ten events per key, as an audit of a whole
// log does.
func BenchmarkFold(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			keys := make([][]byte, n/10)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "key:%d", i)
			}
			events := crdttest.Generate(rand.New(rand.NewPCG(1, 2)), crdttest.Options{Events: n, Keys: keys, SpanMS: int64(n)})
			for b.Loop() {
				Fold(events, crdttest.DefaultNow)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkRecount recounts a hot counter: memory must not grow with it.
func BenchmarkRecount(b *testing.B) {
	for _, n := range []int64{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var r Recount
				e := event.Event{Origin: "us", Key: testKey, Args: event.Incr{Delta: 1}}
				for e.Seq = range n {
					e.HLC.Physical = e.Seq
					r.Add(e)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
