package api

import (
	"errors"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// Error is the body of every failed request.
type Error struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail carries a fail.Error over the wire.
type ErrorDetail struct {
	Code    fail.Code `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

// CodeOf classifies any error of geokv: its own code, REJECTED for an event or
// operation that can never be accepted, TIMEOUT for a deadline, else INTERNAL.
func CodeOf(err error) fail.Code {
	var own *fail.Error
	var unknownOp *event.UnknownOpError
	var deadline interface{ Timeout() bool } // context's and net's
	switch {
	case errors.As(err, &own):
		return own.Code
	case event.AsReject(err) != nil:
		return fail.Rejected
	case errors.As(err, &unknownOp):
		return fail.Usage
	case errors.As(err, &deadline) && deadline.Timeout():
		return fail.Timeout
	}
	return fail.Internal
}

// ErrorOf renders an error as the body of a failed request.
func ErrorOf(err error) Error {
	return Error{ErrorDetail{CodeOf(err), err.Error(), fail.HintOf(err)}}
}

// Fail is the error that the detail carries.
func (d ErrorDetail) Fail() *fail.Error {
	return &fail.Error{Code: d.Code, Message: d.Message, Hint: d.Hint}
}
