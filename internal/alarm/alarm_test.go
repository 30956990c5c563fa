package alarm

import (
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
)

func TestAnAlarmIsAnEpisode(t *testing.T) {
	now := time.UnixMilli(1000)
	b := NewBook(func() time.Time { return now })
	if !b.Raise("A", "x", "first", "") {
		t.Error("the first is not new")
	}
	now = now.Add(time.Second)
	if b.Raise("A", "x", "second", "look") {
		t.Error("the second is new")
	}
	b.Raise("A", "", "all of it", "")
	a, ok := b.Find("A", "x")
	if want := (api.Alarm{Code: "A", Message: "x: second", Hint: "look", Count: 2, SinceMS: 1000}); !ok || a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if list := b.List(); len(list) != 2 || list[0].Message != "all of it" || list[1] != a {
		t.Errorf("list %+v", list)
	}
	b.Clear("A", "x")
	if _, ok := b.Find("A", "x"); ok {
		t.Error("cleared, and holds")
	}
	if !b.Raise("A", "x", "again", "") {
		t.Error("a new episode is not new")
	}
	if a, _ := b.Find("A", "x"); a.SinceMS != 2000 || a.Count != 1 {
		t.Errorf("the new episode is %+v", a)
	}
}

func TestTheLatestEndCounts(t *testing.T) {
	now := time.UnixMilli(0)
	b := NewBook(func() time.Time { return now })
	b.RaiseUntil(time.UnixMilli(200), "A", "", "late", "")
	b.RaiseUntil(time.UnixMilli(100), "A", "", "early", "")
	now = time.UnixMilli(199)
	if a, ok := b.Find("A", ""); !ok || a.Message != "late" || a.Count != 2 {
		t.Errorf("before its end: %+v, %v", a, ok)
	}
	now = time.UnixMilli(200)
	if list := b.List(); list == nil || len(list) != 0 {
		t.Errorf("at its end: %+v", list)
	}
}

func TestAMeasuredCountReplacesTheOldOne(t *testing.T) {
	b := NewBook(time.Now)
	b.Measure(7, "A", "x", "seven", "")
	b.Measure(3, "A", "x", "three", "")
	if a, _ := b.Find("A", "x"); a.Count != 3 || a.Message != "x: three" {
		t.Errorf("got %+v", a)
	}
}
