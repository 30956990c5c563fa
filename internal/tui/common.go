package tui

import (
	"context"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
)

// common is what every component shares.
type common struct {
	ctx     context.Context
	source  Source
	regions []string // in index order
	wall    func() time.Time
	zone    *time.Location
	api     string // address of the API at the start
	program string // see Options
	token   string
	keys    []binding

	renderer *lipgloss.Renderer
	theme    Theme
	dark     bool // the terminal's background
	ascii    bool
	tokens
	glyphs
}

// setTheme computes the colours once; nothing asks the terminal afterwards.
func (c *common) setTheme(t Theme) {
	if t == ThemeAuto {
		t = ThemeDark
		if !c.dark {
			t = ThemeLight
		}
	}
	c.theme = t
	c.tokens = newTokens(c.renderer, t.palette(c.dark))
}

// place is a region's place in the list, -1 for a region that is not in it.
func (c *common) place(region string) int { return slices.Index(c.regions, region) }

// origin is the style of a region's name wherever it stands.
func (c *common) origin(region string) lipgloss.Style {
	if i := c.place(region); i >= 0 {
		return c.origins[i%len(c.origins)]
	}
	return c.dim
}

// callTimeout bounds every question to the cluster.
const callTimeout = 10 * time.Second

// call makes a command of a question to the cluster: the only way anything here
// does I/O.
func (c *common) call(timeout time.Duration, ask func(ctx context.Context) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		defer cancel()
		return ask(ctx)
	}
}

// span is a piece of a line in one style.
type span struct {
	text  string
	style lipgloss.Style
}

// line renders spans as exactly w cells. A selected line has its own background.
func (c *common) line(w int, selected bool, spans ...span) string {
	var b []byte
	used := 0
	paint := func(text string, style lipgloss.Style) {
		if selected {
			style = style.Background(c.selected.GetBackground())
		}
		b = append(b, style.Render(text)...)
	}
	for _, s := range spans {
		if used >= w || s.text == "" {
			continue
		}
		text := s.text
		n := cells(text)
		if used+n > w {
			text = shorten(text, w-used, c.ellipsis)
			n = cells(text)
		}
		used += n
		paint(text, s.style)
	}
	if used < w {
		if selected {
			paint(spaces(w-used), c.text)
		} else {
			b = append(b, spaces(w-used)...)
		}
	}
	return string(b)
}

// plainLine is a line of one style.
func (c *common) plainLine(w int, text string, style lipgloss.Style) string {
	return c.line(w, false, span{text, style})
}

// ends renders a line with one part at each end; the left one gives way.
func (c *common) ends(w int, selected bool, left, right []span) string {
	room := w
	for _, s := range right {
		room -= cells(s.text)
	}
	if room < 1 {
		return c.line(w, selected, left...)
	}
	return c.line(room, selected, left...) + c.line(w-room, selected, right...)
}

// frame is what stands in the border of a box.
type frame struct {
	title   []span
	right   []span
	focused bool
}

// box puts lines of w-2 cells into a border. The result is h lines of w cells,
// whatever the body has.
func (c *common) box(f frame, body []string, w, h int) []string {
	if w < 2 || h < 2 {
		return blank(w, h)
	}
	border := c.border
	if f.focused {
		border = c.focus
	}
	lines := make([]string, 0, h)
	lines = append(lines, c.boxTop(f, border, w))
	side := border.Render(c.vertical)
	empty := spaces(w - 2)
	for i := range h - 2 {
		inner := empty
		if i < len(body) {
			inner = body[i]
		}
		lines = append(lines, side+inner+side)
	}
	bottom := c.bottomLeft + repeat(c.horizontal, w-2) + c.bottomRight
	return append(lines, border.Render(bottom))
}

func (c *common) boxTop(f frame, border lipgloss.Style, w int) string {
	room := w - 4 // corners and one line at each end
	right, rightCells := f.right, spanCells(f.right)
	if rightCells > 0 && rightCells+spanCells(f.title)+6 > room {
		if over := rightCells + 12; over > room {
			right, rightCells = nil, 0
		}
	}
	left := ""
	leftCells := 0
	if len(f.title) > 0 {
		limit := room - 2
		if rightCells > 0 {
			limit -= rightCells + 3
		}
		leftCells = min(spanCells(f.title), max(limit, 0))
		left = " " + c.line(leftCells, false, f.title...) + " "
		leftCells += 2
	}
	tail := ""
	tailCells := 0
	if rightCells > 0 {
		tail = " " + c.line(rightCells, false, right...) + " "
		tailCells = rightCells + 2
	}
	rule := repeat(c.horizontal, max(room-leftCells-tailCells, 0))
	return border.Render(c.topLeft+c.horizontal) + left + border.Render(rule) + tail + border.Render(c.horizontal+c.topRight)
}

func spanCells(spans []span) (n int) {
	for _, s := range spans {
		n += cells(s.text)
	}
	return n
}

func blank(w, h int) []string {
	lines := make([]string, max(h, 0))
	for i := range lines {
		lines[i] = spaces(w)
	}
	return lines
}

func repeat(s string, n int) string {
	var b []byte
	for range n {
		b = append(b, s...)
	}
	return string(b)
}

// beside joins blocks of equal height.
func beside(blocks ...[]string) []string {
	if len(blocks) == 0 {
		return nil
	}
	lines := make([]string, len(blocks[0]))
	for i := range lines {
		for _, b := range blocks {
			lines[i] += b[i]
		}
	}
	return lines
}
