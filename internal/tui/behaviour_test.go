package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

func one(n int64) event.Event {
	return written("us", 0, n, event.Incr{Delta: 1}, fmt.Sprintf("k%d", n))
}

// blocks is the marks of a row, region by region.
func (s *screen) blocks(r *row) string {
	var marks []string
	for _, sight := range r.sights {
		mark, _ := s.c.sightMark(sight)
		marks = append(marks, mark)
	}
	return strings.Join(marks, "")
}

// TestJudge tells pending from diverged.
func TestJudge(t *testing.T) {
	s := newScreen(t, 80, 24)
	report := func(change func(*api.Report)) *api.Report {
		r := newFake(t, s.c.regions...).report
		change(&r)
		return &r
	}
	level := report(func(*api.Report) {})
	p := partitionIndex([]byte("k"))
	value := func(d byte) keyValue { return keyValue{raw: []byte("k"), digest: [32]byte{d}, atMS: 1000} }
	for name, c := range map[string]struct {
		values        []keyValue
		before, after *api.Report
		want          verdict
	}{
		"equal":                     {[]keyValue{value(1), value(1)}, nil, nil, same},
		"one region":                {[]keyValue{value(1)}, level, level, same},
		"no region":                 {nil, level, level, same},
		"differ, all level":         {[]keyValue{value(1), value(2)}, level, level, diverged},
		"no report before":          {[]keyValue{value(1), value(2)}, nil, level, pending},
		"no report after":           {[]keyValue{value(1), value(2)}, level, nil, pending},
		"moved meanwhile":           {[]keyValue{value(1), value(2)}, report(func(r *api.Report) { shift(r, p) }), level, pending},
		"another partition":         {[]keyValue{value(1), value(2)}, report(func(r *api.Report) { shift(r, (p+1)%12) }), level, diverged},
		"lag":                       {[]keyValue{value(1), value(2)}, level, report(func(r *api.Report) { r.Regions[1].Origins[0].Partitions[p].End++ }), pending},
		"mirror gap":                {[]keyValue{value(1), value(2)}, level, report(func(r *api.Report) { r.Regions[1].Origins[0].MirrorGap = 1 }), pending},
		"a region is down":          {[]keyValue{value(1), value(2)}, level, report(func(r *api.Report) { r.Regions[2].State = api.StateDown }), pending},
		"a region is rebuilt":       {[]keyValue{value(1), value(2)}, report(func(r *api.Report) { r.Regions[2].State = api.StateRebuilding }), level, pending},
		"a cut with no gap":         {[]keyValue{value(1), value(2)}, level, report(func(r *api.Report) { r.Regions[2].State = api.StateCut }), diverged},
		"read while it expired":     {[]keyValue{value(1), {raw: []byte("k"), atMS: 1000, expireAtMS: 900}}, level, level, pending},
		"expired long before":       {[]keyValue{value(1), {raw: []byte("k"), atMS: 50_000, expireAtMS: 90_000}}, level, level, diverged},
		"no partitions, sums stand": {[]keyValue{value(1), value(2)}, report(sumsOnly), report(sumsOnly), diverged},
		"no partitions, sums move":  {[]keyValue{value(1), value(2)}, report(sumsOnly), report(func(r *api.Report) { sumsOnly(r); r.Regions[0].Origins[0].Applied++ }), pending},
	} {
		if got := judge(c.values, c.before, c.after); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func shift(r *api.Report, p int32) {
	part := &r.Regions[0].Origins[0].Partitions[p]
	part.End, part.Applied = part.End-1, part.Applied-1
}

func sumsOnly(r *api.Report) {
	for i := range r.Regions {
		for j := range r.Regions[i].Origins {
			r.Regions[i].Origins[j].Partitions = nil
		}
	}
}

// TestClusterDiesAndComesBack: the panes say so, keep what was known, and recover.
func TestClusterDiesAndComesBack(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.traffic()
	s.fake.err = fail.New(fail.Unavailable, "reach the API: connection refused")
	s.send(feedMsg{down: s.fake.err, fresh: true})
	s.look()
	if problem := wantText("no answer", "event stream down", "us unknown", "as of 12:00:00", "sales:total", "orders:feed")(s); problem != "" {
		t.Error(problem)
	}
	s.press("1", "x", "y") // goes on being asked, and answers
	s.fake.err = nil
	s.send(feedMsg{connected: true, fresh: true})
	s.look()
	text := s.draw()
	if strings.Contains(text, "no answer") || strings.Contains(text, "down") || !strings.Contains(text, "us up") {
		t.Errorf("no recovery:\n%s", text)
	}
}

// TestResizeToNothingAndBack: 10x3 and back leaves the same screen.
func TestResizeToNothingAndBack(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.traffic()
	for _, keys := range [][]string{nil, {"w"}, {"?"}, {"i"}, {"up", "enter"}} {
		s.press(keys...)
		before := s.draw()
		for _, size := range [][2]int{{10, 3}, {0, 0}, {1, 1}, {300, 2}, {63, 17}} {
			s.send(windowSize(size[0], size[1]))
			s.press("1", "right", "x", "y", "enter", "c") // unseen, so they do nothing
			_ = s.View()
		}
		s.send(windowSize(120, 40))
		if after := s.draw(); after != before {
			t.Errorf("after %v the screen is another:\n%s\nwant\n%s", keys, after, before)
		}
		s.overlays = nil
	}
}

// TestRefusalsAreSaid: wrong token, no lab, faults that fail.
func TestRefusalsAreSaid(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.fake.refuse = fail.New(fail.NotAllowed, "write: the token is wrong").WithHint("see GEOKV_TOKEN")
	s.press("w")
	s.typeText("k")
	s.press("enter")
	if problem := wantText("refused", "the token is wrong", "see GEOKV_TOKEN")(s); problem != "" {
		t.Error(problem)
	}
	s.press("esc", "3", "c", "y")
	if problem := wantText("the token is wrong")(s); problem != "" {
		t.Error(problem)
	}
	s.press("s")
	if problem := wantText("the token is wrong")(s); problem != "" {
		t.Error(problem)
	}
}

func TestFaultsThatTheStackDoesNotOffer(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.fake.labErr = fail.New(fail.NotFound, "this cluster has no lab")
	s.lab = nil
	s.look()
	s.fake.take()
	for _, keys := range [][]string{{"3", "c", "y"}, {"3", "d"}, {"1", "r"}, {"1", "c", "y"}} {
		s.notice = notice{}
		s.press(keys...)
		if problem := both(wantText("faults cannot be injected here", "no lab"), wantCalls())(s); problem != "" {
			t.Errorf("%v: %s", keys, problem)
		}
	}
}

// TestNoticesGoAway after a while, and the keys come back.
func TestNoticesGoAway(t *testing.T) {
	s := newScreen(t, 80, 24)
	s.press("m")
	if problem := wantText("mouse off")(s); problem != "" {
		t.Error(problem)
	}
	s.now = s.now.Add(noticeTime + time.Second)
	s.send(tickMsg{})
	if text := s.draw(); strings.Contains(text, "mouse off") || !strings.Contains(text, "? help") {
		t.Errorf("the notice stays:\n%s", text)
	}
}

// TestInspectorIsJudgedByReportsAroundIt and recovers from a region that does
// not answer.
func TestInspectorVerdicts(t *testing.T) {
	s := newScreen(t, 120, 40)
	inspect(s, "cart:active")
	if problem := wantText("≠ diverged", "≠ cleo", "2 removals remembered")(s); problem != "" {
		t.Error(problem)
	}
	s.fake.err = errors.New("no")
	s.look()
	if problem := wantText("no region answers")(s); problem != "" {
		t.Error(problem)
	}
	s.fake.err = nil
	s.fake.keys["ap"]["cart:active"] = s.fake.keys["us"]["cart:active"]
	s.look()
	if problem := wantText("the same in every region")(s); problem != "" {
		t.Error(problem)
	}
}

// TestNoTerminalNamesTheCommands that work without one.
func TestNoTerminal(t *testing.T) {
	err := Run(t.Context(), Options{In: strings.NewReader(""), Out: &strings.Builder{}, Regions: []string{"us"}})
	if fail.CodeOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), "geokv tail") || !strings.Contains(fail.HintOf(err), "geokv status") {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
}

// TestKeysThatComeTogether are keys all the same.
func TestKeysThatComeTogether(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.traffic()
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("kkk")})
	if s.events.cursor != 16 {
		t.Errorf("cursor %d after kkk, want 16", s.events.cursor)
	}
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(":incr k")})
	if p, ok := s.overlays[0].(*commandLine); !ok || p.input.Value() != "incr k" {
		t.Error("what is typed after : is not in the palette")
	}
}

// Each Redis gives the members of a large set in an order of its own, so two
// parts of one set are no difference; two sizes are.
func TestPartsOfASetAreNotCompared(t *testing.T) {
	page := func(total int64, members ...string) api.KeyPage {
		p := api.KeyPage{Total: total, Next: "more", View: crdt.View{Key: []byte("k"), Value: crdt.Value{Type: crdt.Set}}}
		for _, m := range members {
			p.View.Members = append(p.View.Members, []byte(m))
		}
		return p
	}
	a, b, c := newKeyValue(page(5, "a", "b"), false), newKeyValue(page(5, "c", "d"), false), newKeyValue(page(6, "a", "b"), false)
	if got := judge([]keyValue{a, b}, nil, nil); got != same {
		t.Errorf("two parts: %v", got)
	}
	if got := judge([]keyValue{a, c}, nil, nil); got != pending {
		t.Errorf("two sizes: %v", got)
	}
	whole := newKeyValue(page(2, "a", "b"), true)
	if got := judge([]keyValue{whole, newKeyValue(page(2, "a", "c"), true)}, nil, nil); got != pending {
		t.Errorf("two whole sets: %v", got)
	}
}

// TestWhatHurtsAsksFirst: a cut of a region or of a link and a stop ask, by key
// and by name alike, and no means no. What mends does not ask.
func TestWhatHurtsAsksFirst(t *testing.T) {
	for _, hurt := range []struct {
		name  string
		ask   func(s *screen)
		calls []string
		done  string
	}{
		{"key on a link", func(s *screen) { s.press("3", "c") }, []string{"cut us->eu"}, "us→eu is cut"},
		{"a link by name", func(s *screen) { s.press(":"); s.typeText("cut us ap"); s.press("enter") }, []string{"cut us->ap"}, "us→ap is cut"},
		{"key on a region", func(s *screen) { s.press("1", "c") }, []string{"cut us->eu", "cut us->ap", "cut eu->us", "cut ap->us"}, "us is cut off"},
		{"key that stops", func(s *screen) { s.press("1", "x") }, []string{"stop us"}, "us is stopped"},
	} {
		s := newScreen(t, 120, 40)
		hurt.ask(s)
		s.press("n")
		if problem := both(wantCalls(), wantText("nothing was done"))(s); problem != "" {
			t.Errorf("%s, n: %s", hurt.name, problem)
		}
		hurt.ask(s)
		s.press("y")
		if problem := both(wantCalls(hurt.calls...), wantText(hurt.done))(s); problem != "" {
			t.Errorf("%s, y: %s", hurt.name, problem)
		}
	}
}

// TestTheFormBeginsEmpty but for region and operation of the last write, so that
// Esc w is the next one and nothing is typed onto the one before; from a key it
// has the key, from the region panes the region.
func TestTheFormBeginsEmpty(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.press("w", "shift+tab", "shift+tab", "right", "tab")
	s.typeText("sss") // from incr over sadd and srem to set
	s.press("tab")
	s.typeText("user:1")
	s.press("tab")
	s.typeText("alice")
	s.press("enter", "esc", "w")
	s.typeText("user:2")
	s.press("tab")
	s.typeText("bob")
	s.press("enter")
	if problem := wantCalls("produce eu SET user:1 alice", "produce eu SET user:2 bob")(s); problem != "" {
		t.Error(problem)
	}
	s.press("esc")
	inspect(s, "huge")
	s.press("w")
	if f := s.form; f.key.Value() != "huge" || f.args.Value() != "" || f.at != fieldArgs || f.region != 1 {
		t.Errorf("from the key huge: key %q, arguments %q, field %d, region %d", f.key.Value(), f.args.Value(), f.at, f.region)
	}
	s.overlays = nil
	s.press("1", "right", "right", "w")
	if f := s.form; f.key.Value()+f.args.Value() != "" || f.at != fieldKey || f.region != 2 {
		t.Errorf("from the pane of ap: key %q, arguments %q, field %d, region %d", f.key.Value(), f.args.Value(), f.at, f.region)
	}
}

// TestSuspend is refused where the cluster would stop too, works on a screen that
// is too small, and brings the mouse back as it was.
func TestSuspend(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.title = Embedded
	s.press("ctrl+z")
	if problem := wantText("would stop the cluster too")(s); problem != "" || s.stops != 0 {
		t.Errorf("embedded: stopped %d times; %s", s.stops, problem)
	}
	s.title = Attached
	s.send(windowSize(10, 3))
	s.press("ctrl+z")
	if s.stops != 1 {
		t.Errorf("attached: stopped %d times, want 1", s.stops)
	}
	s.send(windowSize(120, 40))
	if s.send(resumedMsg{}) == nil {
		t.Error("the mouse stays off")
	}
	s.press("m")
	if s.send(resumedMsg{err: errors.New("no shell")}) != nil {
		t.Error("the mouse comes on")
	}
	if problem := wantText("no shell")(s); problem != "" {
		t.Error(problem)
	}
}
