package bridge

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// idSource makes event ids: ULIDs that rise strictly within the process, also
// when the wall clock is set back.
type idSource struct {
	mu      sync.Mutex
	last    uint64
	entropy *ulid.MonotonicEntropy
}

func (s *idSource) init() { s.entropy = ulid.Monotonic(rand.Reader, 0) }

func (s *idSource) next(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, ulid.Timestamp(now))
	id, err := ulid.New(s.last, s.entropy)
	for err != nil { // 2^80 ids of one millisecond are used up: take the next
		s.last++
		id, err = ulid.New(s.last, s.entropy)
	}
	return id.String()
}
