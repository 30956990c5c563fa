package timeline

import (
	"testing"

	"github.com/geokv/geokv/internal/api"
)

func TestKeysTellEventsApart(t *testing.T) {
	shown := Keys{}
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
	shown := Keys{}
	bad := KeyOf(api.Observation{Region: "us", Topic: "eu.events", Offset: 0, Reason: "bad magic"})
	shown.Add(bad)
	if !shown.Has(bad) {
		t.Error("the record at offset 0 is not there")
	}
}

// A log of millions of events is one run of numbers.
func TestKeysGrowWithGapsAlone(t *testing.T) {
	shown := Keys{}
	for seq := int64(1); seq <= 100_000; seq++ {
		shown.Add(KeyOf(observe(api.KindSeen, "eu", seq, 1001, "")))
	}
	runs := 0
	for _, set := range shown {
		runs += len(set.Intervals())
	}
	if runs != 1 {
		t.Errorf("%d runs hold events without a gap, want 1", runs)
	}
}
