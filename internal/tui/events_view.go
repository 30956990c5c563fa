package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/timeline"
)

// columns are the widths of the event log's columns for one size of the pane.
type columns struct {
	time, origin, op, key, argument int
	block                           int  // cells of one region's block
	delay                           bool // a block has its delay beside it
	slowest                         bool // blocks have no room: one delay for all
}

const (
	delayCells = 5
	fullBlock  = 2 + 1 + delayCells
)

// columnsFor shares out the inner width of the pane: blocks first, they are what
// the log is for; key and argument get what is left.
func (l *eventLog) columnsFor(w int) columns {
	n := len(l.c.regions)
	cols := columns{time: 12, op: 5, origin: 2, block: fullBlock, delay: true}
	for _, name := range l.c.regions {
		cols.origin = max(cols.origin, min(len(name), 8))
	}
	if w < 74 {
		cols.time = 8
	}
	if n*(fullBlock+1) > w*45/100 {
		cols.block, cols.delay, cols.slowest = 2, false, true
	}
	if n*(cols.block+1) > w*35/100 && cols.slowest {
		cols.block = 1
	}
	if cols.slowest && w < 100 {
		cols.time = 8
	}
	used := 1 + cols.time + 1 + cols.origin + 1 + cols.op + 1 + 1 + n*(cols.block+1)
	if cols.slowest {
		used += delayCells + 1
	}
	rest := max(w-used, 2)
	cols.key = rest * 6 / 10
	cols.argument = rest - cols.key
	if cols.key > 32 {
		cols.argument += cols.key - 32
		cols.key = 32
	}
	return cols
}

// View renders the pane as h lines of w cells.
func (l *eventLog) View(focused bool) []string {
	inner := l.w - 2
	cols := l.columnsFor(inner)
	body := []string{l.heads(inner, cols)}
	for i := l.top; i < min(l.top+l.lines(), len(l.shown)); i++ {
		body = append(body, l.rowLine(inner, cols, l.shown[i], focused && i == l.cursor))
	}
	if len(l.shown) == 0 {
		body = append(body, l.emptyLines(inner)...)
	}
	return l.c.box(frame{title: l.title(), right: l.status(), focused: focused}, body, l.w, l.h)
}

func (l *eventLog) emptyLines(w int) []string {
	text := "no events yet: w writes one, s starts the simulator"
	if len(l.rows) > 0 {
		text = "nothing matches the filter; Esc drops it"
	}
	return []string{spaces(w), l.c.plainLine(w, "  "+text, l.c.dim)}
}

func (l *eventLog) title() []span {
	spans := []span{{"2 ", l.c.dim}, {"events", l.c.title}}
	if l.filterSet {
		spans = append(spans, span{"  filter ", l.c.dim}, span{clean(l.filter.String()), l.c.accent})
	}
	if l.findSet {
		spans = append(spans, span{"  find ", l.c.dim}, span{clean(l.find.String()), l.c.warn})
	}
	return spans
}

func (l *eventLog) status() []span {
	var parts []span
	add := func(text string, style lipgloss.Style) {
		if len(parts) > 0 {
			parts = append(parts, span{" " + l.c.dot + " ", l.c.dim})
		}
		parts = append(parts, span{text, style})
	}
	if missed := l.dropped + l.lost; missed > 0 {
		add("dropped "+count(missed), l.c.bad)
	}
	if !l.frozen {
		add(plural(len(l.shown), "row", "rows"), l.c.dim)
		add("live", l.c.good)
		return parts
	}
	add(fmt.Sprintf("%s/%s", count(min(l.cursor+1, len(l.shown))), count(len(l.shown))), l.c.dim)
	add(fmt.Sprintf("%s new", count(l.waiting)), l.c.accent)
	add("paused", l.c.warn)
	return parts
}

func (l *eventLog) heads(w int, cols columns) string {
	c := l.c
	var b strings.Builder
	b.WriteString(" " + fit("time", cols.time, c.ellipsis) + " ")
	b.WriteString(fit("origin", cols.origin, "") + " " + fit("op", cols.op, "") + " ")
	b.WriteString(fit("key", cols.key, c.ellipsis) + " " + fit("argument", cols.argument, c.ellipsis))
	spans := []span{{b.String(), c.dim}}
	if cols.slowest {
		spans = append(spans, span{" " + fitRight("delay", delayCells, ""), c.dim})
	}
	for _, name := range c.regions {
		spans = append(spans, span{" " + fit(name, cols.block, ""), c.origin(name)})
	}
	return c.line(w, false, spans...)
}

func (l *eventLog) rowLine(w int, cols columns, r *row, selected bool) string {
	c := l.c
	mark, keyStyle := " ", c.text
	if selected {
		mark = c.cursor
	}
	if r.found {
		keyStyle = c.match
		if !selected {
			mark = "*"
		}
	}
	argument, argumentStyle := r.argument, c.dim
	if r.reason != "" {
		argument, argumentStyle = r.reason, c.tokens.rejected
	}
	spans := []span{
		{mark, c.accent},
		{fit(l.clock(r, cols.time), cols.time, "") + " ", c.dim},
		{fit(r.origin, cols.origin, c.ellipsis) + " ", c.origin(r.origin)},
		{fit(r.op, cols.op, "") + " ", c.info},
		{fit(r.key, cols.key, c.ellipsis), keyStyle},
		{" " + fit(argument, cols.argument, c.ellipsis), argumentStyle},
	}
	if cols.slowest {
		spans = append(spans, span{" " + fitRight(l.slowestText(r), delayCells, ""), c.dim})
	}
	for _, s := range r.sights {
		spans = append(spans, c.block(s, cols.block, cols.delay)...)
	}
	return c.line(w, selected, spans...)
}

func (l *eventLog) clock(r *row, w int) string {
	if r.event.Args == nil {
		return "-"
	}
	if w < 12 {
		return r.time().In(l.c.zone).Format("15:04:05")
	}
	return r.time().In(l.c.zone).Format("15:04:05.000")
}

func (l *eventLog) slowestText(r *row) string {
	if d := r.slowest(); d > 0 {
		return millis(d.Milliseconds())
	}
	return "-"
}

// block renders one region's part of an event: empty, filled when seen, changed
// by what the apply made of it, with the delay beside it where there is room.
func (c *common) block(s timeline.Sight, w int, delay bool) []span {
	glyph, style := c.sightMark(s)
	if !delay {
		return []span{{" " + repeat(glyph, w), style}}
	}
	text := ""
	if s.Seen() {
		text = millis(s.DelayMS())
	}
	return []span{{" " + glyph + glyph, style}, {" " + fitRight(text, delayCells, ""), c.dim}}
}

// sightMark is the glyph and the colour of an event's state in a region.
func (c *common) sightMark(s timeline.Sight) (string, lipgloss.Style) {
	switch {
	case !s.Seen():
		return c.none, c.dim
	case !s.Applied():
		return c.glyphs.seen, c.tokens.seen
	}
	switch s.Outcome {
	case event.Superseded:
		return c.glyphs.superseded, c.tokens.superseded
	case event.Duplicate:
		return c.glyphs.duplicate, c.tokens.duplicate
	case event.Rejected:
		return c.glyphs.rejected, c.tokens.rejected
	case event.Applied:
		return c.glyphs.applied, c.tokens.applied
	}
	return c.unknown, c.tokens.applied
}

// sightWord is the same state in a word.
func sightWord(s timeline.Sight) string {
	switch {
	case !s.Seen():
		return "not there yet"
	case !s.Applied():
		return "seen"
	case s.Outcome == "":
		return string(event.Unknown)
	}
	return string(s.Outcome)
}
