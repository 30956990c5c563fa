package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// streaming serves an event stream that says text and then stays open while open.
func streaming(t *testing.T, text string, open <-chan struct{}) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	stop := func() { close(gone); gone = nil; go first.Close() }
	err := r.Follow(ctx, func() {
		if gone != nil {
			stop()
		}
	}, func(o api.Observation) error {
		if o.Offset != 7 {
			t.Errorf("offset %d, want 7", o.Offset)
		}
		return errMovedOn
	})
	if err != errMovedOn {
		t.Fatalf("error %v, want the second server's observation", err)
	}
	text := strings.Join(said, "\n")
	if !strings.Contains(text, first.URL+" went away") || !strings.Contains(text, "back at "+second.URL) {
		t.Errorf("said %q, want that the cluster went away and came back", text)
	}
}

var errMovedOn = fail.New(fail.Internal, "enough")

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
