package cli

import (
	"sync"

	"github.com/geokv/geokv/internal/api"
)

// backlogBytes is about how much may wait to be printed.
const backlogBytes = 128 << 20

// backlog is what was observed and is not printed yet. It never makes the stream
// wait, for a server drops what a slow reader leaves lying, as one that prints a
// long history would. What exceeds the limit is dropped here, and counted.
type backlog struct {
	limit int           // bytes, about
	news  chan struct{} // something waits

	mu      sync.Mutex
	waiting []api.Observation
	bytes   int
	lost    uint64
}

func newBacklog(limit int) *backlog {
	return &backlog{limit: limit, news: make(chan struct{}, 1)}
}

// put adds what was heard, and how many observations were lost on their way.
func (b *backlog) put(heard []api.Observation, lost uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost += lost
	for _, o := range heard {
		if b.bytes+o.Size() > b.limit {
			b.lost++
			continue
		}
		b.bytes += o.Size()
		b.waiting = append(b.waiting, o)
	}
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// take empties the backlog; lost counts what it lacks.
func (b *backlog) take() (waiting []api.Observation, lost uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting, lost = b.waiting, b.lost
	b.waiting, b.bytes, b.lost = nil, 0, 0
	return waiting, lost
}
