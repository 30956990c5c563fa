package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

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
