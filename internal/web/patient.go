package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/geokv/geokv/internal/fail"
)

// errStopping ends requests that wait when the server shuts down.
var errStopping = errors.New("the server is shutting down")

// patient is for requests that may take minutes: they are few at a time, their
// answers get the time, and they do not hold up the server's end.
func (s *Server) patient(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		leave, ok := s.waiting.enter()
		if !ok {
			return fail.New(fail.Busy, "more than %d requests are waiting already", maxWaiting)
		}
		defer leave()
		if err := extendDeadline(w, maxAwait+answerTimeout); err != nil {
			return err
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(s.serving, func() { cancel(errStopping) })()
		return stopped(ctx, h(w, r.WithContext(ctx)))
	}
}

// stopped says of a request that failed because the server ends that it did.
func stopped(ctx context.Context, err error) error {
	if err == nil || !errors.Is(context.Cause(ctx), errStopping) {
		return err
	}
	return fail.Wrap(fail.Unavailable, errStopping, "wait no longer").WithHint("ask again once it is back")
}
