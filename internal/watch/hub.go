package watch

import (
	"strconv"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
)

// DefaultHistory is how many observations a hub keeps for readers that resume.
const DefaultHistory = 16384

// historyBytes bounds what the kept events may hold: a history of the largest
// values would take gigabytes.
const historyBytes = 64 << 20

// maxBatch bounds what one reader holds beside the history.
const maxBatch = 256

// Hub fans observations out. It numbers them 1, 2, 3, ... within its epoch and
// keeps a bounded history from which all readers read: a reader is no more than
// a position in it, so a thousand of them cost little.
//
// Loss policy: Publish never waits. A subscriber that falls behind its buffer,
// or behind the history, loses its oldest undelivered observations, and
// Subscription.Lost counts them.
type Hub struct {
	epoch string

	mu      sync.Mutex
	newest  uint64
	history []api.Observation // ring: observation i is at (i-1) % limit
	kept    uint64            // how many of the newest it holds
	bytes   int               // about what they hold
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

// epochLength is that of every epoch from 1973 to 2085.
const epochLength = 10

// EpochBegan tells when the run that an epoch names began; false for what is not
// the name of any.
func EpochBegan(epoch string) (time.Time, bool) {
	micros, err := strconv.ParseInt(epoch, 36, 64)
	if err != nil || len(epoch) != epochLength || strconv.FormatInt(micros, 36) != epoch {
		return time.Time{}, false
	}
	return time.UnixMicro(micros), true
}

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
		s.rouse()
	}
}

func (h *Hub) remember(o api.Observation) {
	at := int((o.ID - 1) % uint64(h.limit))
	if at == len(h.history) {
		h.history = append(h.history, api.Observation{})
	}
	if h.kept == uint64(h.limit) {
		h.forget(o.ID - 1)
	}
	h.history[at] = o
	h.kept++
	h.bytes += o.Size()
	for h.bytes > historyBytes && h.kept > 1 {
		h.forget(o.ID)
	}
}

// forget drops the oldest observation; the newest of those kept is last.
func (h *Hub) forget(last uint64) {
	oldest := &h.history[(last-h.kept)%uint64(h.limit)]
	h.bytes -= oldest.Size()
	*oldest = api.Observation{}
	h.kept--
}

// Recent returns up to n of the newest observations, oldest first.
func (h *Hub) Recent(n int) []api.Observation {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := uint64(0)
	if h.newest > uint64(max(n, 0)) {
		since = h.newest - uint64(max(n, 0))
	}
	kept, _ := h.since(since, h.limit)
	return kept
}

// since returns up to most kept observations after id, and how many after id
// are gone.
func (h *Hub) since(id uint64, most int) (batch []api.Observation, gone uint64) {
	if id >= h.newest {
		return nil, 0
	}
	if floor := h.newest - h.kept; id < floor {
		gone, id = floor-id, floor
	}
	n := min(h.newest-id, uint64(most))
	batch = make([]api.Observation, n)
	for i := range batch {
		batch[i] = h.history[(id+uint64(i))%uint64(h.limit)]
	}
	return batch, gone
}

// Subscribe delivers every observation after id since: first those still in the
// history, then live ones. What the history no longer holds is counted as lost.
// buffer is how many live observations the reader may be behind, at least 1 and
// at most the history. The caller must Close the subscription.
func (h *Hub) Subscribe(since uint64, buffer int) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan []api.Observation)
	s := &Subscription{
		C: c, hub: h, buffer: uint64(max(buffer, 1)), next: min(since, h.newest), joined: h.newest,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if h.closed {
		close(c)
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
		s.end()
	}
}

// Subscription is one reader's stream.
type Subscription struct {
	// C delivers batches in id order: whatever gathered while the reader was
	// busy. It is closed by Close and when the hub closes.
	C <-chan []api.Observation

	hub    *Hub
	buffer uint64
	joined uint64 // newest id at subscription: from there on buffer applies
	wake   chan struct{}
	done   chan struct{}
	stop   sync.Once

	next uint64 // last id taken; guarded by hub.mu, as is lost
	lost uint64
}

// Lost returns how many observations this reader has not been given and never
// will be, in total.
func (s *Subscription) Lost() uint64 {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.skip()
	return s.lost
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	delete(s.hub.subs, s)
	s.hub.mu.Unlock()
	s.end()
}

func (s *Subscription) end() { s.stop.Do(func() { close(s.done) }) }

func (s *Subscription) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// skip gives up what is too far behind. The hub is locked.
func (s *Subscription) skip() {
	floor := s.hub.newest - s.hub.kept
	if s.next >= s.joined && s.hub.newest > s.buffer {
		floor = max(floor, s.hub.newest-s.buffer)
	}
	if s.next < floor {
		s.lost += floor - s.next
		s.next = floor
	}
}

// take returns what is next to deliver, nil when nothing is.
func (s *Subscription) take() []api.Observation {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.skip()
	batch, _ := s.hub.since(s.next, maxBatch)
	s.next += uint64(len(batch))
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
