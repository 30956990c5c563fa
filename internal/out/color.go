package out

import (
	"os"

	"golang.org/x/term"

	"github.com/geokv/geokv/internal/fail"
)

// ColorMode is the value of --color.
type ColorMode string

// The colour modes.
const (
	ColorAuto   ColorMode = "auto"
	ColorAlways ColorMode = "always"
	ColorNever  ColorMode = "never"
)

// UseColor is the one place that decides about colour: --color, then NO_COLOR,
// then CLICOLOR_FORCE, then TERM=dumb and CLICOLOR=0, then whether the output is
// a terminal.
func UseColor(mode ColorMode, tty bool, getenv func(string) string) (bool, error) {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case mode == ColorAlways:
		return true, nil
	case mode == ColorNever:
		return false, nil
	case mode != ColorAuto && mode != "":
		return false, fail.New(fail.Usage, "--color %q: want auto, always or never", string(mode))
	case getenv("NO_COLOR") != "":
		return false, nil
	case force != "" && force != "0":
		return true, nil
	case getenv("TERM") == "dumb" || getenv("CLICOLOR") == "0":
		return false, nil
	}
	return tty, nil
}

// IsTerminal reports whether a stream is a terminal: only then are prompts,
// padding and progress bars wanted. A stream that is not a file is none.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width returns the columns of a terminal, 0 when the stream is none.
func width(stream any) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// Role is what a text means; the printer picks its colour. State is never told
// by colour alone, so a Role only repeats what the text says.
type Role uint8

// The roles.
const (
	Plain Role = iota
	Dim
	Good
	Warn
	Bad
)

func (r Role) escape() string {
	return [...]string{
		Plain: "", Dim: "\x1b[2m", Good: "\x1b[32m",
		Warn: "\x1b[33m", Bad: "\x1b[31m",
	}[r]
}
