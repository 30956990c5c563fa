package out

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
)

// Exit statuses of the command line, documented in `geokv help exit-codes`.
const (
	ExitOK           = 0
	ExitError        = 1
	ExitUsage        = 2
	ExitNotFound     = 3
	ExitNotAllowed   = 4
	ExitUnavailable  = 5
	ExitNotConverged = 6
	ExitInterrupted  = 130
)

// ExitCode is the one mapping from errors to exit statuses.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, new(*PartlyDone)):
		return ExitError
	}
	switch api.CodeOf(err) {
	case fail.Usage, fail.Rejected:
		return ExitUsage
	case fail.NotFound:
		return ExitNotFound
	case fail.NotAllowed, fail.WrongType:
		return ExitNotAllowed
	case fail.Unavailable, fail.Rebuilding, fail.Clock, fail.Busy, fail.Timeout:
		return ExitUnavailable
	case fail.Diverged:
		return ExitNotConverged
	}
	return ExitError
}

// PartlyDone is the failure of a command that did the rest of its work: it has
// the code and the hint of what failed, and exit status 1 whatever the code.
type PartlyDone struct{ Err error }

func (p *PartlyDone) Error() string { return p.Err.Error() }

// Unwrap returns what failed.
func (p *PartlyDone) Unwrap() error { return p.Err }

// Error reports a failed command on stderr and returns its exit status: one
// line and a hint, or the JSON error object with a JSON format. An interruption
// that has nothing to add prints nothing.
func (p *Printer) Error(err error) int {
	code := ExitCode(err)
	switch {
	case err == nil, err == context.Canceled:
	case p.Format == JSON || p.Format == JSONL:
		to := Printer{Out: p.Err}
		_ = to.Line(api.ErrorOf(err)) // nowhere left to report to
	default:
		fmt.Fprint(p.Err, p.errorText(err))
	}
	return code
}

func (p *Printer) errorText(err error) string {
	color := Printer{Color: p.Color && p.ErrTTY}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = Safe(line)
	}
	text := color.Style(Bad, "geokv:") + " " + strings.Join(lines, "\n") + "\n"
	if hint := fail.HintOf(err); hint != "" {
		text += "  " + color.Style(Dim, "hint:") + " " + Safe(hint) + "\n"
	}
	return text
}
