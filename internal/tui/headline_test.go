package tui

import (
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// TestHeadline: the worst stands first, everything that is wrong is named, and
// all agree is said only of regions that could all be read.
func TestHeadline(t *testing.T) {
	state := func(region int, state api.State) func(*fakeSource) {
		return func(f *fakeSource) { f.report.Regions[region].State, f.report.Converged = state, false }
	}
	cut := func(pairs ...string) func(*fakeSource) {
		return func(f *fakeSource) {
			for i := range f.report.Flows {
				flow := geo.Flow{From: f.report.Flows[i].From, To: f.report.Flows[i].To}
				for _, p := range pairs {
					if strings.Contains(flow.String(), p) {
						f.report.Flows[i].State = api.FlowCut
					}
				}
			}
		}
	}
	apart := func(f *fakeSource) {
		ap := f.states["ap"]
		ap.Keys = shop()
		ap.Keys[1].View.String = []byte("92")
		f.states["ap"] = ap
	}
	rebuilding := fail.New(fail.Rebuilding, "read region eu: its view is being rebuilt")
	for name, c := range map[string]struct {
		want   string
		change []func(*fakeSource)
	}{
		"well":                      {"● all agree", nil},
		"events move":               {"◌ on their way", []func(*fakeSource){func(f *fakeSource) { f.report.Converged = false }}},
		"a key differs":             {"◌ 1 key differs, on their way", []func(*fakeSource){apart, func(f *fakeSource) { f.report.Regions[0].Origins[1].MirrorGap = 3 }}},
		"a key diverged":            {"≠ 1 key diverged", []func(*fakeSource){apart}},
		"a region is down":          {"○ us down", []func(*fakeSource){state(0, api.StateDown)}},
		"down takes its links":      {"○ us down", []func(*fakeSource){state(0, api.StateDown), func(f *fakeSource) { f.report.Flows[0].State = api.FlowDown }}},
		"down, and a key differs":   {"○ us down  ◌ 1 key differs", []func(*fakeSource){state(0, api.StateDown), apart}},
		"blocked":                   {"▲ eu blocked  ◌ events wait", []func(*fakeSource){state(1, api.StateBlocked)}},
		"cut off, nothing missed":   {"◐ ap cut off  ● all agree", []func(*fakeSource){cut("ap")}},
		"cut off, something missed": {"◐ ap cut off  ◌ events wait", []func(*fakeSource){cut("ap"), state(2, api.StateCut)}},
		"one link":                  {"◐ us→eu cut  ● all agree", []func(*fakeSource){cut("us->eu")}},
		"many links":                {"◐ 4 links cut  ● all agree", []func(*fakeSource){cut("us->eu", "us->ap", "eu->ap", "ap->eu")}},
		"a link is down":            {"○ us→eu down  ● all agree", []func(*fakeSource){func(f *fakeSource) { f.report.Flows[0].State = api.FlowDown }}},
		"rebuilding": {"↻ eu, ap rebuilding 43%", []func(*fakeSource){state(1, api.StateRebuilding), state(2, api.StateRebuilding),
			func(f *fakeSource) { f.report.Regions[1].RebuildPercent, f.report.Regions[2].RebuildPercent = 43, 60 }}},
		"rebuilt between two looks": {"↻ eu rebuilding", []func(*fakeSource){func(f *fakeSource) { f.unread = map[string]error{"eu": rebuilding} }}},
		"keys not read":             {"◌ ap not read", []func(*fakeSource){func(f *fakeSource) { f.unread = map[string]error{"ap": fail.New(fail.Timeout, "late")} }}},
		"several things":            {"○ us down  ↻ ap rebuilding 0%", []func(*fakeSource){state(0, api.StateDown), state(2, api.StateRebuilding)}},
	} {
		s := newScreen(t, 120, 40)
		for _, change := range c.change {
			change(s.fake)
		}
		s.look()
		if got := s.headline(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if problem := wantText(c.want)(s); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

// TestOneLookTellsOneStory: after a restart the keys of eu and ap cannot be read
// for being rebuilt, and a moment later the report already finds them up and
// level. Header, pane and values say the same.
func TestOneLookTellsOneStory(t *testing.T) {
	s := newScreen(t, 120, 40)
	us := s.fake.states["us"]
	us.Keys = shop()
	us.Keys[6].View.String = []byte("1828")
	s.fake.states["us"] = us
	err := fail.New(fail.Rebuilding, "read region: its view is being rebuilt from the log, 43 %% done")
	s.fake.unread = map[string]error{"eu": err, "ap": err}
	s.look()
	text := s.draw()
	for _, want := range []string{"↻ eu, ap rebuilding", "● us up", "↻ eu rebuilding", "↻ ap rebuilding", "its view is being rebuilt"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on screen", want)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "sales:total") && (strings.Count(line, "was 128") != 2 || strings.Count(line, "1828") != 1) {
			t.Errorf("values of before are not told from those of now: %s", line)
		}
	}
	if strings.Contains(text, "agree") || strings.Contains(text, "eu up") {
		t.Errorf("said too much:\n%s", text)
	}
}

// TestHeaderAndPanesCutTogether: the answer to a cut comes before the next report;
// header and panes both wait for that one.
func TestHeaderAndPanesCutTogether(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.press("1", "c", "y")
	if text := s.draw(); strings.Contains(text, "◐ us cut ─") != strings.Contains(text, "◐ us cut off") {
		t.Errorf("header and pane differ:\n%s", text)
	}
	for i := range s.fake.report.Flows {
		if f := &s.fake.report.Flows[i]; f.From == "us" || f.To == "us" {
			f.State = api.FlowCut
		}
	}
	s.fake.report.Regions[0].State = api.StateCut
	s.look()
	if problem := wantText("◐ us cut ─", "◐ us cut off  ")(s); problem != "" {
		t.Error(problem)
	}
}
