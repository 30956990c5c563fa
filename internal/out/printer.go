// Package out is the only way from a command to the terminal: tables for
// people, JSON for programs, errors with their hints and exit status. It decides
// about colour, makes untrusted text safe to show and keeps stdout for results
// and stderr for everything said about them.
package out

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// Format is the value of -o.
type Format string

// The formats. JSONL is for commands that stream: one value per line.
const (
	Table Format = "table"
	JSON  Format = "json"
	JSONL Format = "jsonl"
)

// ParseFormat reads -o, refusing what the command does not offer.
func ParseFormat(text string, offered ...Format) (Format, error) {
	if f := Format(text); slices.Contains(offered, f) {
		return f, nil
	}
	names := make([]string, len(offered))
	for i, f := range offered {
		names[i] = string(f)
	}
	return "", fail.New(fail.Usage, "-o %q: this command offers %s", text, strings.Join(names, ", "))
}

// Printer writes one command's results and messages.
type Printer struct {
	Out    io.Writer // results
	Err    io.Writer // progress, notes, errors
	Format Format
	Color  bool // styles on Out
	TTY    bool // Out is a terminal: pad and cut tables
	ErrTTY bool // Err is a terminal: progress bars
	Width  int  // columns of the terminal; 0 unknown
}

// New makes a printer for two streams, with colour as the environment and
// --color want it. The error has code USAGE.
func New(out, err io.Writer, format Format, color ColorMode, getenv func(string) string) (*Printer, error) {
	p := &Printer{Out: out, Err: err, Format: format, TTY: IsTerminal(out), ErrTTY: IsTerminal(err), Width: width(out)}
	use, bad := UseColor(color, p.TTY, getenv)
	p.Color = use
	return p, bad
}

// Result prints a value in the chosen format: JSON encodes v, a table is made
// only when it is wanted.
func (p *Printer) Result(v any, table func() Grid) error {
	switch p.Format {
	case JSON:
		return p.JSON(v)
	case JSONL:
		return p.Line(v)
	}
	return p.Grid(table())
}

// JSON prints v indented by two spaces, without HTML escaping.
func (p *Printer) JSON(v any) error { return p.encode(v, "  ") }

// Line prints v as one line of JSON.
func (p *Printer) Line(v any) error { return p.encode(v, "") }

func (p *Printer) encode(v any, indent string) error {
	enc := json.NewEncoder(p.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// Printf prints text for people; with a JSON format it prints nothing, so that
// stdout stays JSON. Arguments that users control must go through Safe.
func (p *Printer) Printf(format string, args ...any) {
	if p.Format == Table || p.Format == "" {
		fmt.Fprintf(p.Out, format, args...)
	}
}

// Note tells something beside the result, on stderr in every format.
func (p *Printer) Note(format string, args ...any) {
	fmt.Fprintf(p.Err, format+"\n", args...)
}

// Style renders text in the colour of its role, or as it is without colour. The
// text must be safe already.
func (p *Printer) Style(r Role, text string) string {
	if !p.Color || r == Plain || text == "" {
		return text
	}
	return r.escape() + text + "\x1b[0m"
}
