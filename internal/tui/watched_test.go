package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
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

// distant is a source that takes a while for an answer, for some keys longer.
type distant struct {
	*fakeSource
	delay time.Duration
	keys  map[string]time.Duration // by region and key
}

func (distant) wait(ctx context.Context, delay time.Duration) error {
	select {
	case <-time.After(delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d distant) State(ctx context.Context, region string) (api.RegionState, error) {
	if err := d.wait(ctx, d.delay); err != nil {
		return api.RegionState{}, err
	}
	return d.fakeSource.State(ctx, region)
}

func (d distant) Key(ctx context.Context, q api.KeyQuery) (api.KeyPage, error) {
	if err := d.wait(ctx, max(d.delay, d.keys[q.Region+" "+string(q.Key)])); err != nil {
		return api.KeyPage{}, err
	}
	return d.fakeSource.Key(ctx, q)
}

// TestALateKeyCostsOnlyItself: over a slow link every watched key is read; one
// that does not come in time is marked, and its region stays readable.
func TestALateKeyCostsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(t, 200, 50)
		source := distant{s.fake, time.Second, map[string]time.Duration{}}
		s.c.source = source
		for i := range maxWatched {
			s.own(fmt.Sprintf("own:%d", i), "alice", "us", "eu", "ap")
		}
		s.look()
		if got := s.headline(); got != "● all agree" || len(s.regions.heldWatched()) != maxWatched {
			t.Errorf("over a slow link: %q, %d keys", got, len(s.regions.heldWatched()))
		}
		s.own("new", "alice", "us", "eu", "ap")
		source.keys["ap own:3"], source.keys["ap new"] = time.Minute, time.Minute
		s.look()
		if got := s.headline(); got != "◌ 2 keys not read" {
			t.Errorf("two late keys: %q", got)
		}
		for key, want := range map[string]string{"own:3": "was alice", "new": "not read", "own:4": "alice"} {
			line := s.paneLine(key)
			panes := strings.Split(line, "││")
			if len(panes) != 3 || strings.Count(line, "was") > 1 || !strings.HasSuffix(strings.TrimRight(panes[2], "│"), " "+want) ||
				!strings.HasSuffix(panes[1], " alice") || strings.Contains(line, "pending") {
				t.Errorf("%s: %q, want %q in ap alone", key, line, want)
			}
		}
		if s.regions.states[2].err != nil {
			t.Errorf("ap is not read: %v", s.regions.states[2].err)
		}
		s.own("lost", "alice", "us", "eu", "ap")
		for _, region := range []string{"us", "eu", "ap"} {
			source.keys[region+" lost"] = time.Minute
		}
		s.look()
		if line := s.paneLine("lost"); strings.Count(line, "not read") != 3 {
			t.Errorf("late everywhere: %q", line)
		}
		clear(source.keys)
		s.look()
		if got := s.headline(); got != "● all agree" || strings.Contains(s.draw(), "not read") {
			t.Errorf("in time again: %q", got)
		}
	})
}

// TestLargeKeysAreReadOnce: a small event on a large key does not fetch it at
// every look; an event that gives it another value lets it be read again.
func TestLargeKeysAreReadOnce(t *testing.T) {
	s := newScreen(t, 200, 50)
	hold := func(size int) {
		for _, region := range []string{"us", "eu", "ap"} {
			s.fake.keys[region]["huge"] = api.KeyPage{Region: region, AtMS: noon.UnixMilli(), Total: 1, View: crdt.View{Key: []byte("huge"),
				Value: crdt.Value{Type: crdt.Hash, Fields: []event.FieldValue{{Field: []byte("f"), Value: make([]byte, size)}}}}}
		}
	}
	looks := func(n int64, args event.Args) int {
		s.observe(seenIn(written("us", 0, n, args, "huge"), "us", 1))
		s.fake.take()
		s.look()
		s.look()
		return len(s.fake.take())
	}
	hold(largestWatched + 1)
	small := event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("v")}}}
	if asked := looks(1, small); asked != 3 {
		t.Errorf("asked %d times for a large key, want once in each region", asked)
	}
	if asked := looks(2, small); asked != 0 || s.paneLine("huge") != "" {
		t.Errorf("asked %d times for a key that is known to be large", asked)
	}
	hold(10)
	if asked := looks(20_000, event.Del{}); asked != 12 || s.paneLine("huge") == "" {
		t.Errorf("asked %d times for a key that was large once, want at every look", asked)
	}
}
