package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// httpError is an error whose status its code alone does not tell.
type httpError struct {
	status int
	err    *fail.Error
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

// statusOf maps error codes to HTTP.
func statusOf(err error) int {
	var special *httpError
	if errors.As(err, &special) {
		return special.status
	}
	switch api.CodeOf(err) {
	case fail.Usage:
		return http.StatusBadRequest
	case fail.Rejected:
		return http.StatusUnprocessableEntity
	case fail.NotFound:
		return http.StatusNotFound
	case fail.NotAllowed:
		return http.StatusForbidden
	case fail.WrongType, fail.Diverged:
		return http.StatusConflict
	case fail.Unavailable, fail.Rebuilding, fail.Clock, fail.Busy:
		return http.StatusServiceUnavailable
	case fail.Timeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// fail answers with an error, unless the answer has begun or nobody waits.
func (s *Server) fail(w *recorder, r *http.Request, err error) {
	if w.status != 0 || errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		s.Logger.Debug("request ended early", "path", r.URL.Path, "error", err)
		return
	}
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		s.Logger.Error("request failed", "path", r.URL.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	writeError(w, status, err)
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, api.ErrorOf(err))
}

// answer writes v as the body of a successful request.
func answer(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := event.Marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
		body, _ = event.Marshal(api.ErrorOf(fail.Wrap(fail.Internal, err, "encode the answer")))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the peer is gone; nobody to tell
}

// readBody decodes the JSON body of a write, which may be empty when v has
// nothing that must be given.
func readBody(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &httpError{http.StatusRequestEntityTooLarge, fail.New(fail.Rejected, "body over %d bytes", maxBody).
			WithHint("a value may have %d bytes; send large sets in several operations", event.MaxValueBytes)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &httpError{http.StatusRequestTimeout, fail.New(fail.Timeout, "the body did not arrive within %v", requestTimeout)}
	case err != nil:
		return fail.Wrap(fail.Usage, err, "read body")
	case len(body) == 0:
		return nil
	}
	if err := event.UnmarshalStrict(body, v); err != nil {
		return badBody(err)
	}
	return nil
}

// badBody answers what cannot be read, as the command line does: USAGE also for
// an operation that does not exist or lacks an argument.
func badBody(err error) error {
	var syntax *json.SyntaxError
	switch {
	case event.AsReject(err) != nil:
		return fail.Wrap(fail.Usage, event.AsReject(err), "read the operation").WithHint("geokv help operations")
	case errors.As(err, &syntax):
		return fail.New(fail.Usage, "body is not JSON: %v at byte %d", syntax, syntax.Offset)
	}
	return fail.New(fail.Usage, "body: %v", err)
}
