package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/pause"
)

const (
	silence    = 45 * time.Second // three heartbeats: the connection is dead
	firstPause = 250 * time.Millisecond
	longPause  = 5 * time.Second
	maxLine    = 16 << 20
	maxBatch   = 512
)

// Follow says where the event stream starts and what it carries.
type Follow struct {
	LastID  string   // resume after this message; wins over the others
	Recent  int      // the last so many observations first
	SinceMS int64    // or those since this time that the server still remembers
	Region  string   // only observations of this region; "" all
	Kind    api.Kind // only this kind; "" both
}

// Message is one thing the stream says; exactly one of the first five is set.
type Message struct {
	Observations []api.Observation // in order; several when they came together
	Hello        *api.Hello        // connected, or connected again
	Reset        *api.Reset        // the server restarted: start over from these
	Lost         *api.Lost         // this reader was too slow
	Down         error             // the stream broke and is being resumed

	LastID string // where to resume
}

// Follow reads the event stream and calls each until ctx ends (nil), each fails
// (its error) or the server refuses. A stream that breaks is resumed where it
// stopped, for as long as it takes; only the first connection may fail.
func (c *Client) Follow(ctx context.Context, f Follow, each func(Message) error) error {
	reader := &follower{client: c, follow: f, each: each, last: f.LastID, pause: firstPause}
	for {
		err := reader.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case reader.stopped != nil:
			return reader.stopped
		case !reader.everConnected || refused(err):
			return err
		}
		if err := each(Message{Down: err, LastID: reader.last}); err != nil {
			return err
		}
		if !pause.For(ctx, reader.pause) {
			return nil
		}
		reader.pause = min(2*reader.pause, longPause)
	}
}

// refused reports an answer that will not change by asking again.
func refused(err error) bool {
	switch code := fail.CodeOf(err); code {
	case fail.Usage, fail.NotFound, fail.NotAllowed:
		return true
	}
	return false
}

type follower struct {
	client        *Client
	follow        Follow
	each          func(Message) error
	last          string
	pause         time.Duration
	everConnected bool
	stopped       error // what each returned
	batch         []api.Observation
}

// once reads one connection until it ends; the error is never nil.
func (f *follower) once(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watchdog.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if f.last != "" {
		header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.client.send(ctx, http.MethodGet, "/api/events", f.query(), nil, header)
	if err != nil {
		return silentOr(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return f.client.failure(resp)
	}
	f.everConnected, f.batch = true, nil
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var m sseMessage
	for {
		line, err := readLine(lines)
		if err != nil {
			return f.after(silentOr(ctx, fail.Wrap(fail.Unavailable, err, "follow the events of %s", f.client.base)))
		}
		watchdog.Reset(silence)
		if len(line) > 0 {
			m.add(line)
			continue
		}
		if err := f.take(m, lines.Buffered() > 0); err != nil {
			return f.after(err)
		}
		m = sseMessage{}
	}
}

// after is the end of a connection: what came before is delivered, since it is
// not asked for again.
func (f *follower) after(end error) error {
	if err := f.deliverBatch(); err != nil {
		return err
	}
	return end
}

var errSilent = errors.New("no heartbeat for 45s")

func silentOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause == errSilent {
		return fail.Wrap(fail.Timeout, cause, "follow the events")
	}
	return err
}

func (f *follower) query() url.Values {
	q := url.Values{}
	setIf(q, "region", f.follow.Region)
	setIf(q, "kind", string(f.follow.Kind))
	if f.last == "" {
		setInt(q, "recent", int64(f.follow.Recent))
		setInt(q, "since_ms", f.follow.SinceMS)
	}
	return q
}

// take handles one message. Observations gather while more is at hand.
func (f *follower) take(m sseMessage, more bool) error {
	if m.id != "" {
		f.last = m.id
	}
	msg := Message{}
	var err error
	switch m.event {
	case "hello":
		f.pause = firstPause
		err = json.Unmarshal(m.data, &msg.Hello)
	case "reset":
		err = json.Unmarshal(m.data, &msg.Reset)
	case "lost":
		err = json.Unmarshal(m.data, &msg.Lost)
	case "":
		return f.gather(m.data, more)
	default:
		return nil // of a newer server
	}
	if err != nil {
		return fail.Wrap(fail.Internal, err, "read the event stream's %s message", m.event)
	}
	if err := f.deliverBatch(); err != nil {
		return err
	}
	return f.deliver(msg)
}

func (f *follower) gather(data []byte, more bool) error {
	if len(data) > 0 { // else a heartbeat
		var o api.Observation
		if err := json.Unmarshal(data, &o); err != nil {
			return fail.Wrap(fail.Internal, err, "read an observation")
		}
		f.batch = append(f.batch, o)
	}
	if more && len(f.batch) < maxBatch {
		return nil
	}
	return f.deliverBatch()
}

func (f *follower) deliverBatch() error {
	if len(f.batch) == 0 {
		return nil
	}
	batch := f.batch
	f.batch = nil
	return f.deliver(Message{Observations: batch})
}

func (f *follower) deliver(m Message) error {
	m.LastID = f.last
	f.stopped = f.each(m)
	return f.stopped
}

// sseMessage is one message of a text/event-stream.
type sseMessage struct {
	event, id string
	data      []byte
}

// add takes one line: "field: value" or ": comment".
func (m *sseMessage) add(line []byte) {
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		m.event = string(value)
	case "id":
		m.id = string(value)
	case "data":
		if m.data != nil {
			m.data = append(m.data, '\n')
		}
		m.data = append(m.data, value...)
	}
}

// readLine reads one line of bounded length, without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return []byte(strings.TrimRight(string(line), "\r\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		case len(line) > maxLine:
			return nil, errors.New("a line of the event stream is too long")
		}
	}
}
