package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/watch"
)

// streaming serves an event stream that says text and then stays open while open.
func streaming(t *testing.T, text string, open <-chan struct{}) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-open: // gone, and its port nobody else's
			panic(http.ErrAbortHandler)
		default:
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
		w.(http.Flusher).Flush()
		select {
		case <-open:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func clientOf(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A cluster that is started again answers at another port: the reader goes on
// there and says so.
func TestFollowFindsTheClusterAtItsNewAddress(t *testing.T) {
	const hello = "event: hello\ndata: {}\n\n"
	gone := make(chan struct{})
	first := streaming(t, hello, gone)
	second := streaming(t, hello+`data: {"region":"eu","offset":7}`+"\n\n", nil)
	var said []string
	var asked atomic.Int32
	r := &remote{
		Client: clientOf(t, first.URL),
		say:    func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) },
		again: func(context.Context) (*client.Client, error) {
			if asked.Add(1) == 1 {
				return nil, fail.New(fail.Unavailable, "still starting")
			}
			return clientOf(t, second.URL), nil
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stop := func() { close(gone); gone = nil }
	var offsets []int64
	err := r.Follow(ctx, func() {
		if gone != nil {
			stop()
		}
	}, func(heard []api.Observation, _ uint64) {
		for _, o := range heard {
			offsets = append(offsets, o.Offset)
		}
		cancel()
	})
	if err != nil || !slices.Equal(offsets, []int64{7}) {
		t.Fatalf("heard offsets %v, error %v; want the second server's 7", offsets, err)
	}
	text := strings.Join(said, "\n")
	if !strings.Contains(text, first.URL+" went away") || !strings.Contains(text, "back at "+second.URL) {
		t.Errorf("said %q, want that the cluster went away and came back", text)
	}
}

// What the server could not give this reader is counted.
func TestFollowCountsWhatTheServerDropped(t *testing.T) {
	server := streaming(t, "event: hello\ndata: {}\n\n"+
		"event: lost\ndata: {\"count\":3,\"total\":3}\n\n"+
		`data: {"region":"eu","offset":7}`+"\n\n"+
		"event: lost\ndata: {\"count\":2,\"total\":5}\n\n", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var lost uint64
	var observed int
	r := &remote{Client: clientOf(t, server.URL)}
	err := r.Follow(ctx, func() {}, func(heard []api.Observation, dropped uint64) {
		observed += len(heard)
		if lost += dropped; lost == 5 {
			cancel()
		}
	})
	if err != nil || lost != 5 || observed != 1 {
		t.Errorf("%d lost, %d observed, error %v; want 5, 1 and none", lost, observed, err)
	}
}

// A cluster that was started again may have written more than it repeats: that
// is told when what it repeats begins after what was heard last.
func TestARestartTellsWhatMayBeMissing(t *testing.T) {
	for _, c := range []struct {
		what  string
		reset api.Reset
		want  bool
	}{
		{"a gap", api.Reset{Skipped: 40, Events: []api.Observation{{AtMS: 2001}}}, true},
		{"too large to repeat", api.Reset{Skipped: 40}, true},
		{"reaches back", api.Reset{Skipped: 40, Events: []api.Observation{{AtMS: 1999}, {AtMS: 2001}}}, false},
		{"nothing skipped", api.Reset{Events: []api.Observation{{AtMS: 2001}}}, false},
	} {
		var said string
		var heard int
		r := &remote{say: func(format string, args ...any) { said = fmt.Sprintf(format, args...) }}
		f := following{remote: r, newest: 1000, hear: func(o []api.Observation, _ uint64) { heard += len(o) }}
		f.pass([]api.Observation{{Event: event.Event{HLC: hlc.Timestamp{Physical: 2000}}}})
		f.startOver(c.reset)
		if strings.Contains(said, "up to 40 events") != c.want {
			t.Errorf("%s: said %q, want a warning: %v", c.what, said, c.want)
		}
		if want := 1 + len(c.reset.Events); heard != want {
			t.Errorf("%s: %d heard, want %d", c.what, heard, want)
		}
	}
}

// What was written before the reading began is not repeated after a restart.
// The server's clock may be behind the reader's: what it told shows that.
func TestARestartRepeatsNothingFromBeforeTheReading(t *testing.T) {
	epoch := func(ms int64) string { return watch.NewHub(time.UnixMilli(ms), 1).Epoch() }
	const began = 1_700_000_000_000
	for _, c := range []struct {
		what      string
		heard     []int64 // times of what was heard before the restart
		restarted int64
		events    []int64
		want      int
	}{
		{"older and newer", []int64{began + 5}, began + 2000, []int64{began - 1000, began - 1, began + 7, began + 2001}, 2},
		{"nothing heard", nil, began + 2000, []int64{began - 1000, began + 7, began + 2001}, 2},
		{"server behind, as heard", []int64{began - 60_000}, began - 50_000, []int64{began - 70_000, began - 59_000, began - 49_000}, 2},
		{"server behind, nothing heard", nil, began - 50_000, []int64{began - 70_000, began - 49_000}, 1},
	} {
		var heard int
		f := following{remote: &remote{}, began: began, hear: func(o []api.Observation, _ uint64) { heard += len(o) }}
		for _, at := range c.heard {
			f.pass([]api.Observation{{AtMS: at}})
		}
		heard = 0
		reset := api.Reset{Epoch: epoch(c.restarted)}
		for _, at := range c.events {
			reset.Events = append(reset.Events, api.Observation{AtMS: at})
		}
		if f.startOver(reset); heard != c.want {
			t.Errorf("%s: %d of the reset's events heard, want %d", c.what, heard, c.want)
		}
	}
}

// A hub drops what a reader is behind; the reader is told with what comes next.
func TestLocalFollowCountsWhatTheHubDropped(t *testing.T) {
	hub := watch.NewHub(time.Now(), 4)
	hub.Publish(make([]api.Observation, 10)...)
	subscription := hub.Subscribe(0, 4)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var observed, lost uint64
	err := hearAll(ctx, subscription, func(heard []api.Observation, dropped uint64) {
		observed += uint64(len(heard))
		lost += dropped
		hub.Close()
	})
	if err != nil || observed != 4 || lost != 6 {
		t.Errorf("%d observed, %d lost, error %v; want 4, 6 and none", observed, lost, err)
	}
}

// The server's word about who lacks the write comes after the deadline: the
// client is still there to hear it.
func TestAwaitHearsTheServerOutAfterTheDeadline(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait, err := time.ParseDuration(r.URL.Query().Get("timeout_ms") + "ms")
		if err != nil {
			t.Errorf("timeout_ms: %v", err)
		}
		time.Sleep(wait + 100*time.Millisecond)
		w.WriteHeader(http.StatusGatewayTimeout)
		fmt.Fprint(w, `{"error":{"code":"TIMEOUT","message":"ap lacks the write"}}`)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := (&remote{Client: clientOf(t, server.URL)}).Await(ctx, event.Receipt{}, nil)
	if err == nil || !strings.Contains(err.Error(), "ap lacks the write") {
		t.Errorf("error %v, want the server's", err)
	}
}
