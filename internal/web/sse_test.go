package web_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
)

func TestStreamMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		p.hub.Publish(observations(1, 5)...)
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("header %v", resp.Header)
		}
		epoch := p.hub.Epoch()
		if got, want := next(t, lines), `retry: 1000 event: hello id: `+epoch+`-5 data: {"epoch":"`+epoch+`","newest":5}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		sent := time.Now()
		p.hub.Publish(observation(6))
		if got, want := next(t, lines), "id: "+epoch+`-6 data: {"id":6,"kind":"seen","region":"us",`; !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s...", got, want)
		}
		if waited := time.Since(sent); waited != 50*time.Millisecond {
			t.Errorf("the batch went out after %v, want 50ms", waited)
		}
	})
}

// The last so many are counted among those that the reader wants, however long
// ago they came.
func TestRecentCountsWhatTheFilterWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		history := observations(1, 100) // all seen in us but these
		history[4].Kind, history[9].Kind, history[30].Region = api.KindApplied, api.KindApplied, "eu"
		history[20].Kind, history[20].Region = api.KindApplied, "eu"
		p.hub.Publish(history...)
		for query, want := range map[string][]string{
			"?recent=2&kind=applied":           {"10", "21"},
			"?recent=9&kind=applied":           {"5", "10", "21"},
			"?recent=1&region=eu":              {"31"},
			"?recent=1&region=eu&kind=applied": {"21"},
			"?recent=2":                        {"99", "100"},
			"?recent=3&region=us":              {"98", "99", "100"},
		} {
			lines, resp := p.open(t, query)
			next(t, lines)
			for _, id := range want {
				if got := next(t, lines); !strings.HasPrefix(got, "id: "+p.hub.Epoch()+"-"+id+" ") {
					t.Errorf("%s: got %.60s..., want %s", query, got, id)
				}
			}
			resp.Body.Close()
		}
		lines, resp := p.open(t, "?kind=applied")
		defer resp.Body.Close()
		next(t, lines)
		if got := next(t, lines); got != ": heartbeat" {
			t.Errorf("without recent the stream begins with %s", got)
		}
	})
}

// Heartbeats come every 15 s of silence, far beyond the server's own deadlines
// for reading a request and writing an answer.
func TestHeartbeatsKeepTheStreamOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		next(t, lines)
		last := time.Now()
		for range 40 { // ten minutes
			if got := next(t, lines); got != ": heartbeat" {
				t.Fatalf("got %q, want a heartbeat", got)
			}
			if waited := time.Since(last); waited != 15*time.Second {
				t.Fatalf("heartbeat after %v, want 15s", waited)
			}
			last = time.Now()
		}
		p.hub.Publish(observation(1))
		if got := next(t, lines); !strings.HasPrefix(got, "id: ") {
			t.Errorf("got %q, want an observation", got)
		}
	})
}

func TestShutdownEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		next(t, lines)
		ended := make(chan error)
		go func() {
			_, err := lines.ReadByte()
			ended <- err
		}()
		start := time.Now()
		p.stop()
		if waited := time.Since(start); waited > 2*time.Second {
			t.Errorf("Shutdown took %v with a stream open", waited)
		}
		if err := <-ended; err != io.EOF {
			t.Errorf("the stream ended with %v, want EOF", err)
		}
	})
}
