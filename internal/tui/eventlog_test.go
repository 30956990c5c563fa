package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// TestBlocksFillAndChange follows one event through three regions.
func TestBlocksFillAndChange(t *testing.T) {
	s := newScreen(t, 120, 40)
	e := one(1)
	for _, step := range []struct {
		o    api.Observation
		want string
	}{
		{seenIn(e, "us", 1), "▒··"},
		{appliedIn(e, "us", 2, event.Applied), "█··"},
		{seenIn(e, "ap", 9), "█·▒"},
		{appliedIn(e, "eu", 8, event.Superseded), "█▄▒"}, // its timeline.Sight was missed
		{seenIn(e, "eu", 7), "█▄▒"},
		{appliedIn(e, "ap", 11, event.Duplicate), "█▄≡"},
		{appliedIn(e, "ap", 12, event.Applied), "█▄█"}, // the telling outcome came late
		{appliedIn(e, "ap", 13, event.Duplicate), "█▄█"},
	} {
		s.observe(step.o)
		if got := s.blocks(s.events.shown[0]); got != step.want {
			t.Errorf("after %s in %s: blocks %q, want %q", step.o.Kind, step.o.Region, got, step.want)
		}
	}
	if len(s.events.rows) != 1 {
		t.Errorf("%d rows for one event", len(s.events.rows))
	}
	if r := s.events.shown[0]; r.slowest() != 11*time.Millisecond || r.sights[2].Duplicates != 2 {
		t.Errorf("slowest %v, duplicates %d", r.slowest(), r.sights[2].Duplicates)
	}
}

// TestPausedLogStandsStillButGoesOnFilling: nothing leaves a paused list, what
// comes is counted, blocks of its rows still fill, and End resumes.
func TestPausedLogStandsStillButGoesOnFilling(t *testing.T) {
	s := newScreen(t, 120, 40)
	for n := range int64(10) {
		s.observe(seenIn(one(n), "us", 1))
	}
	s.press("up", "up")
	listed, at := slices.Clone(s.events.shown), s.events.selected()
	for n := range int64(maxRows + 500) {
		s.observe(seenIn(one(100+n), "us", 1))
	}
	s.observe(appliedIn(at.event, "us", 5, event.Applied))
	if !slices.Equal(listed, s.events.shown) || s.events.selected() != at {
		t.Error("the paused list changed")
	}
	if s.events.waiting != maxRows+501 { // the last one's row was gone: it is new again
		t.Errorf("%d new, want %d", s.events.waiting, maxRows+501)
	}
	if problem := wantText("20,501 new", "paused")(s); problem != "" {
		t.Error(problem)
	}
	late := listed[0]
	s.press("end")
	if s.events.frozen || s.events.waiting != 0 || slices.Contains(s.events.shown, late) {
		t.Error("End does not resume at the newest")
	}
	if len(s.events.rows) != maxRows || s.events.evicted != 511 {
		t.Errorf("%d rows kept, %d made room", len(s.events.rows), s.events.evicted)
	}
}

// TestPauseKeyOverridesScrolling: the pause key stops and resumes.
func TestPauseKeyOverridesScrolling(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.traffic()
	s.press(" ")
	s.observe(seenIn(one(90), "us", 1))
	if s.events.waiting != 1 || !s.events.frozen {
		t.Error("space does not pause")
	}
	s.press(" ")
	if s.events.frozen || s.events.selected().key != "k90" {
		t.Error("space does not resume at the newest")
	}
}

// TestFilterAppliesToBeforeAndAfter, and what it hides is still kept.
func TestFilterAppliesToBeforeAndAfter(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.observe(seenIn(one(1), "us", 1), seenIn(one(2), "us", 1))
	s.press("/")
	s.typeText("key:k2")
	if len(s.events.shown) != 1 {
		t.Errorf("%d rows while typing, want 1", len(s.events.shown))
	}
	s.press("enter")
	s.observe(seenIn(one(3), "us", 1), seenIn(one(21), "us", 1))
	if got := len(s.events.shown); got != 2 {
		t.Errorf("%d rows match, want 2", got)
	}
	s.press("esc")
	if got := len(s.events.shown); got != 4 {
		t.Errorf("%d rows without filter, want 4", got)
	}
}

// TestSlowFilterFollowsTheDelays: a row comes in when an apply makes it slow.
func TestSlowFilterFollowsTheDelays(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.press("/")
	s.typeText("slow:>100ms")
	s.press("enter")
	e := one(1)
	s.observe(seenIn(e, "us", 1), appliedIn(e, "us", 2, event.Applied))
	if len(s.events.shown) != 0 {
		t.Error("a fast event passes")
	}
	s.observe(appliedIn(e, "ap", 150, event.Applied))
	if len(s.events.shown) != 1 {
		t.Error("a slow event does not pass")
	}
}

// TestPayloadsAreCut: a row holds on to no more than its share of a large value.
func TestPayloadsAreCut(t *testing.T) {
	big := make([]byte, 512<<10)
	list := make([][]byte, 1000)
	pairs := make([]event.FieldValue, 1000)
	scored := make([]event.ScoredMember, 1000)
	ids := make([]event.StreamID, 1000)
	for i := range list {
		list[i] = make([]byte, 500)
		pairs[i] = event.FieldValue{Field: []byte("f"), Value: make([]byte, 500)}
		scored[i].Member = make([]byte, 500)
	}
	for _, args := range []event.Args{
		event.Set{Value: big}, event.SAdd{Members: list}, event.SRem{Members: list}, event.ZRem{Members: list}, event.HDel{Fields: list},
		event.HSet{Fields: pairs}, event.XAdd{Fields: pairs}, event.ZAdd{Members: scored}, event.XDel{IDs: ids},
	} {
		r := newRow(seenIn(written("us", 0, 1, args, "big"), "us", 1), 3)
		if r.whole || r.size <= maxPayload || event.PayloadBytes(r.event.Args) > maxPayload+16 || len(r.argument) > maxClean+8 {
			t.Errorf("%s: kept %d of %d bytes, argument of %d", args.Op(), event.PayloadBytes(r.event.Args), r.size, len(r.argument))
		}
		if !strings.Contains(r.command(), "geokv tail") {
			t.Errorf("%s: the command of a cut event is %q", args.Op(), r.command())
		}
	}
}

// A look at one event does not stop the log, unless one moves on to others there.
func TestALookAtAnEventDoesNotPauseTheLog(t *testing.T) {
	s := newScreen(t, 120, 40)
	for n := range int64(5) {
		s.observe(seenIn(one(n), "us", 1))
	}
	s.press("2", "enter", "esc")
	if s.events.frozen {
		t.Error("the log stands still after a look at an event")
	}
	s.press("enter", "left", "esc")
	if !s.events.frozen {
		t.Error("the log ran away from the event that was gone to")
	}
	s.press("enter", "esc")
	if !s.events.frozen {
		t.Error("a paused log went on by itself")
	}
}
