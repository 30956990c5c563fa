package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

const (
	defaultAwait = 10 * time.Second
	maxAwait     = 5 * time.Minute
	defaultLog   = 1000
	maxLog       = 1_000_000
)

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	hub := s.Service.Events()
	return answer(w, api.Health{
		Status: "ok", Version: s.Version, Regions: s.Service.Regions(),
		Events: hub.Newest(), Epoch: hub.Epoch(), Writes: s.Token != "", StartedMS: s.started.UnixMilli(),
	})
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	report, err := s.Service.Status(r.Context())
	if err != nil {
		return err
	}
	return answer(w, report)
}

func (s *Server) livez(w http.ResponseWriter, _ *http.Request) error {
	_, err := fmt.Fprintln(w, "ok")
	return err
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	return answerReady(w, r, s.Service.Ready)
}

func answerReady(w http.ResponseWriter, r *http.Request, ready func(context.Context) error) error {
	if err := ready(r.Context()); err != nil {
		return &httpError{http.StatusServiceUnavailable, &fail.Error{Code: api.CodeOf(err), Message: err.Error(), Hint: fail.HintOf(err)}}
	}
	_, err := fmt.Fprintln(w, "ok")
	return err
}

// ReadyHandler answers GET /readyz as the API does, for a process that has none.
func ReadyHandler(ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		var not *httpError
		if errors.As(answerReady(w, r, ready), &not) {
			writeError(w, not.status, not)
		}
	})
	return mux
}

func (s *Server) unknown(_ http.ResponseWriter, r *http.Request) error {
	return fail.New(fail.NotFound, "%s %s is not part of the API", r.Method, r.URL.Path).WithHint("the routes are in docs/http.md")
}

// await holds the request, a patient one, until the regions have the write.
func (s *Server) await(w http.ResponseWriter, r *http.Request) error {
	receipt, err := event.ParseReceipt(r.URL.Query().Get("receipt"))
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read receipt").WithHint("give the receipt as produce printed it")
	}
	if err := s.checkRegion(receipt.Region); err != nil {
		return err
	}
	regions, err := s.regionsOf(r)
	if err != nil {
		return err
	}
	ms, err := intOf(r, "timeout_ms", defaultAwait.Milliseconds(), 1, maxAwait.Milliseconds())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(ms)*time.Millisecond)
	defer cancel()
	awaited, err := s.Service.Await(ctx, receipt, regions)
	if err != nil {
		return err
	}
	return answer(w, awaited)
}

// regionsOf reads ?regions=us,eu; without it all regions served here are meant.
func (s *Server) regionsOf(r *http.Request) ([]string, error) {
	text := r.URL.Query().Get("regions")
	if text == "" {
		return s.Service.Regions(), nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if err := s.checkRegion(name); err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// extendDeadline gives the answer to one request more time than the server's
// default. (The deadline for reading ends with the request: net/http lifts it
// while a handler runs.)
func extendDeadline(w http.ResponseWriter, d time.Duration) error {
	err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
	if errors.Is(err, http.ErrNotSupported) {
		return nil // no connection below: a test's recorder
	}
	return err
}

// log, a patient request, streams a bounded part of the logs as JSON lines. A failure after the
// first line is told in a last line with the error object.
func (s *Server) log(w http.ResponseWriter, r *http.Request) error {
	q, err := logQuery(r)
	if err != nil {
		return err
	}
	lines := &lineWriter{w: w}
	err = s.Service.Log(r.Context(), q, func(o api.Observation) error { return lines.write(o) })
	if err == nil {
		lines.begin()
		return nil
	}
	if !lines.begun {
		return err
	}
	return lines.write(api.ErrorOf(stopped(r.Context(), err)))
}

func logQuery(r *http.Request) (q api.LogQuery, err error) {
	const latest = math.MaxInt64
	if q.SinceMS, err = intOf(r, "since_ms", 0, 0, latest); err != nil {
		return q, err
	}
	if q.UntilMS, err = intOf(r, "until_ms", 0, 0, latest); err != nil {
		return q, err
	}
	if q.UntilMS != 0 && q.UntilMS <= q.SinceMS {
		return q, fail.New(fail.Usage, "until_ms %d is not after since_ms %d", q.UntilMS, q.SinceMS)
	}
	limit, err := intOf(r, "limit", defaultLog, 0, maxLog) // 0: all, which is streamed and takes no memory
	q.Limit = int(limit)
	return q, err
}

// lineWriter writes JSON lines and gives each the time it needs.
type lineWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lineWriter) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.w.WriteHeader(http.StatusOK)
	}
}

func (l *lineWriter) write(v any) error {
	line, err := event.Marshal(v)
	if err != nil {
		return fail.Wrap(fail.Internal, err, "encode a line of the log")
	}
	l.begin()
	_, err = l.w.Write(append(line, '\n'))
	return err
}
