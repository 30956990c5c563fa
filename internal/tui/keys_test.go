package tui

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

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

// TestEveryBinding presses every key of the keymap where it means something and
// looks for its effect. A binding without a case fails.
func TestEveryBinding(t *testing.T) {
	cases := keyCases()
	for _, b := range keymap() {
		k, tested := cases[b.scope][b.action]
		if !tested {
			t.Errorf("%s: %s (%v) has no test", b.scope, b.action, b.keys)
			continue
		}
		for _, key := range b.keys {
			t.Run(fmt.Sprintf("%s/%s/%s", b.scope, b.action, keyName(key, true)), func(t *testing.T) {
				s := newScreen(t, 120, 40)
				if k.open != nil {
					k.open(s)
				}
				if !scopeHolds(s, b) {
					t.Fatalf("the test opens scope %q, the binding is of %q", s.scope(), b.scope)
				}
				s.draw()
				s.press(key)
				if problem := k.want(s); problem != "" {
					t.Error(problem)
				}
				if !s.quit {
					s.draw()
				}
			})
		}
	}
}

func scopeHolds(s *screen, b binding) bool {
	return s.scope() == b.scope || b.scope == scopeGlobal && !s.scope().modal()
}

// TestNoKeyMeansTwoThings: within a scope a key has one meaning, and a pane
// does not hide a key of everywhere but on purpose.
func TestNoKeyMeansTwoThings(t *testing.T) {
	taken := map[scope]map[string]action{}
	for _, b := range keymap() {
		if taken[b.scope] == nil {
			taken[b.scope] = map[string]action{}
		}
		for _, k := range b.keys {
			if other, twice := taken[b.scope][k]; twice {
				t.Errorf("%s: %q means %s and %s", b.scope, k, other, b.action)
			}
			taken[b.scope][k] = b.action
		}
	}
	for s, keys := range taken {
		if s.modal() || s == scopeGlobal {
			continue
		}
		for k, a := range keys {
			if other, hidden := taken[scopeGlobal][k]; hidden {
				t.Errorf("%s: %q means %s and hides %s", s, k, a, other)
			}
		}
	}
}

// TestEveryBindingIsDocumented holds help and docs/tui.md to the keymap.
func TestEveryBindingIsDocumented(t *testing.T) {
	s := newScreen(t, 120, 40)
	h := &help{c: s.c, first: scopeEvents}
	h.SetSize(120, 40)
	shown := strings.Join(h.lines(84), "\n")
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if flag.Lookup("update").Value.String() == "true" {
		text = writeKeys(t, string(text))
	}
	for _, b := range keymap() {
		if b.help == "" || !strings.Contains(shown, b.help) {
			t.Errorf("help lacks %s: %q", b.scope, b.help)
		}
		if row := docRow(b); !strings.Contains(string(text), row) {
			t.Errorf("docs/tui.md lacks the row\n%s", row)
		}
	}
}

const document = "../../docs/tui.md"

// writeKeys puts the keymap between its marks in the document.
func writeKeys(t *testing.T, text string) []byte {
	before, rest, ok1 := strings.Cut(text, "<!-- keys -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- /keys -->")
	if !ok1 || !ok2 {
		t.Fatalf("%s has no marks for the keys", document)
	}
	var rows strings.Builder
	rows.WriteString("| where | keys | what |\n|---|---|---|\n")
	for _, b := range keymap() {
		rows.WriteString(docRow(b) + "\n")
	}
	text = before + "<!-- keys -->\n" + rows.String() + "<!-- /keys -->" + after
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

// docRow is a binding's row in the table of docs/tui.md.
func docRow(b binding) string {
	names := make([]string, len(b.keys))
	for i, k := range b.keys {
		names[i] = "`" + keyName(k, false) + "`"
	}
	return fmt.Sprintf("| %s | %s | %s |", b.scope, strings.Join(names, " "), b.help)
}

// TestUnboundKeysDoNothing presses what no binding has.
func TestUnboundKeysDoNothing(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.traffic()
	before := s.draw()
	for _, k := range []string{"ctrl+a", "Q", "9", "f5", "ctrl+x", "~", "é"} {
		s.press(k)
	}
	if after := s.draw(); after != before {
		t.Error("a key without a binding changed the screen")
	}
	if calls := s.fake.take(); len(calls) > 0 {
		t.Errorf("a key without a binding asked the cluster: %q", calls)
	}
}

// TestPastedTextIsText: a paste is never taken for keys.
func TestPastedTextIsText(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.press("w")
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("esc"), Paste: true})
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("a\x1b[2J\nb"), Paste: true})
	if s.scope() != scopeForm {
		t.Fatalf("a paste left the form")
	}
	s.draw()
	s.press("esc")
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("x"), Paste: true})
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q"), Paste: true})
	if s.quit || len(s.fake.take()) > 0 {
		t.Error("a paste into a pane acted as keys")
	}
}

// TestPaletteCommands runs each command of the palette.
func TestPaletteCommands(t *testing.T) {
	for line, want := range map[string]func(*screen) string{
		"write eu":           both(wantScope(scopeForm), wantThat(func(s *screen) bool { return s.form.region == 1 })),
		"inspect k":          wantCalls(`key us k ""`, `key eu k ""`, `key ap k ""`),
		"inspect":            wantScope(scopeInput),
		"filter key:sales":   wantThat(func(s *screen) bool { return len(s.events.shown) == 2 }),
		"find key:sales":     wantThat(func(s *screen) bool { return s.events.findSet && len(s.events.shown) == 20 }),
		"pause":              wantThat(func(s *screen) bool { return s.events.frozen }),
		"sim":                wantCalls("sim start 20"),
		"sim 50":             wantCalls("sim start 50"),
		"sim stop":           both(wantCalls(), wantText("does not run")),
		"cut ap":             both(wantScope(scopeConfirm), wantText("cut ap off?")),
		"cut us ap":          both(wantScope(scopeConfirm), wantText("cut us→ap?"), wantCalls()),
		"heal":               wantCalls(healAll("us", "eu", "ap")...),
		"heal ap":            wantCalls("heal us->ap", "heal eu->ap", "heal ap->us", "heal ap->eu"),
		"heal us ap":         wantCalls("heal us->ap"),
		"delay us ap 300ms":  wantCalls("delay us->ap 300ms"),
		"delay us ap 0":      wantCalls("delay us->ap 0s"),
		"stop ap":            both(wantScope(scopeConfirm), wantText("stop ap?")),
		"start ap":           wantCalls("start ap"),
		"theme contrast":     wantThat(func(s *screen) bool { return s.c.theme == ThemeContrast }),
		"mouse":              wantThat(func(s *screen) bool { return !s.mouse }),
		"zoom":               wantThat(func(s *screen) bool { return s.zoomed }),
		"command":            wantScope(scopeCommand),
		"help":               wantScope(scopeHelp),
		"suspend":            wantThat(func(s *screen) bool { return s.stops == 1 }),
		"quit":               wantThat(func(s *screen) bool { return s.quit }),
		"set k 'v w' px 500": both(wantCalls("produce us SET k v w PX 500"), wantScope(scopeForm), wantText("durable")),
		"cut mars":           both(wantScope(scopePalette), wantText("no region mars")),
		"cut us us":          both(wantScope(scopePalette), wantText("joins two regions")),
		"cut":                both(wantScope(scopePalette), wantText("usage: cut")),
		"delay us ap":        both(wantScope(scopePalette), wantText("usage: delay")),
		"sim fast":           both(wantScope(scopePalette), wantText("usage: sim")),
		"theme pink":         both(wantScope(scopePalette), wantText("want auto, dark, light or contrast")),
		"filter slow:x":      both(wantScope(scopePalette), wantText("want slow:")),
		"incr k ten":         both(wantScope(scopePalette), wantText("not an integer")),
		"nonsense":           both(wantScope(scopePalette), wantText("is not an operation")),
		"set 'open":          both(wantScope(scopePalette), wantText("is not closed")),
	} {
		t.Run(line, func(t *testing.T) {
			s := newScreen(t, 120, 40)
			s.traffic()
			s.press(":")
			s.typeText(line)
			s.press("enter")
			if problem := want(s); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// TestEveryOperationCanBeWritten fills the form in for each operation.
func TestEveryOperationCanBeWritten(t *testing.T) {
	args := map[event.Op][2]string{
		event.OpSet: {"'a b' ex 5", "a b PX 5000"}, event.OpDel: {"", ""}, event.OpIncr: {"-5", "-5"},
		event.OpSAdd: {"ann bob", "ann bob"}, event.OpSRem: {"ann", "ann"}, event.OpZAdd: {"10 ann", "10 ann"}, event.OpZRem: {"ann", "ann"},
		event.OpHSet: {"f v", "f v"}, event.OpHDel: {"f", "f"}, event.OpXAdd: {"sku laptop", "* sku laptop"},
		event.OpXDel: {"17-1", "17-1"}, event.OpXTrim: {"17", "MINID 17-0"},
	}
	for i, op := range event.Ops() {
		t.Run(string(op), func(t *testing.T) {
			s := newScreen(t, 100, 30)
			s.press("w")
			s.form.op, s.form.region = i, 1
			s.typeText("the key")
			s.press("tab")
			s.typeText(args[op][0])
			s.draw()
			s.press("enter")
			want := strings.TrimSpace("produce eu " + string(op) + " the key " + args[op][1])
			if problem := wantCalls(want)(s); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// TestWhatIsNotValidIsNotSent: the form asks the cluster nothing before the
// operation is right.
func TestWhatIsNotValidIsNotSent(t *testing.T) {
	s := newScreen(t, 100, 30)
	s.press("w")
	for _, key := range []string{"", "geokv:mine", "k:meta"} {
		s.form.key.set(key)
		s.press("enter", "ctrl+t")
	}
	s.form.key.set("k")
	s.form.args.set("ten")
	s.press("enter")
	if problem := both(wantCalls(), wantText("not an integer"))(s); problem != "" {
		t.Error(problem)
	}
}
