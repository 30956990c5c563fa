package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/filter"
)

// confirm asks before something that hurts.
type confirm struct {
	c        *common
	w, h     int
	question string
	effect   string
	do       func() tea.Cmd
}

func (d *confirm) scope() scope { return scopeConfirm }

// SetSize sets the size of the screen.
func (d *confirm) SetSize(w, h int) { d.w, d.h = w, h }

func (d *confirm) act(m *Model, a action) tea.Cmd {
	m.pop()
	if a == actYes {
		return d.do()
	}
	return m.notify("nothing was done", false)
}

// View renders the box.
func (d *confirm) View() []string {
	c := d.c
	w := min(d.w-4, 64)
	lines := []string{spaces(w - 4)}
	for _, text := range wrap(d.effect, w-4) {
		lines = append(lines, c.plainLine(w-4, text, c.text))
	}
	lines = append(lines, spaces(w-4),
		c.line(w-4, false, span{"y", c.key}, span{" yes   ", c.text}, span{"n", c.key}, span{" no", c.text}))
	return c.box(frame{title: []span{{d.question, c.warn.Bold(true)}}, focused: true}, padded(lines), w, len(lines)+2)
}

// prompt takes the text of a filter or a search and applies it while it is
// typed.
type prompt struct {
	c     *common
	w     int
	name  string
	help  string
	input input
	was   filter.Filter
	apply func(filter.Filter)
	bad   error
}

func (d *prompt) scope() scope { return scopeInput }

// SetSize sets the size of the screen.
func (d *prompt) SetSize(w, _ int) { d.w = w }

func (d *prompt) act(m *Model, a action) tea.Cmd {
	switch {
	case a == actBack:
		d.apply(d.was)
		m.pop()
	case a == actOpen && d.bad == nil:
		m.pop()
	}
	return nil
}

func (d *prompt) typed(_ *Model, msg tea.KeyMsg) tea.Cmd {
	d.input.edit(msg)
	f, err := filter.Parse(d.input.Value())
	if d.bad = err; err == nil {
		d.apply(f)
	}
	return nil
}

// View renders the box.
func (d *prompt) View() []string {
	c := d.c
	w := min(d.w-4, 84)
	note, style := d.help, c.dim
	if d.bad != nil {
		note, style = clean(d.bad.Error()), c.bad
	}
	lines := []string{
		c.line(w-4, false, append([]span{{d.name + " ", c.accent}}, d.input.draw(w-4-len(d.name)-2, true, "")...)...),
		c.plainLine(w-4, note, style),
	}
	return c.box(frame{title: []span{{d.name, c.title}}, focused: true}, padded(lines), w, 4)
}

// prompt opens the line that sets a filter or a search.
func (m *Model) prompt(name string, was filter.Filter, apply func(filter.Filter)) *prompt {
	p := &prompt{
		c: m.c, name: name, was: was, apply: apply, input: newInput(m.c, 1024),
		help: "word  key: op: origin: id:  op:=SET  /regexp/  slow:>100ms  !not",
	}
	p.input.set(was.String())
	return p
}

// commandBox shows the command line that does the same.
type commandBox struct {
	c    *common
	w, h int
	text string
}

func (d *commandBox) scope() scope { return scopeCommand }

// SetSize sets the size of the screen.
func (d *commandBox) SetSize(w, h int) { d.w, d.h = w, h }

func (d *commandBox) act(m *Model, a action) tea.Cmd {
	if a == actBack {
		m.pop()
	}
	return nil
}

// View renders the box.
func (d *commandBox) View() []string {
	c := d.c
	w := min(d.w-4, 100)
	var lines []string
	for _, text := range wrap(clean(d.text), w-6) {
		lines = append(lines, c.line(w-4, false, span{"  " + text, c.text}))
		if len(lines) == d.h-6 {
			break
		}
	}
	lines = append(lines, spaces(w-4), c.plainLine(w-4, "sent to the clipboard (OSC 52); to select it yourself: m switches the mouse off", c.dim))
	return c.box(frame{title: []span{{"the same on the command line", c.title}}, focused: true}, padded(lines), w, len(lines)+2)
}

// help lists every key, pane by pane.
type help struct {
	c     *common
	w, h  int
	first scope // where the user came from: its keys stand first
	scroller
}

func (d *help) scope() scope { return scopeHelp }

// SetSize sets the size of the screen.
func (d *help) SetSize(w, h int) { d.w, d.h = w, h }

func (d *help) act(m *Model, a action) tea.Cmd {
	if a == actBack {
		m.pop()
		return nil
	}
	d.scroller.act(a)
	return nil
}

// View renders the box.
func (d *help) View() []string {
	c := d.c
	w := min(d.w-4, 88)
	lines := d.lines(w - 4)
	h := min(d.h-2, len(lines)+2)
	body := d.window(lines, h-2)
	var right []span
	if more := d.more(); more != "" {
		right = []span{{more, c.dim}}
	}
	return c.box(frame{title: []span{{"help", c.title}}, right: right, focused: true}, padded(body), w, h)
}

func (d *help) lines(w int) []string {
	c := d.c
	order := []scope{d.first}
	for _, s := range scopes() {
		if s != d.first {
			order = append(order, s)
		}
	}
	lines := d.legend(w)
	for _, s := range order {
		lines = append(lines, spaces(w), c.plainLine(w, string(s), c.title))
		for _, b := range c.keys {
			if b.scope == s {
				lines = append(lines, c.line(w, false, span{"  " + fit(keyNames(b.keys, c.ascii), 14, "") + " ", c.key}, span{b.help, c.text}))
			}
		}
	}
	return append(lines, d.filterHelp(w)...)
}

// legend explains every mark: what colours say too.
func (d *help) legend(w int) []string {
	c := d.c
	g := c.glyphs
	return []string{
		c.line(w, false, span{"event    ", c.dim}, span{g.none + " not there yet  ", c.dim}, span{g.seen + " seen  ", c.tokens.seen}, span{g.applied + " applied  ", c.tokens.applied},
			span{g.superseded + " superseded  ", c.tokens.superseded}, span{g.duplicate + " duplicate  ", c.tokens.duplicate}, span{g.rejected + " rejected", c.tokens.rejected}),
		c.line(w, false, span{"region   ", c.dim}, span{g.up + " up  ", c.good}, span{g.cut + " cut  ", c.warn}, span{g.down + " down  ", c.bad},
			span{g.rebuilding + " rebuilding  ", c.info}, span{g.blocked + " blocked  ", c.bad}, span{g.unclear + " unknown", c.dim}),
		c.line(w, false, span{"key      ", c.dim}, span{g.pending + " pending: differs, events are on their way  ", c.warn}, span{g.diverged + " diverged", c.bad}),
		c.line(w, false, span{"lag      ", c.dim}, span{"3/1.2s", c.warn}, span{" three events on this Kafka not applied, the oldest 1.2 s old; ", c.dim}, span{"+12", c.warn}, span{" not here yet", c.dim}),
	}
}

func (d *help) filterHelp(w int) []string {
	c := d.c
	lines := []string{spaces(w), c.plainLine(w, "filter and find: terms separated by blanks, all must hold", c.title)}
	for _, entry := range [][2]string{
		{"laptop", "the word in key, operation, origin, id or argument"},
		{"key:inventory", "the word in the key; also op: origin: id:"},
		{"op:=SET", "exactly"},
		{"/^cart:.*/", "a regular expression; key:/:total$/ in one place"},
		{"slow:>100ms", "applied somewhere later than that; slow:<..."},
		{"!term", "the opposite"},
	} {
		lines = append(lines, c.line(w, false, span{fmt.Sprintf("  %-14s ", entry[0]), c.key}, span{entry[1], c.text}))
	}
	return lines
}
