// Package tui is the terminal interface: people open it, write something, cut a
// region off, and see what active-active means, event by event.
//
// It knows the cluster only through the Source it is given. Model, update and
// view are apart: Update changes state and never waits, every question to the
// cluster is a command, View draws what is there. Each pane and each overlay is
// a component with a size, a scope of keys and a View of exactly that size.
package tui

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/aymanbagabas/go-osc52/v2"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/termenv"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/tui/quiet"
)

func init() { quiet.End() } // the terminal library has been initialized; see package quiet

// Options say what to show and how.
type Options struct {
	Source  Source
	Regions []string // names in index order
	Title   Where    // what is looked at
	Notice  string   // said once at the start
	API     string   // address of the API, until a report says another
	Mix     []Share  // what simulated steps are made of

	// For the command lines that it shows, in a shell's words.
	Program string // geokv with the flags that find this cluster; default "geokv"
	Token   string // the API's token; default "$GEOKV_TOKEN"

	Theme   Theme
	ASCII   bool // no characters beyond ASCII but in data
	NoColor bool
	NoMouse bool

	In   io.Reader // a terminal
	Out  io.Writer // a terminal
	Wall func() time.Time
	Zone *time.Location // nil: local
}

// Check refuses to start where there is no terminal, naming the commands that
// work without one.
func Check(in io.Reader, out io.Writer) error {
	if isTerminal(in) && isTerminal(out) {
		return nil
	}
	return fail.New(fail.Usage, "start the terminal interface: input and output are not both a terminal").
		WithHint("geokv tail and geokv status show the same without one")
}

func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(f.Fd())
}

// Run shows the interface until the user quits or ctx ends, and leaves the
// terminal as it was, after a panic too.
func Run(ctx context.Context, o Options) error {
	if err := Check(o.In, o.Out); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c := newCommon(ctx, o)
	m := newModel(c, o)
	m.copy = func(text string) tea.Cmd { return copyTo(o.Out, text) }
	m.stop = func() tea.Cmd {
		return tea.Exec(stopped{o.Out}, func(err error) tea.Msg { return resumedMsg{err} })
	}
	settings := []tea.ProgramOption{
		tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithAltScreen(),
		tea.WithoutSignalHandler(), // ctx ends with the signal; who catches it is the command's business
	}
	if m.mouse {
		settings = append(settings, tea.WithMouseCellMotion())
	}
	program := tea.NewProgram(m, settings...)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		m.feed.run(ctx, o.Source)
	}()
	quit := context.AfterFunc(ctx, program.Quit)
	_, _ = io.WriteString(o.Out, gridOn)
	_, err := program.Run()
	_, _ = io.WriteString(o.Out, gridOff)
	quit()
	stop()
	<-followed
	if errors.Is(err, tea.ErrProgramPanic) {
		return fail.Wrap(fail.Internal, err, "the terminal interface failed")
	}
	return err
}

// While the interface runs the terminal neither wraps lines nor reorders them
// for text that runs from right to left: a character that it draws wider than we
// count costs the end of its line and nothing else, and columns stay in place.
const (
	gridOn  = "\x1b[?7l\x1b[8l"
	gridOff = "\x1b[?7h\x1b[8h"
)

func newCommon(ctx context.Context, o Options) *common {
	renderer := lipgloss.NewRenderer(o.Out)
	if o.NoColor {
		renderer.SetColorProfile(termenv.Ascii)
	}
	c := &common{
		ctx: ctx, source: o.Source, regions: o.Regions, wall: o.Wall, zone: o.Zone, api: o.API,
		program: cmp.Or(o.Program, "geokv"), token: cmp.Or(o.Token, "$GEOKV_TOKEN"),
		keys: keymap(), renderer: renderer, ascii: o.ASCII, glyphs: unicodeGlyphs, dark: true,
	}
	if c.wall == nil {
		c.wall = time.Now
	}
	if c.zone == nil {
		c.zone = time.Local
	}
	if o.ASCII {
		c.glyphs = asciiGlyphs
	}
	if o.Theme == ThemeAuto || o.Theme == ThemeContrast || o.Theme == "" {
		c.dark = renderer.HasDarkBackground() // asks the terminal: once, before anything reads its input
	}
	c.setTheme(cmp.Or(o.Theme, ThemeAuto))
	return c
}

// copyTo asks the terminal to put a text on the clipboard. Terminals that do not
// know the sequence ignore it; inside tmux it is wrapped to reach the outer one.
func copyTo(out io.Writer, text string) tea.Cmd {
	return func() tea.Msg {
		sequence := osc52.New(text)
		if os.Getenv("TMUX") != "" {
			_, _ = sequence.WriteTo(out) // for tmux's own buffer
			sequence = sequence.Tmux()
		}
		_, _ = sequence.WriteTo(out)
		return nil
	}
}
