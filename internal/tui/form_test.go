package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/event"
)

// A write whose answer is late does not keep the next one from being sent, and
// its fate is not shown as that of the next one.
func TestAnswersBelongToTheirWrites(t *testing.T) {
	s := newScreen(t, 120, 40)
	write := func(key string) tea.Cmd {
		s.press("w")
		s.typeText(key)
		return s.send(keyPress("enter"))
	}
	late := write("one")
	s.press("esc")
	soon := write("two")
	if late == nil || soon == nil {
		t.Fatal("a write was not sent")
	}
	s.run(soon)
	first := late().(receiptMsg)
	first.receipt.Outcome, first.receipt.EventID = event.FateUnknown, "id-of-one"
	s.send(first)
	if r := s.form.receipt; r == nil || r.Outcome != event.Durable {
		t.Errorf("the form of the second write shows %+v", r)
	}
	if problem := wantText("unknown, it may be or become durable: incr one 1 --region us, id id-of-one")(s); problem != "" {
		t.Error(problem)
	}
	s.press("esc")
	again := write("three")
	s.press("esc")
	s.run(again)
	if problem := wantText("durable: incr three 1 --region us")(s); problem != "" {
		t.Error(problem)
	}
}

// What is typed after : says where it goes, and takes --region as the command
// line does.
func TestPaletteOperationsHaveARegion(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.press("1", "right", ":")
	s.typeText("incr sales:total 3")
	if problem := wantText("writes in eu")(s); problem != "" {
		t.Error(problem)
	}
	s.typeText(" --region ap")
	if problem := wantText("writes in ap")(s); problem != "" {
		t.Error(problem)
	}
	s.press("enter", "esc", ":")
	s.typeText("incr sales:total 3 --region mars")
	s.press("enter")
	if problem := both(wantText("no region mars; there are us, eu, ap"), wantCalls("produce ap INCR sales:total 3"))(s); problem != "" {
		t.Error(problem)
	}
}

// On a slow line Esc and the next key come as Alt with that key: no text.
func TestAltLettersAreNoText(t *testing.T) {
	s := newScreen(t, 120, 40)
	s.press("w")
	s.typeText("k")
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("1"), Alt: true})
	if got := s.form.key.Value(); got != "k" {
		t.Errorf("the key is %q", got)
	}
}

// A line that is broken at a blank is no longer than it may be.
func TestWrapKeepsToItsWidth(t *testing.T) {
	text := `curl -H "Authorization: Bearer $(cat /d/token)" -H "Content-Type: application/json" -d '{}' http://h/api`
	for w := 20; w < len(text); w++ {
		for _, line := range wrap(text, w) {
			if cells(line) > w {
				t.Fatalf("%q has %d cells, at most %d are wanted", line, cells(line), w)
			}
		}
		if got := strings.Join(wrap(text, w), ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Fatalf("in %d cells it reads %q", w, got)
		}
	}
}
