package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/event"
)

// keyCase is what one binding must do: open brings its scope about, want
// describes the effect after the key.
type keyCase struct {
	open func(s *screen)
	want func(s *screen) string // "" when the effect is there
}

func opened(keys ...string) func(*screen) {
	return func(s *screen) { s.traffic(); s.press(keys...) }
}

// wantCalls expects questions to the cluster.
func wantCalls(calls ...string) func(*screen) string {
	return func(s *screen) string {
		if len(calls) > 0 && strings.HasPrefix(calls[0], "key ") {
			slices.Sort(calls)
		}
		if got := s.fake.take(); !slices.Equal(got, calls) {
			return fmt.Sprintf("asked the cluster %q, want %q", got, calls)
		}
		return ""
	}
}

func wantThat(holds func(s *screen) bool) func(*screen) string {
	return func(s *screen) string {
		if !holds(s) {
			return "no effect"
		}
		return ""
	}
}

func wantScope(want scope) func(*screen) string {
	return func(s *screen) string {
		if got := s.scope(); got != want {
			return fmt.Sprintf("in scope %q, want %q", got, want)
		}
		return ""
	}
}

func wantText(parts ...string) func(*screen) string {
	return func(s *screen) string {
		text := s.draw()
		for _, p := range parts {
			if !strings.Contains(text, p) {
				return fmt.Sprintf("%q is not on screen:\n%s", p, text)
			}
		}
		return ""
	}
}

func both(checks ...func(*screen) string) func(*screen) string {
	return func(s *screen) string {
		for _, check := range checks {
			if problem := check(s); problem != "" {
				return problem
			}
		}
		return ""
	}
}

// keyCases has a case for every line of the keymap; TestEveryBinding fails for a
// line without one.
func keyCases() map[scope]map[action]keyCase {
	confirmStop := opened("1", "x")
	huge := func(s *screen) { inspect(s, "huge"); s.fake.take() }
	form := func(s *screen) { s.press("w"); s.typeText("sales:total"); s.fake.take() }
	long := func(s *screen) {
		s.observe(everywhere(written("us", 0, 1, event.Set{Value: make([]byte, 600)}, "long"), s.c.regions, event.Applied)...)
		s.press("enter")
	}
	quits := keyCase{nil, wantThat(func(s *screen) bool { return s.quit })}
	cases := map[scope]map[action]keyCase{
		scopeGlobal: {
			actQuit:      quits,
			actHelp:      {opened(), both(wantScope(scopeHelp), wantText("superseded", "events"))},
			actPalette:   {opened(), both(wantScope(scopePalette), wantText("commands", "inspect"))},
			actNextPane:  {opened("2"), wantScope(scopeMirrors)},
			actPrevPane:  {opened("2"), wantScope(scopeRegions)},
			actRegions:   {opened("2"), wantScope(scopeRegions)},
			actEvents:    {opened("1"), wantScope(scopeEvents)},
			actMirrors:   {opened(), wantScope(scopeMirrors)},
			actSim:       {opened(), wantScope(scopeSim)},
			actZoom:      {opened("3"), wantThat(func(s *screen) bool { return s.layout.mirrors.w == 120 && s.layout.events.w == 0 })},
			actWrite:     {opened(), both(wantScope(scopeForm), wantText("arguments"))},
			actInspect:   {opened("up", "up"), wantScope(scopeInspector)},
			actFilter:    {opened(), both(wantScope(scopeInput), wantText("slow:>100ms"))},
			actPause:     {opened(), wantThat(func(s *screen) bool { return s.events.frozen && s.events.manual })},
			actCopy:      {opened(), both(wantScope(scopeCommand), wantText("geokv tail"), wantThat(func(s *screen) bool { return s.copied == "geokv tail" }))},
			actSimToggle: {opened(), wantCalls("sim start 20")},
			actFaster:    {opened("s"), wantCalls("sim start 20", "sim rate 50")},
			actSlower:    {opened("s"), wantCalls("sim start 20", "sim rate 10")},
			actMouse:     {opened(), both(wantText("mouse off"), wantThat(func(s *screen) bool { return !s.mouse }))},
			actTheme:     {opened(), wantThat(func(s *screen) bool { return s.c.theme == ThemeLight })},
			actBack: {func(s *screen) { s.traffic(); s.press("/"); s.typeText("absent"); s.press("enter") },
				wantThat(func(s *screen) bool { return !s.events.filterSet && len(s.events.shown) > 0 })},
		},
		scopeRegions: {
			actUp:    {opened("1", "down", "down"), wantThat(func(s *screen) bool { return s.regions.key == 1 })},
			actDown:  {opened("1"), wantThat(func(s *screen) bool { return s.regions.key == 1 })},
			actLeft:  {opened("1", "right", "right"), wantThat(func(s *screen) bool { return s.regions.selectedRegion() == "eu" })},
			actRight: {opened("1"), wantThat(func(s *screen) bool { return s.regions.selectedRegion() == "eu" })},
			actOpen:  {opened("1"), both(wantScope(scopeInspector), wantText("key cart:active"))},
			actCut:   {opened("1", "right"), both(wantScope(scopeConfirm), wantText("cut eu off?"))},
			actHeal:  {opened("1", "right"), both(wantCalls("heal us->eu", "heal eu->us", "heal eu->ap", "heal ap->eu"), wantText("eu is linked again"))},
			actStop:  {opened("1"), both(wantScope(scopeConfirm), wantText("stop us?"))},
			actStart: {opened("1"), both(wantCalls("start us"), wantText("us runs"))},
		},
		scopeEvents: {
			actUp:       {opened(), wantThat(func(s *screen) bool { return s.events.cursor == 18 && s.events.frozen && !s.events.manual })},
			actDown:     {opened("up", "up", "up"), wantThat(func(s *screen) bool { return s.events.cursor == 17 })},
			actPageUp:   {opened(), wantThat(func(s *screen) bool { return s.events.cursor == max(19-s.events.lines(), 0) && s.events.frozen })},
			actPageDown: {opened("home"), wantThat(func(s *screen) bool { return s.events.cursor == min(s.events.lines(), 19) })},
			actFirst:    {opened(), wantThat(func(s *screen) bool { return s.events.cursor == 0 && s.events.frozen })},
			actLast:     {opened("home"), wantThat(func(s *screen) bool { return s.events.cursor == 19 && !s.events.frozen })},
			actOpen:     {opened(), both(wantScope(scopeDetail), wantText("lane 3.1795400000000000"))},
			actFind:     {opened(), both(wantScope(scopeInput), wantText("find"))},
			actNextHit:  {findSales("home"), wantThat(func(s *screen) bool { return s.events.cursor == 3 })},
			actPrevHit:  {findSales(), wantThat(func(s *screen) bool { return s.events.shown[s.events.cursor].key == "sales:total" && s.events.frozen })},
		},
		scopeMirrors: {
			actUp:      {opened("3", "down", "down"), wantThat(func(s *screen) bool { return s.mirrors.cursor == 1 })},
			actDown:    {opened("3"), wantThat(func(s *screen) bool { return s.mirrors.cursor == 1 })},
			actCut:     {opened("3", "down"), both(wantScope(scopeConfirm), wantText("cut us→ap?"), wantCalls())},
			actHeal:    {opened("3", "c", "y"), both(wantCalls("cut us->eu", "heal us->eu"), wantText("us→eu is up"))},
			actHealAll: {opened("3"), wantCalls(healAll("us", "eu", "ap")...)},
			actDelay:   {opened("3", "d"), both(wantCalls("delay us->eu 100ms", "delay us->eu 500ms"), wantText("+500ms"))},
		},
		scopeSim: {
			actOpen: {opened("4"), wantCalls("sim start 20")},
			actUp:   {opened("4", "enter"), wantCalls("sim start 20", "sim rate 50")},
			actDown: {opened("4", "enter"), wantCalls("sim start 20", "sim rate 10")},
		},
		scopeInput: {
			actOpen: {func(s *screen) { s.traffic(); s.press("/"); s.typeText("op:=SET") }, both(wantScope(scopeEvents), wantThat(func(s *screen) bool { return len(s.events.shown) == 6 }))},
			actBack: {func(s *screen) { s.traffic(); s.press("/"); s.typeText("op:=SET") }, both(wantScope(scopeEvents), wantThat(func(s *screen) bool { return len(s.events.shown) == 20 }))},
			actQuit: withOpen(quits, opened("/")),
		},
		scopeDetail: {
			actUp:       {both2(long, pressing("down", "down")), wantScroll(1, func(s *screen) int { return s.overlays[0].(*detail).top })},
			actDown:     {long, wantScroll(1, func(s *screen) int { return s.overlays[0].(*detail).top })},
			actPageUp:   {both2(long, pressing("pgdown")), wantScroll(0, func(s *screen) int { return s.overlays[0].(*detail).top })},
			actPageDown: {long, wantThat(func(s *screen) bool { return s.overlays[0].(*detail).top > 1 })},
			actLeft:     {opened("enter"), wantText("event ? from-the-future")},
			actRight:    {opened("up", "up", "enter"), wantText("event ? from-the-future")},
			actInspect:  {opened("enter"), both(wantScope(scopeInspector), wantText("key inventory:lastSeen"))},
			actCopy:     {opened("enter"), both(wantText("geokv produce set inventory:lastSeen 'only there' --region ap"), wantScope(scopeCommand))},
			actBack:     {opened("enter"), wantScope(scopeEvents)},
			actQuit:     withOpen(quits, opened("enter")),
		},
		scopeInspector: {
			actUp:       {both2(huge, pressing("down", "down")), wantScroll(1, func(s *screen) int { return s.inspector().top })},
			actDown:     {huge, wantScroll(1, func(s *screen) int { return s.inspector().top })},
			actPageUp:   {both2(huge, pressing("pgdown")), wantScroll(0, func(s *screen) int { return s.inspector().top })},
			actPageDown: {huge, wantThat(func(s *screen) bool { return s.inspector().top > 1 })},
			actLeft:     {func(s *screen) { huge(s); s.send(windowSize(70, 24)); s.draw(); s.press("right"); s.draw() }, wantThat(func(s *screen) bool { return s.inspector().from == 0 })},
			actRight:    {func(s *screen) { huge(s); s.send(windowSize(70, 24)); s.draw() }, wantThat(func(s *screen) bool { return s.inspector().from == 1 })},
			actMore:     {huge, both(wantCalls(`key us huge "200"`, `key eu huge "200"`, `key ap huge "200"`), wantText("member-00200", "page 2"))},
			actLess:     {both2(huge, pressing("]")), wantThat(func(s *screen) bool { return s.inspector().page == 0 })},
			actOtherKey: {huge, wantScope(scopeInput)},
			actWrite:    {huge, both(wantScope(scopeForm), wantThat(func(s *screen) bool { return s.form.key.Value() == "huge" }))},
			actRefresh:  {huge, wantCalls(`key us huge ""`, `key eu huge ""`, `key ap huge ""`)},
			actCopy:     {huge, wantText("geokv get --region all huge")},
			actBack:     {huge, wantScope(scopeEvents)},
			actQuit:     withOpen(quits, huge),
		},
		scopeForm: {
			actNext:  {form, wantThat(func(s *screen) bool { return s.form.at == fieldArgs })},
			actPrev:  {form, wantThat(func(s *screen) bool { return s.form.at == fieldOp })},
			actLeft:  {both2(form, pressing("shift+tab", "shift+tab", "right")), wantThat(func(s *screen) bool { return s.form.region == 0 })},
			actRight: {both2(form, pressing("shift+tab", "shift+tab")), wantThat(func(s *screen) bool { return s.form.region == 1 })},
			actSend:  {form, both(wantCalls("produce us INCR sales:total 1"), wantText("durable", "us.events/5 offset 7", "us/5/3.1795400000000000/8"))},
			actPlan:  {form, both(wantCalls("plan us INCR sales:total 1"), wantText("dry run", "nothing was written"))},
			actCopy:  {form, wantThat(func(s *screen) bool { return s.copied == "geokv produce incr sales:total 1 --region us" })},
			actBack:  {form, wantScope(scopeEvents)},
			actQuit:  withOpen(quits, form),
		},
		scopePalette: {
			actUp:       {opened(":", "down", "down"), wantThat(func(s *screen) bool { return s.overlays[0].(*commandLine).at == 1 })},
			actDown:     {opened(":"), wantThat(func(s *screen) bool { return s.overlays[0].(*commandLine).at == 1 })},
			actComplete: {func(s *screen) { s.press(":"); s.typeText("insp") }, wantThat(func(s *screen) bool { return s.overlays[0].(*commandLine).input.Value() == "inspect " })},
			actOpen:     {func(s *screen) { s.press(":"); s.typeText("heal us ap") }, both(wantCalls("heal us->ap"), wantScope(scopeEvents))},
			actBack:     {opened(":"), wantScope(scopeEvents)},
			actQuit:     withOpen(quits, opened(":")),
		},
		scopeConfirm: {
			actYes:  {confirmStop, both(wantCalls("stop us"), wantText("us is stopped"), wantScope(scopeRegions))},
			actNo:   {confirmStop, both(wantCalls(), wantScope(scopeRegions))},
			actQuit: withOpen(quits, confirmStop),
		},
		scopeHelp: {
			actUp:       {both2(opened("?"), pressing("down", "down")), wantScroll(1, func(s *screen) int { return s.overlays[0].(*help).top })},
			actDown:     {opened("?"), wantScroll(1, func(s *screen) int { return s.overlays[0].(*help).top })},
			actPageUp:   {both2(opened("?"), pressing("pgdown")), wantScroll(0, func(s *screen) int { return s.overlays[0].(*help).top })},
			actPageDown: {opened("?"), wantThat(func(s *screen) bool { return s.overlays[0].(*help).top > 1 })},
			actBack:     {opened("?"), wantScope(scopeEvents)},
			actQuit:     withOpen(quits, opened("?")),
		},
		scopeCommand: {
			actBack: {opened("y"), wantScope(scopeEvents)},
			actQuit: withOpen(quits, opened("y")),
		},
	}
	suspends := keyCase{nil, wantThat(func(s *screen) bool { return s.stops == 1 })}
	for _, actions := range cases {
		if quit, ends := actions[actQuit]; ends { // wherever one key works the other does
			actions[actSuspend] = withOpen(suspends, quit.open)
		}
	}
	return cases
}

func withOpen(k keyCase, open func(*screen)) keyCase { return keyCase{open, k.want} }

func both2(a, b func(*screen)) func(*screen) {
	return func(s *screen) { a(s); s.draw(); b(s); s.fake.take() }
}

func pressing(keys ...string) func(*screen) {
	return func(s *screen) {
		for _, k := range keys {
			s.press(k)
			s.draw()
		}
	}
}

func wantScroll(want int, top func(*screen) int) func(*screen) string {
	return func(s *screen) string {
		if got := top(s); got != want {
			return fmt.Sprintf("scrolled to %d, want %d", got, want)
		}
		return ""
	}
}

func findSales(keys ...string) func(*screen) {
	return func(s *screen) {
		s.traffic()
		s.press("f")
		s.typeText("key:sales")
		s.press("enter")
		s.press(keys...)
	}
}

func healAll(regions ...string) (calls []string) {
	for _, a := range regions {
		for _, b := range regions {
			if a != b {
				calls = append(calls, "heal "+a+"->"+b, "delay "+a+"->"+b+" 0s")
			}
		}
	}
	return calls
}
