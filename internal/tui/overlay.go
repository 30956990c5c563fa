package tui

import (
	"slices"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"
)

// overlay is a window over the panes. Overlays are stacked: Esc goes back to the
// one below.
type overlay interface {
	scope() scope
	SetSize(w, h int) // of the screen it may use
	View() []string   // a box, narrower than the screen
	act(m *Model, a action) tea.Cmd
}

// typist is an overlay that takes text: keys that are bound to nothing.
type typist interface {
	typed(m *Model, msg tea.KeyMsg) tea.Cmd
}

// place is where a box of a size stands: its top stays where it is when the box
// grows, as long as there is room below.
func place(width, height, w, h int) (x, y int) {
	return (width - w) / 2, max(min(height/5, height-1-h), 0)
}

// lay puts a box over a screen. Wide characters that the box
// cuts in half become blanks, so that every line keeps its width.
func lay(base, box []string, width int) []string {
	if len(box) == 0 {
		return base
	}
	w := cells(box[0])
	x, y := place(width, len(base), w, len(box))
	for i, line := range box {
		if y+i >= len(base) {
			break
		}
		left := ansi.Truncate(base[y+i], x, "")
		left += spaces(x - cells(left))
		room := width - x - w
		right := ansi.TruncateLeft(base[y+i], x+w, "")
		if cells(right) > room { // half of a wide character is left
			right = ansi.TruncateLeft(base[y+i], x+w+1, "")
		}
		right = spaces(room-cells(right)) + right
		base[y+i] = left + line + right
	}
	return base
}

// scroller is a window on lines.
type scroller struct{ top, total, room int }

func (s *scroller) act(a action) {
	switch a {
	case actUp:
		s.top--
	case actDown:
		s.top++
	case actPageUp:
		s.top -= s.room
	case actPageDown:
		s.top += s.room
	}
	s.clamp()
}

func (s *scroller) clamp() { s.top = max(min(s.top, s.total-s.room), 0) }

// window returns the lines that are on screen.
func (s *scroller) window(lines []string, room int) []string {
	s.total, s.room = len(lines), max(room, 1)
	s.clamp()
	return lines[s.top:min(s.top+s.room, len(lines))]
}

// more says how much there is beyond the window.
func (s *scroller) more() string {
	if s.total <= s.room {
		return ""
	}
	return count(min(s.top+s.room, s.total)) + "/" + count(s.total)
}

// input is a line of text being edited. The library edits; drawing is our own,
// because what is pasted is as untrusted as any value.
type input struct {
	c *common
	textinput.Model
}

func newInput(c *common, limit int) input {
	in := input{c, textinput.New()}
	in.CharLimit = limit
	in.Focus()
	return in
}

// edit changes the text. Alt with a letter that edits nothing is no text: on a
// slow line Esc and the next key come as that.
func (in *input) edit(msg tea.KeyMsg) {
	if msg.Alt && msg.Type == tea.KeyRunes && !slices.Contains([]string{"b", "d", "f"}, string(msg.Runes)) {
		return
	}
	in.Model, _ = in.Model.Update(msg)
}

func (in *input) set(text string) {
	in.SetValue(text)
	in.CursorEnd()
}

// draw renders the text in w cells with the cursor on screen.
func (in *input) draw(w int, focused bool, hint string) []span {
	c := in.c
	if in.Value() == "" && !focused {
		return []span{{shorten(hint, w, c.ellipsis), c.dim}}
	}
	runes := []rune(in.Value())
	at := min(in.Position(), len(runes))
	before, under, after := clean(string(runes[:at])), " ", ""
	if at < len(runes) {
		under, after = clean(string(runes[at])), clean(string(runes[at+1:]))
	}
	if !focused {
		return []span{{shorten(before+under+after, w, c.ellipsis), c.text}}
	}
	if over := cells(before) + cells(under) - w; over > 0 {
		before = ansi.TruncateLeft(before, over+1, c.ellipsis)
	}
	spans := []span{{before, c.text}}
	if c.renderer.ColorProfile() == termenv.Ascii { // no reverse video either: a mark of its own
		spans = append(spans, span{"_", c.text})
		if under != " " || after != "" {
			spans = append(spans, span{under, c.text})
		}
	} else {
		spans = append(spans, span{under, c.text.Reverse(true)})
	}
	if after != "" {
		spans = append(spans, span{after, c.text})
	}
	if in.Value() == "" {
		spans = append(spans, span{" " + hint, c.dim})
	}
	return spans
}
