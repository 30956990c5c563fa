package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
)

const wheelLines = 3

// moused takes a wheel turn or a click: the wheel scrolls what is under it, a
// click gives the focus and selects. A click beside an overlay closes it.
func (m *Model) moused(msg tea.MouseMsg) {
	if !m.mouse || msg.Action != tea.MouseActionPress {
		return
	}
	if n := len(m.overlays); n > 0 {
		m.mousedOverlay(m.overlays[n-1], msg)
		return
	}
	s, pane, ok := m.layout.at(msg.X, msg.Y)
	if !ok {
		return
	}
	switch msg.Button {
	case tea.MouseButtonWheelUp:
		m.wheel(s, actUp)
	case tea.MouseButtonWheelDown:
		m.wheel(s, actDown)
	case tea.MouseButtonLeft:
		m.focus = s
		m.click(s, msg.X-pane.x, msg.Y-pane.y)
		m.arrange()
	}
}

func (m *Model) mousedOverlay(top overlay, msg tea.MouseMsg) {
	switch msg.Button {
	case tea.MouseButtonWheelUp:
		top.act(m, actUp)
	case tea.MouseButtonWheelDown:
		top.act(m, actDown)
	case tea.MouseButtonLeft:
		box := top.View()
		w, h := cells(box[0]), len(box)
		x, y := place(m.layout.width, m.layout.height, w, h)
		if !(rect{x, y, w, h}).contains(msg.X, msg.Y) && !top.scope().typing() {
			m.pop()
		}
	}
}

func (m *Model) wheel(s scope, a action) {
	for range wheelLines {
		switch s {
		case scopeEvents:
			m.events.act(a)
		case scopeMirrors:
			m.mirrors.act(a)
		case scopeRegions:
			m.regions.act(a)
		}
	}
}

func (m *Model) click(s scope, x, y int) {
	switch s {
	case scopeEvents:
		m.events.click(y)
	case scopeMirrors:
		m.mirrors.click(y)
	case scopeRegions:
		m.regions.click(x, y)
	}
}

// originName is the region that wrote an observed event.
func originName(o *api.Observation) string {
	name, _ := geo.Origin(o.Topic)
	return name
}
