package timeline

import (
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

func written(seq int64) event.Event {
	return event.Event{
		ID: "e", Origin: "eu", HLC: hlc.Timestamp{Physical: 1000, Region: 1},
		Lane: lane.ID{Slot: 1, Incarnation: 7}, Seq: seq, Key: []byte("k"), Args: event.Del{},
	}
}

func observe(kind api.Kind, region string, seq, at int64, outcome event.Outcome) api.Observation {
	return api.Observation{
		Kind: kind, Region: region, AtMS: at, DelayMS: at - 1000, Topic: "eu.events", Partition: 2,
		Offset: seq * 10, Outcome: outcome, Event: written(seq),
	}
}

func TestRegionsAreJoined(t *testing.T) {
	tl := New(10)
	regions := []string{"us", "eu"}
	_, fresh := tl.Add(observe(api.KindSeen, "eu", 1, 1001, ""))
	if !fresh {
		t.Error("first observation is not fresh")
	}
	tl.Add(observe(api.KindApplied, "eu", 1, 1002, event.Applied))
	row, fresh := tl.Add(observe(api.KindSeen, "us", 1, 1040, ""))
	if fresh || row.Done(regions) {
		t.Errorf("fresh %v, done %v before us applied it", fresh, row.Done(regions))
	}
	row, _ = tl.Add(observe(api.KindApplied, "us", 1, 1050, event.Superseded))
	if !row.Done(regions) {
		t.Error("not done although both regions applied it")
	}
	want := Sight{SeenAtMS: 1040, SeenDelayMS: 40, AppliedAtMS: 1050, AppliedDelayMS: 50, Offset: 10, Outcome: event.Superseded}
	if got := row.Regions["us"]; got != want {
		t.Errorf("us: got %+v, want %+v", got, want)
	}
}

func TestTheTellingOutcomeIsKept(t *testing.T) {
	cases := []struct {
		outcomes []event.Outcome
		want     event.Outcome
	}{
		{[]event.Outcome{event.Applied, event.Duplicate}, event.Applied},
		{[]event.Outcome{event.Duplicate, event.Applied}, event.Applied},
		{[]event.Outcome{event.Unknown, event.Superseded}, event.Superseded},
		{[]event.Outcome{event.Superseded, event.Unknown}, event.Superseded},
		{[]event.Outcome{event.Duplicate}, event.Duplicate},
		{[]event.Outcome{event.Superseded, event.Applied}, event.Superseded}, // a rebuild applies again
	}
	for _, c := range cases {
		tl := New(4)
		var row Row
		for i, o := range c.outcomes {
			row, _ = tl.Add(observe(api.KindApplied, "us", 1, 1001+int64(i), o))
		}
		if got := row.Regions["us"]; got.Outcome != c.want || got.AppliedAtMS != 1001 {
			t.Errorf("%v: got %s at %d, want %s at 1001", c.outcomes, got.Outcome, got.AppliedAtMS, c.want)
		}
	}
}

func TestEvictsWhatWasTouchedLongestAgo(t *testing.T) {
	tl := New(2)
	tl.Add(observe(api.KindSeen, "eu", 1, 1001, ""))
	tl.Add(observe(api.KindSeen, "eu", 2, 1002, ""))
	tl.Add(observe(api.KindSeen, "us", 1, 1003, ""))
	tl.Add(observe(api.KindSeen, "eu", 3, 1004, ""))
	for _, seq := range []int64{1, 3} {
		if _, ok := tl.Get(KeyOf(observe(api.KindSeen, "eu", seq, 0, ""))); !ok {
			t.Errorf("seq %d is gone", seq)
		}
	}
	if _, ok := tl.Get(KeyOf(observe(api.KindSeen, "eu", 2, 0, ""))); ok {
		t.Error("seq 2 is still there")
	}
}

func TestAForgottenRowLeavesItsPlace(t *testing.T) {
	tl := New(2)
	for seq := int64(1); seq <= 2; seq++ {
		tl.Add(observe(api.KindSeen, "eu", seq, 1001, ""))
	}
	tl.Forget(KeyOf(observe(api.KindSeen, "eu", 2, 0, "")))
	tl.Forget(KeyOf(observe(api.KindSeen, "eu", 9, 0, ""))) // never there
	tl.Add(observe(api.KindSeen, "eu", 3, 1001, ""))
	for seq, want := range map[int64]bool{1: true, 2: false, 3: true} {
		if _, ok := tl.Get(KeyOf(observe(api.KindSeen, "eu", seq, 0, ""))); ok != want {
			t.Errorf("seq %d is there: %v, want %v", seq, ok, want)
		}
	}
}

func TestRowsAreCopies(t *testing.T) {
	tl := New(2)
	row, _ := tl.Add(observe(api.KindSeen, "eu", 1, 1001, ""))
	row.Regions["eu"] = Sight{SeenAtMS: 5}
	kept, _ := tl.Get(KeyOf(observe(api.KindSeen, "eu", 1, 0, "")))
	if got := kept.Regions["eu"].SeenAtMS; got != 1001 {
		t.Errorf("a caller changed the timeline: seen at %d", got)
	}
}

func TestRecordThatNobodyCanDecode(t *testing.T) {
	tl := New(4)
	bad := api.Observation{
		Kind: api.KindSeen, Region: "us", Topic: "eu.events", Offset: 5,
		Reason: "bad magic", Event: event.Event{Key: []byte("k")},
	}
	tl.Add(bad)
	bad.Region = "eu" // other offsets elsewhere: nothing joins them
	row, fresh := tl.Add(bad)
	if !fresh {
		t.Error("undecoded records of two regions were joined")
	}
	if row.Event != nil || string(row.Key) != "k" || row.Reason != "bad magic" {
		t.Errorf("row %+v", row)
	}
}
