package tui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// equivalent is the command line that shows, or does, what the cursor is on.
func (m *Model) equivalent() string {
	switch m.focus {
	case scopeEvents:
		if r := m.events.selected(); r != nil && m.events.frozen {
			return r.command()
		}
		if m.events.filterSet {
			return "geokv tail " + event.QuoteWords([]string{m.events.filter.String()})
		}
		return "geokv tail"
	case scopeRegions:
		if key := m.regions.selectedKey(); key != nil {
			return (&inspector{c: m.c, key: key}).command()
		}
	case scopeMirrors:
		if f, ok := m.mirrors.selected(); ok {
			return m.linkCommand(f)
		}
	case scopeSim:
		return m.simulator.command()
	}
	return "geokv status --watch"
}

// linkCommand is the request that cuts the link, or heals it: faults have no
// verb of their own on the command line.
func (m *Model) linkCommand(f geo.Flow) string {
	action := api.ActionCut
	if m.mirrors.cut(f) {
		action = api.ActionHeal
	}
	return fmt.Sprintf(`curl -H "Authorization: Bearer %s" -H "Content-Type: application/json" -d '{"action":"%s"}' http://%s/api/lab/links/%s/%s`,
		m.c.token, action, m.address(), f.From, f.To)
}

// showCommand shows a command line and puts it on the clipboard.
func (m *Model) showCommand(text string) tea.Cmd {
	if text == "" {
		return m.notify("there is no command for this", false)
	}
	if rest, ok := strings.CutPrefix(text, "geokv "); ok {
		text = m.c.program + " " + rest
	}
	m.push(&commandBox{c: m.c, text: text})
	return m.copy(text)
}
