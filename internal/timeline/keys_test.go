package timeline

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/geokv/geokv/internal/api"
)

func TestKeysTellEventsApart(t *testing.T) {
	var shown Keys
	first := KeyOf(observe(api.KindSeen, "eu", 1, 1001, ""))
	shown.Add(first)
	if !shown.Has(first) {
		t.Error("an event that was put in is not there")
	}
	other := first
	for what, change := range map[string]func(){
		"number":    func() { other.Seq = 2 },
		"partition": func() { other.Partition = 9 },
		"topic":     func() { other.Topic = "us.events" },
		"lane":      func() { other.Lane.Incarnation = 8 },
	} {
		other = first
		if change(); shown.Has(other) {
			t.Errorf("an event of another %s is there", what)
		}
	}
}

// What could not be decoded is known by its offset, which begins at 0.
func TestKeysHoldTheFirstRecordOfALog(t *testing.T) {
	var shown Keys
	bad := KeyOf(api.Observation{Region: "us", Topic: "eu.events", Offset: 0, Reason: "bad magic"})
	shown.Add(bad)
	if !shown.Has(bad) {
		t.Error("the record at offset 0 is not there")
	}
}

// A log of millions of events is one run of numbers.
func TestKeysGrowWithGapsAlone(t *testing.T) {
	var shown Keys
	for seq := int64(1); seq <= 100_000; seq++ {
		shown.Add(KeyOf(observe(api.KindSeen, "eu", seq, 1001, "")))
	}
	if shown.runs != 1 {
		t.Errorf("%d runs hold events without a gap, want 1", shown.runs)
	}
}

// In whatever order the numbers come, and with whatever gaps.
func TestKeysAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shown Keys
		model := map[int64]bool{}
		key := func(n int64) Key { return Key{Topic: "eu.events", Region: "us", Seq: n} }
		number := rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(math.MaxInt64-40, math.MaxInt64))
		for _, n := range rapid.SliceOf(number).Draw(t, "numbers") {
			shown.Add(key(n))
			model[n] = true
		}
		runs := 0
		for i := range int64(41) {
			for _, n := range []int64{i, math.MaxInt64 - i} {
				if shown.Has(key(n)) != model[n] {
					t.Fatalf("has %d: %v, want %v", n, !model[n], model[n])
				}
				if model[n] && !model[n-1] {
					runs++
				}
			}
		}
		if shown.runs != runs {
			t.Fatalf("%d runs, want %d", shown.runs, runs)
		}
	})
}

// Bad records between good ones: their offsets never make a run. As many as are
// promised are known, at the cost of one step each.
func TestKeysTakeManyGaps(t *testing.T) {
	var shown Keys
	bad := func(n int64) Key {
		return KeyOf(api.Observation{Region: "us", Topic: "eu.events", Offset: 2 * n, Reason: "bad magic"})
	}
	const records = 10 * laneRuns
	began := time.Now()
	for n := range int64(records) {
		shown.Add(bad(n))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d records took %s", records, took)
	}
	for n := int64(records - laneRuns/2); n < records; n++ {
		if !shown.Has(bad(n)) {
			t.Fatalf("record %d of %d is forgotten", n, records)
		}
	}
	if shown.runs > laneRuns {
		t.Errorf("%d runs are kept of one lane, want %d at most", shown.runs, laneRuns)
	}
}

// Producers that write one event each: the newest are known, the oldest
// forgotten, and a lane that goes on stays whole.
func TestKeysForgetLanesThatEndedLongAgo(t *testing.T) {
	var shown Keys
	of := func(incarnation, seq int64) Key {
		key := KeyOf(observe(api.KindSeen, "eu", seq, 1001, ""))
		key.Lane.Incarnation = incarnation
		return key
	}
	const lanes, steady = 5 * generationRuns, math.MaxInt64
	for n := int64(1); n <= lanes; n++ {
		shown.Add(of(n, 1))
		if n%1000 == 0 {
			shown.Add(of(steady, n/1000))
		}
	}
	for n := int64(lanes - generationRuns + lanes/1000); n <= lanes; n++ {
		if !shown.Has(of(n, 1)) {
			t.Fatalf("lane %d of %d is forgotten", n, lanes)
		}
	}
	for seq := int64(1); seq <= lanes/1000; seq++ {
		if !shown.Has(of(steady, seq)) {
			t.Fatalf("event %d of the lane that goes on is forgotten", seq)
		}
	}
	if kept := len(shown.young) + len(shown.old); kept > 2*generationRuns+1 {
		t.Errorf("%d lanes are kept, want %d at most", kept, 2*generationRuns)
	}
}
