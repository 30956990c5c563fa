package tui

import (
	"context"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/pause"
)

const (
	feedInterval = 66 * time.Millisecond // fifteen deliveries a second look continuous
	feedLimit    = 30_000                // observations waiting to be shown
	feedRecent   = 300                   // observations asked for at the start
	retryPause   = 2 * time.Second
)

// feed stands between the stream, which may bring thousands of observations a
// second, and the program, which draws after each message it gets. It gathers
// what comes and hands it over in pieces, at most one per feedInterval.
//
// Loss policy: the stream is never held up. Beyond feedLimit waiting
// observations the oldest are dropped and counted.
type feed struct {
	mu      sync.Mutex
	waiting news
	signal  chan struct{} // holds one token while waiting is not empty
	limit   int
}

// news is what came since the last delivery.
type news struct {
	observations []api.Observation
	dropped      uint64 // here, for want of room
	lost         uint64 // by the source
	connected    bool
	down         error
	fresh        bool // connected and down say something new
}

// feedMsg hands news to the program.
type feedMsg news

func newFeed(limit int) *feed { return &feed{signal: make(chan struct{}, 1), limit: limit} }

// run follows the stream until ctx ends; a source that refuses is asked again.
func (f *feed) run(ctx context.Context, source Stream) {
	for ctx.Err() == nil {
		err := source.Follow(ctx, feedRecent, func(n News) error {
			f.push(n)
			return ctx.Err()
		})
		if err == nil || ctx.Err() != nil {
			continue
		}
		f.push(News{Down: err})
		pause.For(ctx, retryPause)
	}
}

func (f *feed) push(n News) {
	f.mu.Lock()
	w := &f.waiting
	w.observations = append(w.observations, n.Observations...)
	if over := len(w.observations) - f.limit; over > 0 {
		w.dropped += uint64(over)
		w.observations = append([]api.Observation(nil), w.observations[over:]...)
	}
	w.lost += n.Lost
	switch {
	case n.Down != nil:
		w.connected, w.down, w.fresh = false, n.Down, true
	case n.Connected || len(n.Observations) > 0:
		w.connected, w.down, w.fresh = true, nil, true
	}
	f.mu.Unlock()
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

func (f *feed) take() news {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.waiting
	f.waiting = news{}
	return n
}

// next is the command that waits for news. It paces itself, so that drawing
// leaves time for the keyboard whatever the rate.
func (f *feed) next(ctx context.Context) tea.Cmd {
	return func() tea.Msg {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(feedInterval):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.signal:
			return feedMsg(f.take())
		}
	}
}
