package web

import (
	"context"
	"errors"
	"net/http"
	"time"

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
		return s.lasting(w, r, h)
	}
}

// inTurn is for reads of whole values: each keeps Redis from everything else and
// is held in memory, so that only some run at once and the others wait their
// turn. Requests that wait for regions take none of their places.
func (s *Server) inTurn(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		return s.lasting(w, r, func(w http.ResponseWriter, r *http.Request) error {
			turn := time.NewTimer(answerTimeout)
			defer turn.Stop()
			select {
			case s.wholes <- struct{}{}:
				defer func() { <-s.wholes }()
			case <-turn.C:
				return fail.New(fail.Busy, "%d whole values are being read already", maxWholes).WithHint("try again, or read in parts: --limit N, over HTTP limit=N")
			case <-r.Context().Done():
				return r.Context().Err()
			}
			if err := extendDeadline(w, answerTimeout); err != nil { // who reads slowly keeps no place for long
				return err
			}
			return h(w, r)
		})
	}
}

// lasting gives an answer the time that it may take, and ends with the server.
func (s *Server) lasting(w http.ResponseWriter, r *http.Request, h func(http.ResponseWriter, *http.Request) error) error {
	if err := extendDeadline(w, maxAwait+answerTimeout); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.serving, func() { cancel(errStopping) })()
	return stopped(ctx, h(w, r.WithContext(ctx)))
}

// stopped says of a request that failed because the server ends that it did.
func stopped(ctx context.Context, err error) error {
	if err == nil || !errors.Is(context.Cause(ctx), errStopping) {
		return err
	}
	return fail.Wrap(fail.Unavailable, errStopping, "wait no longer").WithHint("ask again once it is back")
}
