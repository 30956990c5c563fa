package web

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/watch"
)

const (
	batchEvery     = 50 * time.Millisecond
	heartbeatEvery = 15 * time.Second
	maxPending     = 512              // observations that are written before batchEvery has passed
	chunkBytes     = 16 << 10         // most that one write to a reader carries
	stuckAfter     = 60 * time.Second // a reader that takes no byte for so long is gone
	resetEvents    = 200              // re-read from the logs for a reader of another epoch
	resetBytes     = 4 << 20          // of them, the newest that fit
	maxRecent      = 10_000
)

// events is the stream of observations.
//
// Loss policy: a reader that is slower than the cluster loses the oldest
// observations beyond its buffer and is told how many by a `lost` message before
// those that follow. Nothing it does slows the cluster down.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return nil
	}
	leave, ok := s.streams.enter()
	if !ok {
		w.Header().Set("Retry-After", "5")
		return fail.New(fail.Busy, "more than %d readers follow the events already", s.MaxStreams)
	}
	defer leave()
	st, err := s.newStream(w, r)
	if err != nil {
		return err
	}
	defer st.sub.Close() // subscribed before the answer: nothing is missed between
	if err := st.begin(r.Context()); err != nil {
		return err
	}
	return st.follow(r.Context(), s.serving.Done())
}

// stream is one reader.
type stream struct {
	server *Server
	w      http.ResponseWriter
	rc     *http.ResponseController
	hub    *watch.Hub
	sub    *watch.Subscription
	epoch  string
	newest uint64 // when the reader came
	from   uint64 // the id before the first that it gets
	filter filter
	reset  bool  // the reader comes from another epoch
	since  int64 // when that epoch began, Unix milliseconds

	pending []api.Observation
	lost    uint64 // told so far
	buf     bytes.Buffer
}

// filter lets observations through by region and kind; empty lets all.
type filter struct {
	region string
	kind   api.Kind
}

func (f filter) wants(o api.Observation) bool {
	return (f.region == "" || f.region == o.Region) && (f.kind == "" || f.kind == o.Kind)
}

func (s *Server) newStream(w http.ResponseWriter, r *http.Request) (*stream, error) {
	hub := s.Service.Events()
	st := &stream{
		server: s, w: w, rc: http.NewResponseController(w), hub: hub, epoch: hub.Epoch(), newest: hub.Newest(),
		filter: filter{r.URL.Query().Get("region"), api.Kind(r.URL.Query().Get("kind"))},
	}
	if st.filter.region != "" {
		if err := s.checkRegion(st.filter.region); err != nil {
			return nil, err
		}
	}
	if k := st.filter.kind; k != "" && k != api.KindSeen && k != api.KindApplied {
		return nil, fail.New(fail.Usage, "kind %q, want seen or applied", k)
	}
	var err error
	if st.from, err = st.position(r); err != nil {
		return nil, err
	}
	st.sub = hub.Subscribe(st.from, s.StreamBuffer)
	return st, nil
}

// position decides after which id the stream starts: Last-Event-ID (or last_id,
// for readers that cannot set headers), else the last ?recent= of the wanted,
// else those since ?since_ms= in the history, else now.
func (st *stream) position(r *http.Request) (uint64, error) {
	query := r.URL.Query()
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = query.Get("last_id")
	}
	if last != "" {
		return st.resume(last)
	}
	recent, err := intOf(r, "recent", 0, 0, maxRecent)
	if err != nil {
		return 0, err
	}
	since, err := intOf(r, "since_ms", 0, 0, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	from := st.before(int(recent))
	if since == 0 {
		return from, nil
	}
	for _, o := range st.hub.Recent(watch.DefaultHistory) {
		if o.AtMS >= since {
			return min(from, o.ID-1), nil
		}
	}
	return from, nil
}

// before returns the id after which the last n wanted observations follow.
func (st *stream) before(n int) uint64 {
	if st.filter == (filter{}) || n == 0 {
		return st.newest - min(st.newest, uint64(n))
	}
	history := st.hub.Recent(watch.DefaultHistory)
	from := st.newest
	for i := len(history) - 1; i >= 0 && n > 0; i-- {
		if st.filter.wants(history[i]) {
			from, n = history[i].ID-1, n-1
		}
	}
	return from
}

// resume reads an id of this stream. One of another epoch says nothing about
// this history, so its reader gets a reset; what was never an id is refused,
// since to start at now instead would hide what was missed.
func (st *stream) resume(last string) (uint64, error) {
	epoch, number, _ := strings.Cut(last, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	began, isEpoch := watch.EpochBegan(epoch)
	if err != nil || !isEpoch {
		return 0, fail.New(fail.Usage, "last event id %q, want <epoch>-<number> as the stream sent it", last)
	}
	if epoch == st.epoch && n <= st.newest {
		return n, nil
	}
	st.reset, st.since = true, began.UnixMilli()
	return st.newest, nil
}

// begin answers 200 and says where the stream stands. The id of hello is that
// before the first observation: a reader that leaves right after hello has seen
// none of them, and comes back with it.
func (st *stream) begin(ctx context.Context) error {
	var reset *api.Reset
	if st.reset {
		events, skipped, err := st.server.Service.Recent(ctx, resetEvents, st.since)
		if err != nil {
			return err
		}
		reset = boundedReset(st.epoch, events, skipped)
	}
	header := st.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // a proxy that collects the stream would freeze it
	st.w.WriteHeader(http.StatusOK)
	fmt.Fprint(&st.buf, "retry: 1000\n")
	st.message("hello", st.from, api.Hello{Epoch: st.epoch, Newest: st.from})
	if reset != nil {
		st.message("reset", st.from, reset)
	}
	return st.send()
}

// boundedReset keeps the newest events that fit into resetBytes; the others
// count as skipped.
func boundedReset(epoch string, events []api.Observation, skipped int64) *api.Reset {
	size, first := 0, len(events)
	for first > 0 {
		body, err := event.Marshal(events[first-1])
		if size += len(body); err != nil || size > resetBytes {
			break
		}
		first--
	}
	return &api.Reset{Epoch: epoch, Skipped: skipped + int64(first), Events: events[first:]}
}

// follow writes batches until the reader, the hub or the server is gone. Timers
// run only while something waits, so that idle readers cost next to nothing.
func (st *stream) follow(ctx context.Context, stopping <-chan struct{}) error {
	heartbeat := time.NewTimer(heartbeatEvery)
	defer heartbeat.Stop()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stopping:
			return nil
		case batch, open := <-st.sub.C:
			if !open {
				return nil
			}
			st.pending = append(st.pending, batch...)
			if due == nil {
				due = time.After(batchEvery)
			}
			if len(st.pending) < maxPending {
				continue
			}
		case <-due:
		case <-heartbeat.C:
			st.buf.WriteString(": heartbeat\n\n")
		}
		due = nil
		if err := st.flush(); err != nil {
			return err
		}
		heartbeat.Reset(heartbeatEvery)
	}
}

// flush writes what gathered, in chunks, with the number of what was dropped.
func (st *stream) flush() error {
	if total := st.sub.Lost(); total > st.lost {
		st.server.metrics.streamLost(total - st.lost)
		st.message("lost", 0, api.Lost{Count: total - st.lost, Total: total})
		st.lost = total
	}
	for _, o := range st.pending {
		if !st.filter.wants(o) {
			continue
		}
		st.message("", o.ID, o)
		if st.buf.Len() >= chunkBytes {
			if err := st.send(); err != nil {
				return err
			}
		}
	}
	st.pending = nil
	return st.send()
}

// message appends one SSE message. JSON has no line breaks, so one data line
// holds it whatever the event carries.
func (st *stream) message(name string, id uint64, data any) {
	body, err := event.Marshal(data)
	if err != nil {
		st.server.Logger.Error("encode an event for the stream", "error", err)
		return
	}
	if name != "" {
		fmt.Fprintf(&st.buf, "event: %s\n", name)
	}
	if id != 0 || name == "hello" || name == "reset" {
		fmt.Fprintf(&st.buf, "id: %s-%d\n", st.epoch, id)
	}
	fmt.Fprintf(&st.buf, "data: %s\n\n", body)
}

// send writes the buffer. The server's write deadline would cut the stream, so
// every write gets its own: it ends only a reader that takes nothing at all.
func (st *stream) send() error {
	if st.buf.Len() == 0 {
		return nil
	}
	if err := extendDeadline(st.w, stuckAfter); err != nil {
		return err
	}
	_, err := st.w.Write(st.buf.Bytes())
	st.buf.Reset()
	if err != nil {
		return err
	}
	return st.rc.Flush()
}
