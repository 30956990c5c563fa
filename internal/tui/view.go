package tui

import (
	"fmt"
	"strings"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/filter"
)

var noFilter filter.Filter

// View draws the screen: exactly height lines of exactly width cells.
func (m *Model) View() string {
	l := m.layout
	if l.width == 0 || l.height == 0 {
		return ""
	}
	if l.tooSmall() {
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
	left := " geokv  " + string(m.title) + " " + m.address()
	parts := []string{m.headline()}
	if m.stream != nil {
		parts = append(parts, c.down+" event stream down")
	}
	parts = append(parts, "events "+perSecond(m.rates.events.rate(now.Unix())))
	right := strings.Join(parts, "  ") + "  " + now.In(c.zone).Format("15:04:05") + " "
	w := m.layout.width
	if room := w - cells(right); room >= cells(left)/2 {
		return c.header.Render(fit(left, room, c.ellipsis) + right)
	}
	return c.header.Render(fit(" geokv  "+right, w, c.ellipsis))
}

// address is where the API answers now: after a restart of the cluster it is
// another one.
func (m *Model) address() string {
	url := m.c.api
	if r := m.regions.report; r != nil && r.API != "" {
		url = r.API
	}
	return clean(strings.TrimPrefix(url, "http://"))
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

// footerKeys are the five keys that matter now.
func (m *Model) footerKeys() []span {
	c := m.c
	spans := []span{{" ", c.dim}}
	for _, b := range m.matters() {
		spans = append(spans, span{keyName(b.keys[0], c.ascii), c.key}, span{" " + b.short + "   ", c.dim})
	}
	return spans
}

const footerCount = 5

// matters picks them: of an overlay the first with a short name; in a pane what
// can be done to what is selected, as it is now.
func (m *Model) matters() []binding {
	s := m.scope()
	var chosen []binding
	if s.modal() {
		for _, b := range m.c.keys {
			if b.scope == s && b.short != "" && len(chosen) < footerCount {
				chosen = append(chosen, b)
			}
		}
		return chosen
	}
	for _, a := range append(m.paneMatters(), actHelp) {
		if b, ok := bindingOf(m.c.keys, s, a); ok {
			chosen = append(chosen, b)
		}
	}
	return chosen
}

func (m *Model) paneMatters() []action {
	switch m.focus {
	case scopeRegions:
		return m.regionMatters()
	case scopeMirrors:
		f, _ := m.mirrors.selected()
		if m.mirrors.cut(f) {
			return []action{actHeal, actHealAll, actDelay, actWrite}
		}
		return []action{actCut, actDelay, actHealAll, actWrite}
	case scopeSim:
		return []action{actOpen, actFaster, actSlower, actWrite}
	}
	if m.events.frozen {
		return []action{actLast, actOpen, actInspect, actFilter}
	}
	return []action{actOpen, actPause, actWrite, actFilter}
}

func (m *Model) regionMatters() []action {
	cut, stop := actCut, actStop
	if m.lab != nil {
		for _, l := range m.lab.Links {
			if region := m.regions.selectedRegion(); l.State == api.FlowCut && (l.From == region || l.To == region) {
				cut = actHeal
			}
		}
		for _, r := range m.lab.Regions {
			if r.Region == m.regions.selectedRegion() && !r.Up {
				stop = actStart
			}
		}
	}
	return []action{actOpen, cut, stop, actWrite}
}

// bindingOf finds what brings an action about, in a pane or everywhere.
func bindingOf(bindings []binding, s scope, a action) (binding, bool) {
	for _, from := range []scope{s, scopeGlobal} {
		for _, b := range bindings {
			if b.scope == from && b.action == a {
				return b, true
			}
		}
	}
	return binding{}, false
}
