package tui

import (
	"fmt"
	"strings"

	"github.com/geokv/geokv/internal/filter"
)

var noFilter filter.Filter

// View draws the screen: exactly height lines of exactly width cells.
func (m *Model) View() string {
	l := m.layout
	if l.width == 0 || l.height == 0 {
		return ""
	}
	if l.width < minWidth || l.height < minHeight {
		return m.tooSmall()
	}
	lines := make([]string, 0, l.height)
	lines = append(lines, m.header())
	lines = append(lines, m.panes()...)
	lines = append(lines, m.footer())
	for i, o := range m.overlays {
		if i == len(m.overlays)-1 || o.scope() == scopeInspector { // those below would only be in the way
			lines = lay(lines, o.View(), l.width)
		}
	}
	return strings.Join(lines, "\n")
}

// tooSmall is one line that says what is needed, whatever the size.
func (m *Model) tooSmall() string {
	l := m.layout
	text := fmt.Sprintf("geokv needs %dx%d, this is %dx%d", minWidth, minHeight, l.width, l.height)
	if cells(text) > l.width {
		text = fmt.Sprintf("%dx%d", minWidth, minHeight)
	}
	return shorten(text, l.width, m.c.ellipsis)
}

func (m *Model) panes() []string {
	l := m.layout
	var lines []string
	if l.regions.w > 0 {
		lines = append(lines, m.regions.View(m.focus == scopeRegions)...)
	}
	var right []string
	if l.mirrors.w > 0 {
		right = append(right, m.mirrors.View(m.focus == scopeMirrors)...)
	}
	if l.simulator.w > 0 {
		right = append(right, m.simulator.View(m.focus == scopeSim)...)
	}
	switch {
	case l.events.w > 0 && len(right) > 0:
		lines = append(lines, beside(m.events.View(m.focus == scopeEvents), right)...)
	case l.events.w > 0:
		lines = append(lines, m.events.View(m.focus == scopeEvents)...)
	default:
		lines = append(lines, right...)
	}
	return lines
}

// header says what one is looking at and how it is, in one line.
func (m *Model) header() string {
	c := m.c
	now := c.wall()
	left := " geokv  " + m.title
	var parts []string
	switch r := m.regions.report; {
	case m.regions.err != nil:
		parts = append(parts, c.down+" no answer, asking again")
	case r == nil:
		parts = append(parts, "connecting"+c.ellipsis)
	case r.Converged:
		parts = append(parts, c.up+" all regions agree")
	default:
		parts = append(parts, c.pending+" events on their way")
	}
	if m.stream != nil {
		parts = append(parts, c.down+" event stream down")
	}
	if n := len(m.regions.verdicts); n > 0 {
		parts = append(parts, fmt.Sprintf("%s differ", plural(n, "key", "keys")))
	}
	parts = append(parts, perSecond(m.rates.events.rate(now.Unix()))+" events")
	right := strings.Join(parts, "  ") + "  " + now.In(c.zone).Format("15:04:05") + " "
	w := m.layout.width
	if room := w - cells(right); room >= cells(left)/2 {
		return c.header.Render(fit(left, room, c.ellipsis) + right)
	}
	return c.header.Render(fit(" geokv  "+right, w, c.ellipsis))
}

// footer has the keys that matter now, or for a while what has just happened.
func (m *Model) footer() string {
	c := m.c
	w := m.layout.width
	keys := m.footerKeys()
	if m.notice.text == "" || c.wall().After(m.notice.until) {
		return c.line(w, false, keys...)
	}
	style := c.accent
	if m.notice.bad {
		style = c.bad
	}
	text := m.notice.text
	if m.notice.bad {
		text = c.glyphs.rejected + " " + text
	}
	said := span{" " + text + " ", style}
	if spanCells(keys)+spanCells([]span{said}) > w {
		return c.line(w, false, said)
	}
	return c.ends(w, false, keys, []span{said})
}

// footerCount is how many keys the footer names.
const footerCount = 5

// footerKeys are the first keys of the scope that have a short name, then those
// of everywhere; help is always the last.
func (m *Model) footerKeys() []span {
	c := m.c
	s := m.scope()
	var chosen []binding
	pick := func(from scope, limit int) {
		for _, b := range c.keys {
			if b.scope == from && b.short != "" && len(chosen) < limit {
				chosen = append(chosen, b)
			}
		}
	}
	if s.modal() {
		pick(s, footerCount)
	} else {
		pick(s, 2)
		for _, a := range []action{actWrite, actFilter, actPause, actSimToggle} {
			if len(chosen) == footerCount-1 {
				break
			}
			chosen = append(chosen, globalBinding(c.keys, a))
		}
		chosen = append(chosen, globalBinding(c.keys, actHelp))
	}
	spans := []span{{" ", c.dim}}
	for _, b := range chosen {
		spans = append(spans, span{keyName(b.keys[0], c.ascii), c.key}, span{" " + b.short + "   ", c.dim})
	}
	return spans
}

func globalBinding(bindings []binding, a action) binding {
	for _, b := range bindings {
		if b.scope == scopeGlobal && b.action == a {
			return b
		}
	}
	return binding{}
}
