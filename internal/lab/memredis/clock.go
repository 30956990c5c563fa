package memredis

import (
	"container/heap"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const (
	// grain is how late an expiry may be; deadlines within one grain share a tick.
	grain = 50 * time.Millisecond
	// share bounds the time spent on expiry to one part in so many: a tick walks
	// all keys under miniredis' lock.
	share = 20
)

// clock lets keys expire. miniredis keeps a TTL as the time left and counts it
// down only when told to; asking it to follow the wall clock by itself would
// walk all keys at every command. So its clock stands still at the last tick,
// absolute expiry times are exact against that, relative ones are made absolute
// before miniredis sees them, and a tick happens only when a key is due.
type clock struct {
	mini *miniredis.Miniredis
	wall func() time.Time
	wake chan struct{}

	// step is held shared while expiry times are set and alone while the
	// clock moves, else a time would be counted from one end and down from
	// the other.
	step sync.RWMutex
	at   time.Time // where miniredis' clock stands

	mu  sync.Mutex
	due deadlines
}

func newClock(mini *miniredis.Miniredis, wall func() time.Time) *clock {
	c := &clock{mini: mini, wall: wall, wake: make(chan struct{}, 1), at: wall()}
	c.due.seen = map[int64]struct{}{}
	mini.SetTime(c.at)
	return c
}

// enter must surround everything that may set an expiry time.
func (c *clock) enter() (leave func()) {
	c.step.RLock()
	if c.idle() && c.wall().Sub(c.at) >= time.Millisecond {
		c.step.RUnlock()
		c.catchUp()
		c.step.RLock()
	}
	return c.step.RUnlock
}

// catchUp moves a clock by which nothing is due.
func (c *clock) catchUp() {
	c.step.Lock()
	defer c.step.Unlock()
	if c.idle() {
		c.at = c.wall()
		c.mini.SetTime(c.at)
	}
}

func (c *clock) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.due.at) == 0
}

// expect notes that a key expires at ms.
func (c *clock) expect(ms int64) {
	slot := (ms/grain.Milliseconds() + 1) * grain.Milliseconds()
	c.mu.Lock()
	first := c.due.add(slot)
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// run ticks when keys are due until ctx ends.
func (c *clock) run(ctx context.Context) {
	var earliest time.Time // put off after an expensive tick
	for {
		timer, pending := c.next(earliest)
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			if timer != nil {
				timer.Stop()
			}
		case <-pending:
			began := time.Now()
			c.tick()
			now := time.Now()
			earliest = now.Add(now.Sub(began) * (share - 1))
		}
	}
}

// next returns a channel that fires when the earliest key is due, never when
// none is.
func (c *clock) next(earliest time.Time) (*time.Timer, <-chan time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due.at) == 0 {
		return nil, nil
	}
	wait := time.UnixMilli(c.due.at[0]).Sub(c.wall())
	timer := time.NewTimer(max(wait, time.Until(earliest), time.Millisecond))
	return timer, timer.C
}

// tick moves miniredis' clock to the wall clock's time. A wall clock that went
// back waits until it has caught up.
func (c *clock) tick() {
	c.step.Lock()
	defer c.step.Unlock()
	now := c.wall()
	if now.After(c.at) {
		c.mini.FastForward(now.Sub(c.at))
		c.mini.SetTime(now)
		c.at = now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due.drop(c.at.UnixMilli())
}

// absolute rewrites a command that sets a relative expiry time to one that sets
// the same absolute time, and notes the deadline. Malformed commands pass: the
// server refuses them.
func (c *clock) absolute(args []string) []string {
	switch name := strings.ToUpper(args[0]); name {
	case "SETEX", "PSETEX":
		if at, ok := c.deadline(args, 2, unitOf(name == "SETEX"), false); ok && len(args) == 4 {
			return []string{"SET", args[1], args[3], "PXAT", at}
		}
	case "SET", "GETEX":
		return c.absoluteOption(args)
	case "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT":
		since := strings.HasSuffix(name, "AT")
		if at, ok := c.deadline(args, 2, unitOf(name[0] == 'E'), since); ok {
			return append([]string{"PEXPIREAT", args[1], at}, args[3:]...)
		}
	}
	return args
}

// absoluteOption handles the options EX, PX, EXAT and PXAT.
func (c *clock) absoluteOption(args []string) []string {
	for i := 2; i+1 < len(args); i++ {
		name := strings.ToUpper(args[i])
		switch name {
		case "EX", "PX", "EXAT", "PXAT":
		default:
			continue
		}
		if i == 2 && strings.EqualFold(args[0], "SET") {
			continue // that is the value
		}
		at, ok := c.deadline(args, i+1, unitOf(name[0] == 'E'), strings.HasSuffix(name, "AT"))
		if !ok {
			return args
		}
		out := append([]string(nil), args...)
		out[i], out[i+1] = "PXAT", at
		return out
	}
	return args
}

// deadline reads the number at args[i] and notes it as milliseconds since the
// epoch. Numbers that are not positive or out of range are left to the server
// to refuse.
func (c *clock) deadline(args []string, i int, unit int64, since bool) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	n, err := strconv.ParseInt(args[i], 10, 64)
	if err != nil || n <= 0 || n >= 1<<48/unit {
		return "", false
	}
	ms := n * unit
	if !since {
		ms += c.wall().UnixMilli()
	}
	c.expect(ms)
	return strconv.FormatInt(ms, 10), true
}

func unitOf(seconds bool) int64 {
	if seconds {
		return 1000
	}
	return 1
}

// left answers TTL and PTTL from the exact time of expiry, since the time that
// miniredis has left counts from its last tick. It needs the lock of mini.
func (c *clock) left(in *inner, name, key string) (int64, bool) {
	at, ok := in.integer("PEXPIRETIME", key)
	if !ok || at < 0 {
		return at, ok
	}
	ms := max(at-c.wall().UnixMilli(), 0)
	if name == "TTL" {
		return (ms + 500) / 1000, true
	}
	return ms, true
}

// deadlines is a heap of different times in milliseconds.
type deadlines struct {
	at   []int64
	seen map[int64]struct{}
}

// add notes a time and reports whether it is now the earliest.
func (d *deadlines) add(ms int64) bool {
	if _, ok := d.seen[ms]; ok {
		return false
	}
	d.seen[ms] = struct{}{}
	heap.Push(d, ms)
	return d.at[0] == ms
}

// drop forgets the times up to ms.
func (d *deadlines) drop(ms int64) {
	for len(d.at) > 0 && d.at[0] <= ms {
		delete(d.seen, heap.Pop(d).(int64))
	}
}

// The methods that container/heap asks for.
func (d *deadlines) Len() int           { return len(d.at) }
func (d *deadlines) Less(i, j int) bool { return d.at[i] < d.at[j] }
func (d *deadlines) Swap(i, j int)      { d.at[i], d.at[j] = d.at[j], d.at[i] }
func (d *deadlines) Push(x any)         { d.at = append(d.at, x.(int64)) }
func (d *deadlines) Pop() any {
	last := len(d.at) - 1
	x := d.at[last]
	d.at = d.at[:last]
	return x
}
