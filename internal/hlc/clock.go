package hlc

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// MaxAhead is how far a clock may run ahead of the wall, in either role: a
// received stamp beyond it is not followed, and no stamp beyond it is made.
const MaxAhead = 500 * time.Millisecond

// AheadError says that a stamp would lie more than MaxAhead in the future.
type AheadError struct {
	Ahead time.Duration // how far the clock is ahead of the wall
}

// Error names the distance and the wait after which stamping works again.
func (e *AheadError) Error() string {
	return fmt.Sprintf("clock is %v ahead of the wall, more than %v; wait %v or set the wall clock",
		e.Ahead, MaxAhead, e.Wait())
}

// Wait is how long to wait until the wall has caught up.
func (e *AheadError) Wait() time.Duration { return e.Ahead - MaxAhead }

// Clock makes strictly rising timestamps for one region in one process. It is
// safe for concurrent use.
type Clock struct {
	region uint8
	wall   func() time.Time

	mu   sync.Mutex
	last Timestamp
}

// NewClock makes a clock for the region with the given index. The wall clock is
// an argument so that tests and drills can move it.
func NewClock(regionIndex int, wall func() time.Time) *Clock {
	return &Clock{region: uint8(regionIndex), wall: wall}
}

// Now ticks: it returns a stamp for the given slot that is later than every
// stamp made or witnessed before. The error is an *AheadError; the clock is
// then unchanged.
func (c *Clock) Now(slot uint16) (Timestamp, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.wall().UnixMilli()
	physical, counter := wall, uint32(0)
	if c.last.Physical >= wall {
		physical, counter = c.last.Physical, c.last.Counter()+1
		if counter > counterMax {
			physical, counter = physical+1, 0
		}
	}
	if ahead := distance(physical, wall); ahead > MaxAhead {
		return Timestamp{}, &AheadError{ahead}
	}
	c.last = Timestamp{physical, counter<<slotBits | uint32(slot)&slotMask, c.region}
	return c.last, nil
}

// Witness merges a stamp that was read, so that later stamps are later than it.
// A stamp more than MaxAhead in the future is not followed and reported false.
func (c *Clock) Witness(t Timestamp) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.Physical > c.wall().Add(MaxAhead).UnixMilli() {
		return false
	}
	c.last = Max(c.last, t)
	return true
}

// Floor raises the clock to t whatever the wall says. It is for the start of a
// process: a stamp that is in the log must not be made again, and if the wall
// is far behind it, Now refuses until the wall has caught up.
func (c *Clock) Floor(t Timestamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = Max(c.last, t)
}

// Last returns the greatest stamp made or witnessed.
func (c *Clock) Last() Timestamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Ahead returns how far the clock is ahead of the wall; 0 when it is not.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, distance(c.last.Physical, c.wall().UnixMilli()))
}

// distance returns by how much a is later than b, both in milliseconds. A
// stamp may lie thousands of years off, more than a Duration can hold: then the
// greatest Duration stands for it, since a wrapped one would look harmless.
func distance(a, b int64) time.Duration {
	const limit = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(-limit, min(limit, a-b))) * time.Millisecond
}
