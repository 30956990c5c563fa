package tui

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/event"
)

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
