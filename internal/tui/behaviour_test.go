package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

// TestFeedDropsTheOldestAndCounts: the stream is never held up.
func TestFeedDropsTheOldestAndCounts(t *testing.T) {
	f := newFeed(10)
	for n := range int64(25) {
		f.push(News{Observations: []api.Observation{seenIn(one(n), "us", 1)}})
	}
	f.push(News{Lost: 3})
	n := f.take()
	if len(n.observations) != 10 || n.dropped != 15 || n.lost != 3 || n.observations[9].Event.Seq != 25 {
		t.Errorf("%d waiting, %d dropped, %d lost", len(n.observations), n.dropped, n.lost)
	}
	if n := f.take(); len(n.observations) != 0 || n.dropped != 0 {
		t.Error("news is delivered twice")
	}
}

// TestFeedPacesDeliveries: however much comes, the program gets at most one
// message per interval, with everything in it.
func TestFeedPacesDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := newFeed(feedLimit)
		go func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				f.push(News{Observations: []api.Observation{seenIn(one(n), "us", 1)}})
				time.Sleep(500 * time.Microsecond)
			}
		}()
		began, messages, observations := time.Now(), 0, 0
		for time.Since(began) < 10*time.Second {
			m := f.next(ctx)().(feedMsg)
			messages++
			observations += len(m.observations)
		}
		stop()
		if limit := int(10*time.Second/feedInterval) + 1; messages > limit || observations < 19_500 {
			t.Errorf("%d messages with %d observations, want at most %d messages with all 20000", messages, observations, limit)
		}
		time.Sleep(time.Millisecond) // in virtual time: the producer ends
	})
}

// TestFeedAsksAgain: a source that refuses is asked again, and it is said.
func TestFeedAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := newFeed(10)
		source := &refusing{}
		ended := make(chan struct{})
		go func() { f.run(ctx, source); close(ended) }()
		time.Sleep(5 * time.Second)
		if n := f.take(); source.asked < 2 || n.connected || n.down == nil || !n.fresh {
			t.Errorf("asked %d times, down %v", source.asked, n.down)
		}
		stop()
		<-ended
	})
}

type refusing struct{ asked int }

func (r *refusing) Follow(context.Context, int, func(News) error) error {
	r.asked++
	return errors.New("no")
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

// TestMouse: the wheel scrolls what is under it, a click selects, a click beside
// an overlay closes it, and m gives the mouse back.
func TestMouse(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.traffic()
	s.draw()
	wheelUp := func(x, y int) {
		s.send(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonWheelUp, Action: tea.MouseActionPress})
	}
	click := func(x, y int) {
		s.send(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
	r := s.layout.events
	wheelUp(r.x+5, r.y+5)
	if s.events.cursor != 19-wheelLines || !s.events.frozen {
		t.Errorf("wheel: cursor %d", s.events.cursor)
	}
	s.press("home")
	click(r.x+5, r.y+2+4)
	if s.events.cursor != 4 {
		t.Errorf("click: cursor %d, want 4", s.events.cursor)
	}
	m := s.layout.mirrors
	click(m.x+3, m.y+2+2)
	if s.focus != scopeMirrors || s.mirrors.cursor != 2 {
		t.Errorf("click on a link: focus %s cursor %d", s.focus, s.mirrors.cursor)
	}
	lines := strings.Split(s.draw(), "\n")
	for y, line := range lines {
		if strings.Contains(line, "orders:feed") && y < r.y {
			click(70, y)
			break
		}
	}
	if s.focus != scopeRegions || s.regions.selectedRegion() != "eu" || string(s.regions.selectedKey()) != "orders:feed" {
		t.Errorf("click on a key: %s in %s", s.regions.selectedKey(), s.regions.selectedRegion())
	}
	s.press("?")
	click(0, 0)
	if s.scope() == scopeHelp {
		t.Error("a click beside the help does not close it")
	}
	s.press("m")
	click(m.x+3, m.y+3)
	if s.focus != scopeRegions {
		t.Error("the mouse works though it is off")
	}
}

func TestMouseOnTheTable(t *testing.T) {
	s := newScreen(t, 80, 24, tenRegions...)
	s.draw()
	s.send(tea.MouseMsg{X: 5, Y: 5, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	if s.regions.region != 2 {
		t.Errorf("click: region %d, want 2", s.regions.region)
	}
}

func TestMillisFitFiveCells(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "0ms", 7: "7ms", 999: "999ms", 1000: "1.0s", 1249: "1.2s", 9949: "9.9s", 12_345: "12s", 99_000: "99s", 120_000: "2m", 3_600_000: "60m",
		100 * 3_600_000: "4d", 1 << 50: "999d", -3: "-3ms", -480: "-0.5s", -5000: "-5.0s", -1 << 40: "-999d",
	} {
		if got := millis(ms); got != want || len(got) > 5 {
			t.Errorf("millis(%d) = %q, want %q", ms, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 12345: "12,345"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestRatesCountWhereThingsHappened: by the time of the observation, not of its
// delivery.
func TestRates(t *testing.T) {
	s := newScreen(t, 120, 40)
	for i := range int64(30) {
		e := written("us", 0, 7000+i*100, event.Incr{Delta: 1}, "k") // the last three seconds
		s.observe(seenIn(e, "us", 0), seenIn(e, "eu", 0), appliedIn(e, "eu", 0, event.Applied))
	}
	now := s.c.wall().Unix()
	if got := s.rates.events.rate(now); got != 10 {
		t.Errorf("event rate %g, want 10", got)
	}
	if got := s.rates.flows[0*3+1].rate(now); got != 10 {
		t.Errorf("rate us->eu %g, want 10", got)
	}
	if got := s.rates.flows[0*3+2].rate(now); got != 0 {
		t.Errorf("rate us->ap %g, want 0", got)
	}
	if _, known := s.rates.delay(0*3+1, now); !known {
		t.Error("the delay us->eu is not known")
	}
	if _, known := s.rates.delay(0*3+1, now+120); known {
		t.Error("a delay of two minutes ago is shown as if it were of now")
	}
}

// TestNoTerminalNamesTheCommands that work without one.
func TestNoTerminal(t *testing.T) {
	err := Run(t.Context(), Options{In: strings.NewReader(""), Out: &strings.Builder{}, Regions: []string{"us"}})
	if fail.CodeOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), "geokv tail") || !strings.Contains(fail.HintOf(err), "geokv status") {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
}

func TestCommandsForKeysAndOperations(t *testing.T) {
	for want, op := range map[string]event.Operation{
		"geokv produce incr k -5 --region eu":              {Region: "eu", Key: []byte("k"), Args: event.Incr{Delta: -5}},
		"geokv produce --region eu -- set -k v":            {Region: "eu", Key: []byte("-k"), Args: event.Set{Value: []byte("v")}},
		`geokv produce set $'\x00' 'a b' PX 5 --region us`: {Region: "us", Key: []byte{0}, Args: event.Set{Value: []byte("a b")}, TTLMS: 5},
	} {
		if got := produceCommand(op); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
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

// The request that y offers for a link is one that the API takes: it wants JSON
// and says so with 415 otherwise.
func TestTheRequestForALinkIsComplete(t *testing.T) {
	s := newScreenWith(t, 120, 40, Options{Regions: []string{"us", "eu", "ap"}, NoColor: true, Theme: ThemeDark, Token: "$(cat /d/token)"})
	s.press("3")
	words, err := event.SplitWords(s.equivalent())
	if err != nil {
		t.Fatal(err)
	}
	var action api.LinkAction
	if err := json.Unmarshal([]byte(words[slices.Index(words, "-d")+1]), &action); err != nil || action.Action != api.ActionCut {
		t.Errorf("body %+v, error %v", action, err)
	}
	for _, want := range []string{"Authorization: Bearer $(cat /d/token)", "Content-Type: application/json", "http://" + s.address() + "/api/lab/links/us/eu"} {
		if !slices.Contains(words, want) {
			t.Errorf("%q lacks %q", words, want)
		}
	}
}

// A command line that y offers finds the cluster that is on the screen.
func TestCommandLinesFindThisCluster(t *testing.T) {
	s := newScreenWith(t, 120, 40, Options{Regions: []string{"us", "eu", "ap"}, NoColor: true, Theme: ThemeDark, Program: "geokv --data /d"})
	s.press("2", "y")
	if s.copied != "geokv --data /d tail" {
		t.Errorf("copied %q", s.copied)
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

// TestTheSimulatorsCommandIsItsKey: y offers what the key would do, before the
// first run of a server too, which then takes a rate of its own.
func TestTheSimulatorsCommandIsItsKey(t *testing.T) {
	for want, sim := range map[string]api.Sim{
		"geokv sim start":           {},
		"geokv sim start --rate 50": {Rate: 50},
		"geokv sim stop":            {Rate: 50, Running: true},
	} {
		s := newScreen(t, 120, 40)
		s.fake.sim = sim
		s.look()
		s.press("4", "y", "esc", "s")
		call := fmt.Sprintf("sim start %g", sim.Rate)
		if sim.Running {
			call = "sim stop"
		}
		if problem := wantCalls(call)(s); problem != "" || s.copied != want {
			t.Errorf("y offers %q, want %q; the key: %s", s.copied, want, problem)
		}
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
