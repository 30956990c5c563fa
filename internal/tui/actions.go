package tui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// pressed takes what was pressed. Keys that come quickly arrive together, as one
// message of several characters: each of them is a key, unless it is a paste.
func (m *Model) pressed(msg tea.KeyMsg) tea.Cmd {
	if msg.Type != tea.KeyRunes || len(msg.Runes) < 2 || msg.Paste {
		return m.key(msg)
	}
	cmds := make([]tea.Cmd, 0, len(msg.Runes))
	for _, r := range msg.Runes {
		cmds = append(cmds, m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}))
	}
	return tea.Sequence(cmds...)
}

// key gives a key to whoever it is for: the overlay on top, else the pane with
// the focus, else everywhere.
func (m *Model) key(msg tea.KeyMsg) tea.Cmd {
	s := m.scope()
	a, bound := lookup(m.c.keys, s, msg.String())
	bound = bound && !msg.Paste
	switch {
	case bound && a == actQuit:
		return tea.Quit
	case bound && a == actSuspend:
		return m.suspend()
	}
	if m.layout.tooSmall() { // nobody sees what a key would do
		return nil
	}
	if n := len(m.overlays); n > 0 {
		top := m.overlays[n-1]
		if bound {
			return top.act(m, a)
		}
		if t, ok := top.(typist); ok {
			return t.typed(m, msg)
		}
		return nil
	}
	if !bound {
		return nil
	}
	return m.do(a)
}

// do carries out an action in the pane with the focus, or everywhere.
func (m *Model) do(a action) tea.Cmd {
	switch m.focus {
	case scopeRegions:
		if m.regions.act(a) {
			return nil
		}
		if cmd, ok := m.doRegion(a); ok {
			return cmd
		}
	case scopeMirrors:
		if m.mirrors.act(a) {
			return nil
		}
		if cmd, ok := m.doLink(a); ok {
			return cmd
		}
	case scopeSim:
		if cmd, ok := m.doSim(a); ok {
			return cmd
		}
	case scopeEvents:
		if a == actOpen {
			return m.openDetail()
		}
		if a == actFind {
			return m.openFind()
		}
		if m.events.act(a) {
			return nil
		}
	}
	return m.doAnywhere(a)
}

func (m *Model) doAnywhere(a action) tea.Cmd {
	switch a {
	case actHelp:
		m.push(&help{c: m.c, first: m.focus})
	case actPalette:
		m.push(newCommandLine(m.c, m.regions.selectedRegion()))
	case actNextPane:
		m.focusOn(m.neighbour(1))
	case actPrevPane:
		m.focusOn(m.neighbour(-1))
	case actRegions:
		m.focusOn(scopeRegions)
	case actEvents:
		m.focusOn(scopeEvents)
	case actMirrors:
		m.focusOn(scopeMirrors)
	case actSim:
		m.focusOn(scopeSim)
	case actZoom:
		m.zoomed = !m.zoomed
		m.arrange()
	case actWrite:
		return m.openForm(event.Operation{Region: m.regionAtCursor()})
	case actInspect:
		return m.inspect(m.keyAtCursor())
	case actFilter:
		return m.openFilter()
	case actPause:
		m.events.act(a)
	case actCopy:
		return m.showCommand(m.equivalent())
	case actSimToggle:
		return m.toggleSim()
	case actFaster:
		return m.setRate(m.simulator.nextRate(true))
	case actSlower:
		return m.setRate(m.simulator.nextRate(false))
	case actMouse:
		return m.toggleMouse()
	case actTheme:
		m.c.setTheme(m.c.theme.next())
		return m.notify("theme "+string(m.c.theme), false)
	case actBack:
		m.back()
	}
	return nil
}

func (m *Model) focusOn(s scope) {
	m.focus = s
	m.arrange()
}

func (m *Model) neighbour(step int) scope {
	order := []scope{scopeRegions, scopeEvents, scopeMirrors, scopeSim}
	for i, s := range order {
		if s == m.focus {
			return order[(i+step+len(order))%len(order)]
		}
	}
	return scopeEvents
}

// back takes away one thing: zoom, then find, then filter.
func (m *Model) back() {
	switch {
	case m.zoomed:
		m.zoomed = false
		m.arrange()
	case m.events.findSet:
		m.events.setFind(noFilter)
	case m.events.filterSet:
		m.events.setFilter(noFilter)
	}
}

// keyAtCursor is the key that the user is looking at; nil when there is none.
func (m *Model) keyAtCursor() []byte {
	switch m.focus {
	case scopeRegions:
		return m.regions.selectedKey()
	case scopeEvents:
		if r := m.events.selected(); r != nil {
			return r.event.Key
		}
	}
	return nil
}

// regionAtCursor is the region that the user is looking at; "" when there is none.
func (m *Model) regionAtCursor() string {
	if m.focus != scopeRegions {
		return ""
	}
	return m.regions.selectedRegion()
}

func (m *Model) inspect(key []byte) tea.Cmd {
	n := newInspector(m.c, key, m.naming)
	m.push(n)
	return n.read(m.regions.report)
}

func (m *Model) openForm(preset event.Operation) tea.Cmd {
	m.form.preset(preset)
	m.push(m.form)
	return nil
}

func (m *Model) openDetail() tea.Cmd {
	r := m.events.selected()
	if r == nil {
		return m.notify("no event is selected", false)
	}
	d := &detail{c: m.c, log: m.events, row: r, live: !m.events.frozen}
	m.events.freeze(false)
	m.push(d)
	return nil
}

func (m *Model) openFilter() tea.Cmd {
	m.push(m.prompt("filter", m.events.filter, m.events.setFilter))
	return nil
}

func (m *Model) openFind() tea.Cmd {
	m.push(m.prompt("find", m.events.find, m.events.setFind))
	return nil
}

func (m *Model) toggleMouse() tea.Cmd {
	m.mouse = !m.mouse
	if m.mouse {
		m.say("mouse on: wheel and click select", false)
		return tea.EnableMouseCellMotion
	}
	m.say("mouse off: the terminal selects text again", false)
	return tea.DisableMouse
}

// doSim is what the simulator's pane does; ok is false for other actions.
func (m *Model) doSim(a action) (tea.Cmd, bool) {
	switch a {
	case actOpen:
		return m.toggleSim(), true
	case actUp:
		return m.setRate(m.simulator.nextRate(true)), true
	case actDown:
		return m.setRate(m.simulator.nextRate(false)), true
	}
	return nil, false
}

func (m *Model) toggleSim() tea.Cmd {
	source := m.c.source
	if m.simulator.state.Running {
		return m.ask("stopping the simulator", callTimeout, func(ctx context.Context) doneMsg {
			s, err := source.StopSim(ctx)
			return doneMsg{done: "simulator stopped", err: err, sim: &s}
		})
	}
	return m.startSim(m.simulator.start())
}

func (m *Model) startSim(start api.SimStart) tea.Cmd {
	source := m.c.source
	return m.ask("starting the simulator", callTimeout, func(ctx context.Context) doneMsg {
		s, err := source.StartSim(ctx, start)
		return doneMsg{done: "simulator runs at " + perSecond(s.Rate), err: err, sim: &s}
	})
}

func (m *Model) setRate(rate float64) tea.Cmd {
	if !m.simulator.state.Running {
		return m.startSim(api.SimStart{Rate: rate})
	}
	source := m.c.source
	m.simulator.state.Rate = rate // the next key starts from here, not from the answer
	return m.ask("rate "+perSecond(rate), callTimeout, func(ctx context.Context) doneMsg {
		s, err := source.SetSimRate(ctx, rate)
		return doneMsg{done: "simulator at " + perSecond(s.Rate), err: err, sim: &s}
	})
}
