package tui

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/charmbracelet/lipgloss"

	"github.com/geokv/geokv/internal/api"
)

// View renders the pane as h lines of w cells.
func (p *regionsPane) View(focused bool) []string {
	g := p.grid()
	if g.table {
		return p.table(focused)
	}
	p.keepVisible(g)
	facts := p.factCount(g)
	var lines []string
	for paneRow := range g.rows {
		height := g.height
		if paneRow == g.rows-1 {
			height = p.h - g.height*(g.rows-1)
		}
		var panes [][]string
		for column := range g.perRow {
			if _, width := p.column(g, paneRow, column); width > 0 {
				panes = append(panes, p.pane(paneRow*g.perRow+column, rect{w: width, h: height}, facts, focused))
			}
		}
		lines = append(lines, beside(panes...)...)
	}
	return lines
}

// keepVisible scrolls the keys of all panes alike, so that a key stands in the
// same line everywhere.
func (p *regionsPane) keepVisible(g grid) {
	room := max(g.height-2-p.factCount(g), 1)
	if p.key < p.top {
		p.top = p.key
	}
	if p.key >= p.top+room {
		p.top = p.key - room + 1
	}
	p.top = max(min(p.top, len(p.names)-room), 0)
}

func (p *regionsPane) pane(i int, size rect, facts int, focused bool) []string {
	c := p.c
	w, h := size.w, size.h
	name := c.regions[i]
	selected := i == p.region
	glyph, word, style := p.state(i)
	room := w - 6 - cells(glyph+word) - 2 // the state must be told, the name may be shortened
	title := []span{{glyph + " ", style}, {shorten(name, room, c.ellipsis), c.origin(name).Bold(true)}, {" " + word, style}}
	var right []span
	if n := p.differing(i); n > 0 {
		right = []span{{strconv.Itoa(n) + " differ", c.warn}}
	}
	body := p.facts(i, w-2, p.grid().height-2)
	for len(body) < facts {
		body = append(body, spaces(w-2))
	}
	if len(p.names) == 0 && len(p.all) > 0 && len(body) < h-2 {
		body = append(body, c.plainLine(w-2, "   no keys seen yet", c.dim))
	}
	for k := p.top; k < len(p.names) && len(body) < h-2; k++ {
		body = append(body, p.keyLine(i, k, w-2, focused && selected && k == p.key))
	}
	return c.box(frame{title: title, right: right, focused: focused && selected}, body, w, h)
}

// state is a region's state as glyph, word and colour.
func (p *regionsPane) state(i int) (glyph, word string, style lipgloss.Style) {
	if s := p.condition(i); s != "" {
		return p.c.stateMark(s)
	}
	return p.c.unclear, "unknown", p.c.dim
}

func (c *common) stateMark(s api.State) (glyph, word string, style lipgloss.Style) {
	switch s {
	case api.StateUp:
		return c.up, string(s), c.good
	case api.StateCut:
		return c.cut, string(s), c.warn
	case api.StateDown:
		return c.down, string(s), c.bad
	case api.StateRebuilding:
		return c.rebuilding, string(s), c.info
	case api.StateBlocked:
		return c.blocked, string(s), c.bad
	}
	return c.unclear, string(s), c.dim
}

func (p *regionsPane) differing(i int) int {
	n := 0
	for name := range p.verdicts {
		if _, ok := p.states[i].find(name); ok {
			n++
		}
	}
	return n
}

// facts are the lines above the keys, fewer where there is less room.
func (p *regionsPane) facts(i, w, h int) []string {
	c := p.c
	r := p.reportOf(c.regions[i])
	if r == nil {
		return p.waiting(w)
	}
	lines := []string{p.progressLine(r, w), p.lagLine(r, w)}
	if h >= len(r.Origins)+len(p.heldWatched())+len(p.all)+3 && w >= 30 {
		for _, o := range r.Origins {
			lines = append(lines, p.originLine(o, w))
		}
	} else if h >= 5 {
		lines = append(lines, p.originsLine(r, w))
	}
	if note, style := p.note(i, r); note != "" && h >= 4 {
		lines = append(lines, c.plainLine(w, note, style))
	}
	return lines
}

func (p *regionsPane) waiting(w int) []string {
	if p.err != nil {
		return []string{p.c.plainLine(w, "no answer yet", p.c.bad)}
	}
	return []string{p.c.plainLine(w, "asking"+p.c.ellipsis, p.c.dim)}
}

func (p *regionsPane) progressLine(r *api.RegionReport, w int) string {
	c := p.c
	var applied, end int64
	for _, o := range r.Origins {
		applied, end = applied+o.Applied, end+o.End
	}
	word := " keys"
	if r.Keys == 1 {
		word = " key"
	}
	keys := []span{{known(r.Keys, count), c.text}, {word, c.dim}}
	if len(r.Origins) == 0 { // its log cannot be read
		text := "applied unknown"
		if len(text)+spanCells(keys) >= w {
			text = "unknown"
		}
		return c.ends(w, false, []span{{text, c.dim}}, keys)
	}
	position := []span{{"applied ", c.dim}, {count(applied), c.text}, {"/" + count(end), c.dim}}
	if spanCells(position)+spanCells(keys) >= w {
		position = position[1:]
	}
	if spanCells(position)+spanCells(keys) >= w {
		keys = nil
	}
	return c.ends(w, false, position, keys)
}

func (p *regionsPane) lagLine(r *api.RegionReport, w int) string {
	c := p.c
	style := c.text
	if r.LagEvents > 0 {
		style = c.warn
	}
	lag := []span{{"lag ", c.dim}, {count(r.LagEvents) + " ev ", style}, {millis(r.LagMS), style}}
	if len(r.Origins) == 0 {
		lag = []span{{"lag unknown", c.dim}}
	}
	clockStyle := c.text
	if r.ClockOffsetMS > 250 || r.ClockOffsetMS < -250 {
		clockStyle = c.warn
	}
	clock := []span{{"clock ", c.dim}, {signedMillis(r.ClockOffsetMS), clockStyle}}
	if spanCells(lag)+spanCells(clock) >= w {
		clock = clock[1:]
	}
	return c.ends(w, false, lag, clock)
}

// signedMillis renders an offset in at most six cells.
func signedMillis(ms int64) string {
	if ms >= 0 {
		return "+" + millis(ms)
	}
	return "-" + millis(-ms)
}

// originsLine has all origins in one line: name, lag in events and time, and
// after a + what the mirror has not brought. Where not all fit, those that lag
// stand first.
func (p *regionsPane) originsLine(r *api.RegionReport, w int) string {
	c := p.c
	var behind, level []span
	for _, o := range r.Origins {
		text, style, list := strconv.FormatInt(o.LagEvents, 10), c.dim, &level
		if o.LagEvents > 0 {
			text = fmt.Sprintf("%d/%s", o.LagEvents, millis(o.LagMS))
		}
		if o.MirrorGap > 0 {
			text += "+" + strconv.FormatInt(o.MirrorGap, 10)
		}
		if o.LagEvents > 0 || o.MirrorGap > 0 {
			style, list = c.warn, &behind
		}
		*list = append(*list, span{o.Origin + " ", c.origin(o.Origin)}, span{text + " ", style})
	}
	if all := slices.Concat(behind, level); spanCells(all) <= w+1 {
		return c.line(w, false, p.inOrder(r, all)...)
	}
	if len(behind) == 0 {
		return c.plainLine(w, "no origin lags", c.dim)
	}
	return c.line(w, false, behind...)
}

// inOrder puts the pairs of name and text back into the order of the regions.
func (p *regionsPane) inOrder(r *api.RegionReport, pairs []span) []span {
	var ordered []span
	for _, o := range r.Origins {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i].text == o.Origin+" " {
				ordered = append(ordered, pairs[i], pairs[i+1])
			}
		}
	}
	return ordered
}

func (p *regionsPane) originLine(o api.OriginReport, w int) string {
	c := p.c
	style := c.dim
	if o.LagEvents > 0 || o.MirrorGap > 0 {
		style = c.warn
	}
	left := []span{{fit(o.Origin, 9, c.ellipsis) + " ", c.origin(o.Origin)}, {count(o.Applied) + "/" + count(o.End), c.text}}
	right := []span{{"lag " + count(o.LagEvents) + "/" + millis(o.LagMS), style}}
	if o.MirrorGap > 0 {
		right = append(right, span{" +" + count(o.MirrorGap) + " to come", c.warn})
	}
	return c.ends(w, false, left, right)
}

// note says what is wrong with a region: the worst thing, in one line.
func (p *regionsPane) note(i int, r *api.RegionReport) (string, lipgloss.Style) {
	c := p.c
	switch {
	case p.err != nil:
		return "as of " + p.at.In(c.zone).Format("15:04:05"), c.bad
	case r.State == api.StateRebuilding:
		return c.bar(r.RebuildPercent, 10) + fmt.Sprintf(" %.0f%% of the log", r.RebuildPercent), c.info
	case len(r.Alarms) > 0:
		return clean(r.Alarms[0].Code + ": " + r.Alarms[0].Message), c.bad
	case r.Detail != "":
		return clean(r.Detail), c.warn
	case p.condition(i) == api.StateRebuilding:
		return "its view is being rebuilt", c.info
	case p.states[i].err != nil:
		return clean(p.states[i].err.Error()), c.bad
	}
	for _, o := range r.Origins {
		if len(o.Holes) > 0 {
			return clean(fmt.Sprintf("%s lane %s lacks %s", o.Origin, o.Holes[0].Lane, o.Holes[0].Seqs)), c.bad
		}
	}
	return "", c.dim
}

func (c *common) bar(percent float64, w int) string {
	full := min(max(int(percent*float64(w)/100), 0), w)
	return repeat(c.on, full) + repeat(c.off, w-full)
}

func (p *regionsPane) keyLine(i, k, w int, selected bool) string {
	c := p.c
	name := p.names[k]
	mark, markStyle, word := " ", c.dim, ""
	switch p.verdicts[name] {
	case pending:
		mark, markStyle, word = c.pending, c.warn, "pending"
	case diverged:
		mark, markStyle, word = c.diverged, c.bad, "diverged"
	}
	cursor := " "
	if selected {
		cursor = c.cursor
	}
	value, valueStyle := "", c.dim
	v, ok := p.states[i].find(name)
	if ok {
		value = v.text
		if v.present {
			valueStyle = c.text
		}
		if v.changed {
			valueStyle = c.changed
		}
	}
	if value != "" && (v.err != nil || p.states[i].err != nil || p.err != nil) { // of a look before
		value, valueStyle = "was "+value, c.dim
	} else if v.err != nil {
		value = "not read"
	}
	left := []span{{cursor, c.accent}, {mark + " ", markStyle}, {name, c.text}}
	if word != "" && w >= 38 {
		left = append(left, span{" " + word, markStyle})
	}
	room := max(w-spanCells(left)-1, min(w/2, 10))
	return c.ends(w, selected, left, []span{{" " + shorten(value, room-1, c.ellipsis), valueStyle}})
}

// table renders one line per region, for many regions on a small screen.
func (p *regionsPane) table(focused bool) []string {
	c := p.c
	w := p.w - 2
	nameWidth := 6
	for _, name := range c.regions {
		nameWidth = max(nameWidth, len(name))
	}
	nameWidth = min(nameWidth, max(w/5, 6))
	room := max(p.h-3, 1)
	if p.region < p.from {
		p.from = p.region
	}
	if p.region >= p.from+room {
		p.from = p.region - room + 1
	}
	p.from = max(min(p.from, len(c.regions)-room), 0)
	body := []string{c.plainLine(w, "  "+fit("region", nameWidth, "")+" "+fit("state", 12, "")+
		fitRight("applied/end", 17, "")+fitRight("lag", 7, "")+fitRight("time", 6, "")+fitRight("keys", 8, "")+fitRight("clock", 8, ""), c.dim)}
	for i := p.from; i < min(p.from+room, len(c.regions)); i++ {
		body = append(body, p.tableLine(i, w, nameWidth, focused && i == p.region))
	}
	title := []span{{"1 ", c.dim}, {"regions", c.title}}
	var right []span
	if len(c.regions) > room {
		right = []span{{fmt.Sprintf("%d-%d of %d", p.from+1, min(p.from+room, len(c.regions)), len(c.regions)), c.dim}}
	}
	return c.box(frame{title: title, right: right, focused: focused}, body, p.w, p.h)
}

func (p *regionsPane) tableLine(i, w, nameWidth int, selected bool) string {
	c := p.c
	name := c.regions[i]
	glyph, word, style := p.state(i)
	cursor := " "
	if selected {
		cursor = c.cursor
	}
	spans := []span{{cursor + " ", c.accent}, {fit(name, nameWidth, c.ellipsis) + " ", c.origin(name)}, {fit(glyph+" "+word, 12, ""), style}}
	r := p.reportOf(name)
	if r == nil {
		return c.line(w, selected, spans...)
	}
	var applied, end int64
	for _, o := range r.Origins {
		applied, end = applied+o.Applied, end+o.End
	}
	lagStyle := c.text
	if r.LagEvents > 0 {
		lagStyle = c.warn
	}
	spans = append(spans,
		span{fitRight(count(applied)+"/"+count(end), 17, c.ellipsis), c.text},
		span{fitRight(count(r.LagEvents), 7, c.ellipsis) + fitRight(millis(r.LagMS), 6, ""), lagStyle},
		span{fitRight(known(r.Keys, count), 8, c.ellipsis), c.text},
		span{fitRight(signedMillis(r.ClockOffsetMS), 8, ""), c.text})
	if n := p.differing(i); n > 0 {
		spans = append(spans, span{fmt.Sprintf("  %d differ", n), c.warn})
	}
	if note, noteStyle := p.note(i, r); note != "" {
		spans = append(spans, span{"  " + note, noteStyle})
	}
	return c.line(w, selected, spans...)
}
