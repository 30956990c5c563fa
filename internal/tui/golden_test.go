package tui

import (
	"fmt"
	"testing"

	"github.com/charmbracelet/x/exp/golden"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

var sizes = [][2]int{{80, 24}, {120, 40}, {200, 50}}

var tenRegions = []string{"us-east-region-1", "us-west-region-2", "eu-central-1", "eu-north-1", "ap-south-east-01", "ap-northeast-1", "sa-east-1", "af-south-1", "me-central-1", "oc"}

// screens are the states that have goldens at every size.
var screens = []struct {
	name    string
	regions []string
	prepare func(s *screen)
}{
	{"connecting", nil, func(s *screen) { *s = *newFresh(s) }},
	{"live", nil, func(s *screen) { s.traffic() }},
	{"empty log", nil, func(s *screen) {}},
	{"paused filtered found", nil, func(s *screen) {
		s.traffic()
		s.press("/")
		s.typeText("!op:del")
		s.press("enter", "f")
		s.typeText("key:sales")
		s.press("enter", "up", "up", "up")
		s.observe(everywhere(written("eu", 1, 60, event.Incr{Delta: 1}, "sales:total"), s.c.regions, event.Applied)...)
		s.send(feedMsg{dropped: 120, lost: 7})
	}},
	{"nothing matches", nil, func(s *screen) { s.traffic(); s.press("/"); s.typeText("absent"); s.press("enter") }},
	{"region states", []string{"us", "eu", "ap", "sa", "af"}, everyState},
	{"differences", nil, differences},
	{"no answer", nil, func(s *screen) {
		s.traffic()
		s.fake.err = fail.New(fail.Unavailable, "reach the API at http://127.0.0.1:8080: connection refused")
		s.send(feedMsg{down: s.fake.err, fresh: true})
		s.look()
	}},
	{"regions focus", nil, func(s *screen) { s.traffic(); s.press("1", "down", "down", "right") }},
	{"regions zoomed", nil, func(s *screen) { s.traffic(); s.press("1", "z") }},
	{"mirrors", nil, func(s *screen) { mirrorsState(s); s.press("3", "down") }},
	{"mirrors zoomed", nil, func(s *screen) { mirrorsState(s); s.press("3", "z") }},
	{"simulator", nil, func(s *screen) {
		s.fake.sim = api.Sim{Running: true, Rate: 50, Seed: 7, Steps: 1200, Produced: 3100, Failed: 2, Unknown: 1, Error: "append to ap.events/3: buffer full"}
		s.look()
		s.press("4")
	}},
	{"own keys", nil, func(s *screen) {
		s.own("user:1", "alice", "us")
		s.fake.report.Regions[1].Origins[0].MirrorGap = 1
		s.look()
	}},
	{"ten regions", tenRegions, func(s *screen) { s.traffic() }},
	{"ten regions zoomed", tenRegions, func(s *screen) { s.traffic(); s.press("1", "z", "down", "right") }},
	{"one region", []string{"us"}, func(s *screen) { s.traffic() }},
	{"hostile", nil, hostileScreen},
	{"detail", nil, func(s *screen) { s.traffic(); s.press("G", "enter") }},
	{"detail rejected", nil, func(s *screen) { s.traffic(); s.press("up", "up", "up", "enter") }},
	{"detail large", nil, func(s *screen) {
		s.observe(everywhere(written("us", 0, 1, event.Set{Value: make([]byte, 512<<10)}, "blob"), s.c.regions, event.Applied)...)
		s.press("enter")
	}},
	{"form", nil, func(s *screen) { s.press("w") }},
	{"form invalid", nil, func(s *screen) {
		s.press("w")
		s.typeText("k")
		s.press("shift+tab")
		s.typeText("z")
		s.press("tab", "tab")
		s.typeText("ten ann")
	}},
	{"form receipt", nil, func(s *screen) {
		s.press("w")
		s.typeText("sales:total")
		s.press("enter")
		e := written("us", 0, 70, event.Incr{Delta: 1}, "sales:total")
		e.ID = "01M838ZVVBKPX29DYVZMR4JBXN"
		s.observe(seenIn(e, "us", 1), appliedIn(e, "us", 3, event.Applied), seenIn(e, "eu", 6))
	}},
	{"form refused", nil, func(s *screen) {
		s.fake.refuse = fail.New(fail.NotAllowed, "write: the token is wrong").WithHint("give the one in the data directory, or GEOKV_TOKEN")
		s.press("w")
		s.typeText("sales:total")
		s.press("enter")
	}},
	{"form dry run", nil, func(s *screen) { s.press("w"); s.typeText("sales:total"); s.press("ctrl+t") }},
	{"inspector ask", nil, func(s *screen) { s.press("i") }},
	{"inspector same", nil, func(s *screen) { inspect(s, "sales:total") }},
	{"inspector diverged", nil, func(s *screen) { inspect(s, "cart:active") }},
	{"inspector pending", nil, func(s *screen) {
		s.fake.report.Regions[2].Origins[0].MirrorGap = 4
		inspect(s, "cart:active")
	}},
	{"inspector large", nil, func(s *screen) { inspect(s, "huge"); s.press("]") }},
	{"inspector silent", nil, func(s *screen) {
		s.fake.err = fail.New(fail.Rebuilding, "read key: the view of region ap is being rebuilt, 45%%")
		inspect(s, "cart:active")
	}},
	{"palette", nil, func(s *screen) { s.press(":") }},
	{"palette error", nil, func(s *screen) { s.press(":"); s.typeText("cut mars"); s.press("enter") }},
	{"confirm", nil, func(s *screen) { s.press("1", "x") }},
	{"help", nil, func(s *screen) { s.press("?") }},
	{"command", nil, func(s *screen) { s.press("3", "y") }},
	{"filter bad", nil, func(s *screen) { s.press("/"); s.typeText("slow:100") }},
}

func TestScreens(t *testing.T) {
	for _, state := range screens {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s/%dx%d", state.name, size[0], size[1]), func(t *testing.T) {
				s := newScreen(t, size[0], size[1], state.regions...)
				state.prepare(s)
				golden.RequireEqual(t, s.draw())
			})
		}
	}
}

func TestBelowTheMinimumOneLineSaysWhatIsNeeded(t *testing.T) {
	for _, size := range [][2]int{{60, 20}, {63, 40}, {120, 17}, {10, 3}, {1, 1}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			s := newScreen(t, size[0], size[1])
			golden.RequireEqual(t, s.View())
		})
	}
}

// TestThemes fixes the colours of one screen in every theme, and that without
// colour nothing but text is left.
func TestThemes(t *testing.T) {
	for _, theme := range []Theme{ThemeDark, ThemeLight, ThemeContrast} {
		t.Run(string(theme), func(t *testing.T) {
			s := newScreenWith(t, 80, 24, Options{Regions: []string{"us", "eu", "ap"}, Theme: theme})
			differences(s)
			s.press("1")
			golden.RequireEqual(t, s.draw())
		})
	}
}

func TestASCII(t *testing.T) {
	s := newScreenWith(t, 120, 40, Options{Regions: []string{"us", "eu", "ap"}, Theme: ThemeDark, NoColor: true, ASCII: true})
	differences(s)
	s.traffic()
	screens := s.draw()
	s.press("?")
	screens += s.draw()
	s.press("esc", ":")
	screens += s.draw()
	for _, r := range screens {
		if r > 0x7e {
			t.Fatalf("%q is not ASCII in:\n%s", r, screens)
		}
	}
	golden.RequireEqual(t, screens)
}

// newFresh is a program that has had no answer yet.
func newFresh(s *screen) *screen {
	fresh := *s
	fresh.Model = newModel(s.c, Options{Title: "embedded here", Notice: "no cluster was running: started one here, it ends with this screen"})
	fresh.layout.width, fresh.layout.height = s.layout.width, s.layout.height
	fresh.arrange()
	return &fresh
}

func everyState(s *screen) {
	r := s.fake.report.Regions
	r[0].LagEvents, r[0].LagMS = 3, 1200
	r[0].Origins[2].LagEvents, r[0].Origins[2].LagMS, r[0].Origins[2].MirrorGap = 3, 1200, 12
	r[1].State, r[1].Detail = api.StateCut, "cut: us->eu"
	s.fake.report.Flows[0].State = api.FlowCut
	r[2].State, r[2].Detail, r[2].Origins = api.StateDown, "kafka: connection refused", nil
	r[3].State, r[3].RebuildPercent = api.StateRebuilding, 45
	r[4].State, r[4].ClockOffsetMS = api.StateBlocked, -480
	r[4].Alarms = []api.Alarm{{Code: "BLOCKED", Message: "us.events/3 waits: schema 99 is unknown", Count: 1}}
	s.fake.report.Converged = false
	s.look()
}

func differences(s *screen) {
	ap := s.fake.states["ap"]
	ap.Keys = shop()
	ap.Keys[1].View.String = []byte("92")
	s.fake.states["ap"] = ap
	// the partition of the other difference still moves
	ap.Keys[6].View.String = []byte("127")
	p := partitionIndex(ap.Keys[6].View.Key)
	s.fake.report.Regions[2].Origins[1].Partitions[p].Applied--
	s.look()
}

func mirrorsState(s *screen) {
	s.fake.report.Flows[0].State, s.fake.report.Flows[0].GapEvents = "cut", 1234
	s.fake.report.Flows[1].State = "down"
	s.fake.lab.Links[0].State = "cut"
	s.fake.lab.Links[3].DelayMS = 500
	s.look()
	for i := range 90 {
		e := written("eu", 1, int64(i*100), event.Incr{Delta: 1}, "sales:total")
		s.observe(seenIn(e, "eu", 1), seenIn(e, "us", 4), seenIn(e, "ap", 504))
	}
}

// inspect opens the inspector on one of the keys that are worth it.
func inspect(s *screen, key string) {
	text := func(region, value string, f *api.Facts) {
		s.fake.keys[region]["sales:total"] = api.KeyPage{Region: region, AtMS: noon.UnixMilli(), Total: int64(len(value)), Facts: f,
			View: crdt.View{Key: []byte("sales:total"), Value: crdt.Value{Type: crdt.String, String: []byte(value)}}}
	}
	at := noon.UnixMilli()
	counters := &api.Facts{Type: "string", Register: &api.StampFact{Op: "SET", PhysicalMS: at - 60_000, Region: 1}, ExpireAtMS: at + 90_000,
		Newest: []api.TypeFact{{Type: "string", PhysicalMS: at - 5000, Region: 0}}, Exact: "9223372036854775809",
		Counters: []api.CounterFact{{Region: "us", Seq: 34, Ring: 12}, {Region: "eu", Seq: 120, Folded: true}}}
	cart := &api.Facts{Type: "set", Elements: 5, Tombstones: 2, Parked: []string{"string"}, Newest: []api.TypeFact{{Type: "set", PhysicalMS: at - 5000, Region: 2}}}
	for i, region := range s.c.regions {
		text(region, "128", counters)
		members := [][]byte{[]byte("ann"), []byte("bob")}
		if i == 2 {
			members = append(members, []byte("cleo"))
		}
		s.fake.keys[region]["cart:active"] = api.KeyPage{Region: region, AtMS: at, Total: int64(len(members)), Facts: cart,
			View: crdt.View{Key: []byte("cart:active"), Value: crdt.Value{Type: crdt.Set, Members: members}}}
		s.fake.keys[region]["huge"] = hugeSet(region, 0)
		s.fake.keys[region]["huge200"] = hugeSet(region, 200)
	}
	s.press("i")
	s.typeText(key)
	s.press("enter")
	s.look()
}

// hugeSet is a page of a set of ten thousand members.
func hugeSet(region string, from int) api.KeyPage {
	p := api.KeyPage{Region: region, AtMS: noon.UnixMilli(), Total: 10_000, Next: fmt.Sprint(from + 200),
		View: crdt.View{Key: []byte("huge"), Value: crdt.Value{Type: crdt.Set}}}
	for i := range 200 {
		p.View.Members = append(p.View.Members, fmt.Appendf(nil, "member-%05d", from+i))
	}
	return p
}
