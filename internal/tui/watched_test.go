package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// paneLine is the line of the region panes that has a key.
func (s *screen) paneLine(key string) string {
	for _, line := range strings.Split(s.draw(), "\n")[:s.layout.regions.h+1] {
		if strings.Contains(line, key) {
			return line
		}
	}
	return ""
}

// TestOnesOwnKeysAreSeenToAgree: what an event touched is in every region pane,
// marked while the regions differ, and can be inspected there.
func TestOnesOwnKeysAreSeenToAgree(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.fake.report.Regions[1].Origins[0].MirrorGap = 1
	s.own("user:1", "alice", "us")
	s.look()
	line := s.paneLine("user:1")
	if strings.Count(line, "user:1") != 3 || strings.Count(line, "alice") != 1 || strings.Count(line, "◌ user:1 pending") != 3 {
		t.Errorf("written in us, on its way: %q", line)
	}
	s.fake.report.Regions[1].Origins[0].MirrorGap = 0
	s.own("user:1", "alice", "us", "eu", "ap")
	s.look()
	if line := s.paneLine("user:1"); strings.Count(line, "alice") != 3 || strings.Contains(line, "◌") {
		t.Errorf("everywhere: %q", line)
	}
	s.press("1", "up", "up", "up", "up", "up", "up", "up", "up", "enter")
	if problem := wantText("key user:1")(s); problem != "" {
		t.Error(problem)
	}
	s.press("esc")
	s.fake.unread = map[string]error{"ap": fail.New(fail.Rebuilding, "rebuilding")}
	s.look()
	if line := s.paneLine("user:1"); strings.Count(line, "was alice") != 1 {
		t.Errorf("ap is rebuilt: %q", line)
	}
}

// TestWatchedKeysStandStill: a key keeps its line until a newer one needs it, a
// demo key is never listed twice, and what says nothing is not asked for.
func TestWatchedKeysStandStill(t *testing.T) {
	s := newScreen(t, 200, 50)
	listed := func() []string { return s.regions.names[:len(s.regions.names)-len(s.regions.heldDemo())] }
	for i := range maxWatched {
		s.own(fmt.Sprintf("own:%d", i), "x", "us")
		s.look()
	}
	before := slices.Clone(listed())
	if len(before) != maxWatched {
		t.Fatalf("%d keys are watched: %q", len(before), before)
	}
	s.own("sales:total", "7", "us")
	s.own("own:2", "y", "us")
	s.observe(seenIn(written("us", 0, 90, event.Set{Value: make([]byte, maxPayload+1)}, "large"), "us", 1))
	bad := seenIn(written("us", 0, 91, event.Set{}, "geokv:mine"), "us", 1)
	bad.Reason = "reserved key"
	s.observe(bad)
	s.look()
	if got := listed(); !slices.Equal(got, before) {
		t.Errorf("watched %q, want still %q", got, before)
	}
	s.own("newest", "z", "us")
	s.look()
	want := slices.Clone(before)
	want[slices.Index(want, "own:0")] = "newest" // the one that was touched longest ago
	if got := listed(); !slices.Equal(got, want) {
		t.Errorf("watched %q, want %q", got, want)
	}
}

// TestWatchedKeysLeaveRoom: where the demo keys need every line, half of them are
// theirs; panes that show no keys ask for none.
func TestWatchedKeysLeaveRoom(t *testing.T) {
	s := newScreen(t, 80, 24)
	for i := range maxWatched {
		s.own(fmt.Sprintf("own:%d", i), "x", "us", "eu", "ap")
	}
	s.look()
	text := strings.Join(strings.Split(s.draw(), "\n")[:s.layout.regions.h+1], "\n")
	if own, demo := strings.Count(text, "own:"), strings.Count(text, "cart:active"); own != 6 || demo != 3 {
		t.Errorf("%d own keys and %d times the first demo key in\n%s", own, demo, text)
	}
	s.press("2", "z")
	s.fake.take()
	s.look()
	if problem := wantCalls()(s); problem != "" {
		t.Errorf("with the log alone on screen: %s", problem)
	}
}
