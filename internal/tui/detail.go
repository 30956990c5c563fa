package tui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/out"
)

// detail shows everything about one event: stamp, lane, its way through the
// regions, and its payload down to the bytes. It goes on filling while open.
type detail struct {
	c    *common
	log  *eventLog
	w, h int
	row  *row
	live bool // the log was running, and goes on when this is closed
	scroller
}

func (d *detail) scope() scope { return scopeDetail }

// SetSize sets the size of the screen.
func (d *detail) SetSize(w, h int) { d.w, d.h = w, h }

func (d *detail) act(m *Model, a action) tea.Cmd {
	switch a {
	case actBack:
		m.pop()
		if d.live {
			d.log.resume()
		}
	case actLeft, actRight:
		d.live = false
		d.log.freeze(false)
		d.log.goTo(d.log.cursor + map[action]int{actLeft: -1, actRight: 1}[a])
		d.row, d.top = d.log.selected(), 0
	case actInspect:
		return m.inspect(d.row.event.Key)
	case actCopy:
		return m.showCommand(d.row.command())
	default:
		d.scroller.act(a)
	}
	return nil
}

// View renders the box.
func (d *detail) View() []string {
	c := d.c
	w := min(d.w-4, 110)
	lines := d.lines(w - 4)
	h := min(d.h-2, len(lines)+2)
	var right []span
	body := d.window(lines, h-2)
	if more := d.more(); more != "" {
		right = []span{{more, c.dim}}
	}
	title := []span{{"event ", c.dim}, {d.row.op, c.info}, {" " + d.row.key, c.title}}
	return c.box(frame{title: title, right: right, focused: true}, padded(body), w, h)
}

// padded puts a blank at each side of every line.
func padded(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = " " + l + " "
	}
	return out
}

func (d *detail) lines(w int) []string {
	c, r := d.c, d.row
	var lines []string
	add := func(name, text string) {
		for i, part := range wrap(clean(text), w-12) {
			if i > 0 {
				name = ""
			}
			lines = append(lines, c.line(w, false, span{fit(name, 12, ""), c.dim}, span{part, c.text}))
		}
	}
	e := r.event
	if e.Args == nil {
		add("topic", fmt.Sprintf("%s/%d", r.id.Topic, r.id.Partition))
		add("key", string(e.Key))
	} else {
		add("id", e.ID)
		add("written", fmt.Sprintf("%s in %s", e.HLC.Time().In(c.zone).Format("2006-01-02 15:04:05.000 MST"), e.Origin))
		add("HLC", fmt.Sprintf("%d.%d@%s  (counter %d, slot %d)", e.HLC.Physical, e.HLC.Logical, e.Origin, e.HLC.Counter(), e.HLC.Slot()))
		add("log", fmt.Sprintf("%s/%d  lane %s  seq %d", r.id.Topic, r.id.Partition, e.Lane, e.Seq))
		add("key", string(e.Key))
	}
	if r.reason != "" {
		lines = append(lines, c.line(w, false, span{fit("rejected", 12, ""), c.dim}, span{r.reason, c.tokens.rejected}))
	}
	lines = append(lines, spaces(w))
	lines = append(lines, d.regionLines(w)...)
	if e.Args == nil {
		return lines
	}
	lines = append(lines, spaces(w))
	size := out.Bytes(int64(r.size))
	if !r.whole {
		size += fmt.Sprintf(", the first %s kept", out.Bytes(maxPayload))
	}
	add("payload", size)
	if text := event.PayloadText(e.Args); text != "" {
		add("", text)
	}
	for _, part := range payloadParts(e.Args) {
		for _, line := range hexdump(part.bytes, max((w-12-2)/4, 4)) {
			lines = append(lines, c.line(w, false, span{fit(part.name, 12, c.ellipsis), c.dim}, span{line, c.dim}))
			part.name = ""
		}
	}
	return lines
}

// regionLines is the event's way: per region offset, delays and outcome.
func (d *detail) regionLines(w int) []string {
	c := d.c
	name := 6
	for _, region := range c.regions {
		name = max(name, len(region))
	}
	lines := []string{c.plainLine(w, fit("region", name, "")+"    "+fitRight("offset", 9, "")+fitRight("seen", 9, "")+fitRight("applied", 9, "")+"  outcome", c.dim)}
	for i, region := range c.regions {
		s := d.row.sights[i]
		glyph, style := c.sightMark(s)
		offset, seen, applied := "-", "-", "-"
		if s.Seen() {
			offset = count(s.Offset)
		}
		if s.SeenAtMS != 0 {
			seen = "+" + millis(s.SeenDelayMS)
		}
		if s.Applied() {
			applied = "+" + millis(s.AppliedDelayMS)
		}
		word := sightWord(s)
		if s.Duplicates > 0 {
			word += fmt.Sprintf(" (delivered again %d times)", s.Duplicates)
		}
		lines = append(lines, c.line(w, false, span{fit(region, name, ""), c.origin(region)}, span{" " + glyph + glyph + " ", style},
			span{fitRight(offset, 9, "") + fitRight(seen, 9, "") + fitRight(applied, 9, ""), c.text}, span{"  " + word, style}))
	}
	return lines
}

type payloadPart struct {
	name  string
	bytes []byte
}

// payloadParts are the byte strings of a payload; numbers have none.
func payloadParts(args event.Args) []payloadPart {
	var parts []payloadPart
	add := func(name string, b []byte) {
		if len(parts) < 16 {
			parts = append(parts, payloadPart{name, b})
		}
	}
	list := func(name string, items [][]byte) {
		for _, b := range items {
			add(name, b)
		}
	}
	pairs := func(fields []event.FieldValue) {
		for _, f := range fields {
			add("field", f.Field)
			add("value", f.Value)
		}
	}
	switch a := args.(type) {
	case event.Set:
		add("value", a.Value)
	case event.SAdd:
		list("member", a.Members)
	case event.SRem:
		list("member", a.Members)
	case event.ZRem:
		list("member", a.Members)
	case event.HDel:
		list("field", a.Fields)
	case event.ZAdd:
		for _, m := range a.Members {
			add("member", m.Member)
		}
	case event.HSet:
		pairs(a.Fields)
	case event.XAdd:
		pairs(a.Fields)
	}
	return parts
}

// hexdump renders bytes as hex and text, perLine at a time, 32 lines at most.
func hexdump(b []byte, perLine int) []string {
	perLine = min(perLine, 16)
	var lines []string
	for start := 0; start < len(b) && len(lines) < 32; start += perLine {
		chunk := b[start:min(start+perLine, len(b))]
		text := make([]byte, len(chunk))
		for i, x := range chunk {
			text[i] = '.'
			if x >= 0x20 && x < 0x7f {
				text[i] = x
			}
		}
		lines = append(lines, fit(fmt.Sprintf("% x", chunk), perLine*3, "")+" "+string(text))
	}
	if shown := 32 * perLine; len(b) > shown {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("and %d bytes more", len(b)-shown)))
	}
	return lines
}
