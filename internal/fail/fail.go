// Package fail gives every error that reaches a user one shape: a stable code,
// what failed on what, and the command or setting that fixes it.
//
// Lower packages return *Error where they know the remedy; the edges (command
// line, HTTP, TUI) map the code to an exit status or an HTTP status. Nothing
// else in geokv decides those.
package fail

import (
	"errors"
	"fmt"
)

// Code names a class of failure. It is part of the JSON contract
// (docs/json.md) and never changes its meaning.
type Code string

// The codes, grouped by the exit status they lead to.
const (
	Internal Code = "INTERNAL" // 1: a bug or an unclassified failure

	Usage    Code = "USAGE"    // 2: the request itself is malformed
	Rejected Code = "REJECTED" // 2: well formed, and refused for good: a limit or a reserved name, somebody else's directory

	NotFound Code = "NOT_FOUND" // 3

	NotAllowed Code = "NOT_ALLOWED" // 4: wrong or missing token, forbidden host
	WrongType  Code = "WRONGTYPE"   // 4: the key holds another type

	Unavailable Code = "UNAVAILABLE" // 5: a part is down; certainly nothing was written
	Rebuilding  Code = "REBUILDING"  // 5: the view is being rebuilt from the log
	Clock       Code = "CLOCK"       // 5: the wall clock forbids stamping
	Busy        Code = "BUSY"        // 5: a buffer is full; retry later
	Timeout     Code = "TIMEOUT"     // 5: the wait ran out

	Diverged Code = "NOT_CONVERGED" // 6: regions differ
)

// Error is a failure with a stable code and a remedy.
type Error struct {
	Code    Code
	Message string // verb first, names the object: `append to eu.events/6: ...`
	Hint    string // the command or setting that helps; may be empty
	Err     error  // the cause; may be nil
}

// Error renders the message and its cause on one line.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error without a cause.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error around a cause.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// WithHint sets the remedy and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf returns the code of the first *Error in err's chain, or Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// HintOf returns the first non-empty remedy in err's chain.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
