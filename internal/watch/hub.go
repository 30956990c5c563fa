package watch

import (
	"strconv"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
)

// DefaultHistory is how many observations a hub keeps for readers that resume.
const DefaultHistory = 16384

// Hub fans observations out. It numbers them 1, 2, 3, ... within its epoch and
// keeps a bounded history from which a reader resumes.
//
// Loss policy: Publish never waits. A subscriber that falls behind its buffer
// loses its oldest undelivered observations, and Subscription.Lost counts them.
type Hub struct {
	epoch string

	mu      sync.Mutex
	newest  uint64
	history []api.Observation // ring: observation i is at (i-1) % limit
	limit   int
	subs    map[*Subscription]struct{}
	closed  bool
}

// NewHub makes a hub whose epoch is the given start time, so that a reader of
// an earlier process notices that its position means nothing here. history <= 0
// means DefaultHistory.
func NewHub(start time.Time, history int) *Hub {
	if history <= 0 {
		history = DefaultHistory
	}
	return &Hub{
		epoch: strconv.FormatInt(start.UnixMicro(), 36),
		limit: history,
		subs:  map[*Subscription]struct{}{},
	}
}

// Epoch names this run of the hub: lower-case letters and digits.
func (h *Hub) Epoch() string { return h.epoch }

// Newest returns the id of the last observation, 0 before the first.
// Subscribe(Newest(), ...) starts live.
func (h *Hub) Newest() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

// Publish sets the ids of the observations and hands them to every subscriber.
// It never blocks. After Close it does nothing.
func (h *Hub) Publish(observations ...api.Observation) {
	if len(observations) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	for i := range observations {
		h.newest++
		observations[i].ID = h.newest
		h.remember(observations[i])
	}
	for s := range h.subs {
		s.push(observations)
	}
}

func (h *Hub) remember(o api.Observation) {
	if len(h.history) < h.limit {
		h.history = append(h.history, o)
		return
	}
	h.history[(o.ID-1)%uint64(h.limit)] = o
}

// Recent returns up to n of the newest observations, oldest first.
func (h *Hub) Recent(n int) []api.Observation {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := uint64(0)
	if h.newest > uint64(max(n, 0)) {
		since = h.newest - uint64(max(n, 0))
	}
	kept, _ := h.since(since)
	return kept
}

// since returns the kept observations after id and how many after id are gone.
func (h *Hub) since(id uint64) (kept []api.Observation, gone uint64) {
	if id >= h.newest {
		return nil, 0
	}
	if oldest := h.newest - uint64(len(h.history)); id < oldest {
		gone, id = oldest-id, oldest
	}
	kept = make([]api.Observation, 0, h.newest-id)
	for ; id < h.newest; id++ {
		kept = append(kept, h.history[id%uint64(h.limit)])
	}
	return kept, gone
}

// Subscribe delivers every observation after id since: first those still in the
// history, as one batch, then live ones. What the history no longer holds is
// counted as lost. buffer bounds the undelivered live observations (at least 1).
// The caller must Close the subscription.
func (h *Hub) Subscribe(since uint64, buffer int) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept, gone := h.since(since)
	c := make(chan []api.Observation)
	s := &Subscription{
		C: c, hub: h, limit: max(buffer, 1), replay: kept, lost: gone,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if h.closed {
		close(c)
		close(s.done)
		s.stopped = true
		return s
	}
	h.subs[s] = struct{}{}
	go s.pump(c)
	return s
}

// Close ends every subscription: their channels are closed.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	subs := h.subs
	h.subs = map[*Subscription]struct{}{}
	h.mu.Unlock()
	for s := range subs {
		s.stop()
	}
}

// Subscription is one reader's stream.
type Subscription struct {
	// C delivers batches in id order: whatever gathered while the reader was
	// busy. It is closed by Close and when the hub closes.
	C <-chan []api.Observation

	hub   *Hub
	limit int
	wake  chan struct{}
	done  chan struct{}

	mu      sync.Mutex
	replay  []api.Observation
	pending []api.Observation
	lost    uint64
	stopped bool
}

// Lost returns how many observations this reader has not been given and never
// will be, in total.
func (s *Subscription) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	delete(s.hub.subs, s)
	s.hub.mu.Unlock()
	s.stop()
}

func (s *Subscription) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.done)
	}
}

func (s *Subscription) push(observations []api.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, observations...)
	if over := len(s.pending) - s.limit; over > 0 {
		s.lost += uint64(over)
		s.pending = append(s.pending[:0], s.pending[over:]...)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what waits for delivery, nil when nothing does.
func (s *Subscription) take() []api.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if batch := s.replay; len(batch) > 0 {
		s.replay = nil
		return batch
	}
	batch := s.pending
	s.pending = nil
	return batch
}

func (s *Subscription) pump(c chan<- []api.Observation) {
	defer close(c)
	for {
		batch := s.take()
		if len(batch) == 0 {
			select {
			case <-s.wake:
				continue
			case <-s.done:
				return
			}
		}
		select {
		case c <- batch:
		case <-s.done:
			return
		}
	}
}
