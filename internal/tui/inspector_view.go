package tui

import (
	"fmt"
	"slices"

	"github.com/charmbracelet/lipgloss"
)

// minCard is the narrowest column that still tells something.
const minCard = 26

// View renders the box: nearly the whole screen.
func (n *inspector) View() []string {
	c := n.c
	w, h := n.w, n.h-2 // all but header and footer
	if n.typing {
		return n.askView(min(w, 70))
	}
	title := []span{{"key ", c.dim}, {clean(string(n.key)), c.title}}
	inner := w - 2
	body := []string{n.verdictLine(inner)}
	body = append(body, n.columns(inner, h-2-len(body))...)
	var right []span
	if more := n.more(); more != "" {
		right = []span{{more, c.dim}}
	}
	return c.box(frame{title: title, right: right, focused: true}, body, w, h)
}

func (n *inspector) askView(w int) []string {
	c := n.c
	line := c.line(w-2, false, append([]span{{" key ", c.dim}}, n.input.draw(w-8, true, "such as sales:total")...)...)
	return c.box(frame{title: []span{{"inspect a key", c.title}}, focused: true}, []string{line}, w, 3)
}

func (n *inspector) verdictLine(w int) string {
	c := n.c
	text, style := "reading"+c.ellipsis, c.dim
	if len(n.cards) > 0 {
		text, style = n.verdictText()
	}
	var right []span
	if n.page > 0 {
		right = []span{{fmt.Sprintf("page %d ", n.page+1), c.dim}}
	}
	return c.ends(w, false, []span{{" " + text, style}}, right)
}

func (n *inspector) verdictText() (string, lipgloss.Style) {
	c := n.c
	silent := len(n.cards) - len(n.values())
	suffix := ""
	if silent > 0 {
		suffix = fmt.Sprintf("; %s without an answer", plural(silent, "region", "regions"))
	}
	switch {
	case silent == len(n.cards):
		return c.down + " no region answers", c.bad
	case n.verdict == pending:
		return c.pending + " differs, pending: a region has events still to apply" + suffix, c.warn
	case n.verdict == diverged:
		return c.diverged + " diverged: the regions applied the same events and differ" + suffix, c.bad
	case len(n.cards) == 1:
		return c.same + " one region", c.dim
	}
	whole := "; " + n.command() + " compares all of it"
	switch {
	case slices.ContainsFunc(n.cards, func(k card) bool { return k.loose }):
		return c.same + " as many in every region" + suffix + whole, c.dim
	case slices.ContainsFunc(n.cards, func(k card) bool { return k.part }):
		return c.same + " the same in every region as far as this page" + suffix + whole, c.good
	}
	return c.same + " the same in every region" + suffix, c.good
}

// columns renders the regions that fit, side by side.
func (n *inspector) columns(w, h int) []string {
	fits := max(min(w/minCard, len(n.cards)), 1)
	n.from = max(min(n.from, len(n.cards)-fits), 0)
	unique := n.unshared()
	var blocks [][]string
	longest := 0
	for i := range min(fits, len(n.cards)) {
		width := w*(i+1)/fits - w*i/fits
		lines := n.cardLines(n.cards[n.from+i], width-2, unique)
		longest = max(longest, len(lines))
		blocks = append(blocks, lines)
	}
	all := make([]string, longest)
	for i := range min(fits, len(n.cards)) {
		width := w*(i+1)/fits - w*i/fits
		for y := range all {
			line := spaces(width - 2)
			if y < len(blocks[i]) {
				line = blocks[i][y]
			}
			all[y] += " " + line + " "
		}
	}
	return n.window(all, h)
}

// unshared are the elements that not every answering region shows; none where
// each shows a part of its own.
func (n *inspector) unshared() map[string]bool {
	seen := map[string]int{}
	answers := 0
	for _, k := range n.cards {
		if k.err != nil {
			continue
		}
		answers++
		for _, line := range k.lines {
			seen[line]++
		}
	}
	unique := map[string]bool{}
	if slices.ContainsFunc(n.cards, func(k card) bool { return k.loose }) {
		return unique
	}
	for line, times := range seen {
		unique[line] = times < answers
	}
	return unique
}

func (n *inspector) cardLines(k card, w int, unique map[string]bool) []string {
	c := n.c
	name := c.line(w, false, span{k.region, c.origin(k.region).Bold(true)}, span{"  " + k.head, c.dim})
	lines := []string{name, c.border.Render(repeat(c.horizontal, w))}
	if k.err != nil {
		for _, text := range wrap(clean(k.err.Error()), w) {
			lines = append(lines, c.plainLine(w, text, c.bad))
		}
		return lines
	}
	value, facts := n.valueLines(k, w, unique), n.factLines(k, w)
	if len(value) == 0 || len(facts) == 0 {
		return slices.Concat(lines, value, facts)
	}
	if k.list { // which may be long: what is said about it stands first
		return slices.Concat(lines, facts, []string{spaces(w)}, value)
	}
	return slices.Concat(lines, value, []string{spaces(w)}, facts)
}

func (n *inspector) factLines(k card, w int) []string {
	c := n.c
	var lines []string
	for _, fact := range k.facts {
		for i, text := range wrap(clean(fact), w-2) {
			bullet := "  "
			if i == 0 {
				bullet = c.dot + " "
			}
			lines = append(lines, c.line(w, false, span{bullet, c.accent}, span{text, c.dim}))
		}
	}
	return lines
}

func (n *inspector) valueLines(k card, w int, unique map[string]bool) []string {
	c := n.c
	var lines []string
	for _, text := range k.lines {
		mark, style := "  ", c.text
		if unique[text] && n.verdict != same {
			mark, style = c.diverged+" ", c.warn
		}
		pieces := []string{text}
		if !k.list {
			pieces = wrap(text, w-2)
		}
		for _, piece := range pieces {
			lines = append(lines, c.line(w, false, span{mark, style}, span{piece, style}))
		}
	}
	if k.next != "" {
		lines = append(lines, c.plainLine(w, "  "+c.ellipsis+" more: ]", c.accent))
	}
	return lines
}
