package bridge

import (
	"context"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
)

// recheckAfter spares the server's clock when every write finds ours wrong.
const recheckAfter = 250 * time.Millisecond

// clockCheck knows how far the wall clock is off, by the clock of the region's
// Redis. Between two checks it carries the last answer on by the monotonic
// clock, so a wall clock that is set while the bridge runs is noticed by the
// next write and not at the next check.
//
//	offset now = offset at the check + (wall passed - monotonic time passed)
type clockCheck struct {
	wall  func() time.Time
	began time.Time // carries the monotonic reading

	asking gate // one question at a time

	mu      sync.Mutex
	checked bool
	offset  time.Duration // wall minus server at the last check
	atWall  time.Time
	atMono  time.Duration
}

func (c *clockCheck) begin(wall func() time.Time) {
	c.wall, c.began = wall, time.Now()
}

// mono is time passed that no setting of the wall clock changes.
func (c *clockCheck) mono() time.Duration { return time.Since(c.began) }

// wallNow strips the monotonic reading, or differences would ignore that the
// wall was set.
func (c *clockCheck) wallNow() time.Time { return c.wall().Round(0) }

// estimate is how far the wall is ahead of the server's clock now; ok is false
// when it was never checked.
func (c *clockCheck) estimate() (offset time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset + c.drift(), c.checked
}

// drift is how far the wall went astray from monotonic time since the check.
// Called with mu held.
func (c *clockCheck) drift() time.Duration {
	return c.wallNow().Sub(c.atWall) - (c.mono() - c.atMono)
}

// server is the server's clock as far as we know; the wall when never checked.
// Unlike the wall it does not jump when somebody sets our clock, and unlike
// monotonic time it has passed after a suspend, once the clock was checked.
func (c *clockCheck) server() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.checked {
		return c.wallNow()
	}
	return c.wallNow().Add(-c.offset - c.drift())
}

func (c *clockCheck) good() bool {
	offset, checked := c.estimate()
	return !checked || offset.Abs() <= hlc.MaxAhead
}

// learn records a reading: the server said t, rtt ago at most.
func (c *clockCheck) learn(t time.Time, rtt time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.atWall, c.atMono, c.checked = c.wallNow(), c.mono(), true
	c.offset = c.atWall.Sub(t.Add(rtt / 2))
}

// fresh reports whether asking again would tell nothing new.
func (c *clockCheck) fresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checked && c.mono()-c.atMono < recheckAfter && c.drift().Abs() < recheckAfter
}

// trustClock refuses a write while the wall clock is off: a slow clock would
// make it lose silently, a fast one would make later writes of others lose. It
// asks the server once more before it refuses, since the estimate is wrong after
// a suspend, when monotonic time stood still.
func (b *Bridge) trustClock(ctx context.Context) error {
	if b.check.good() {
		return nil
	}
	b.recheckClock(ctx)
	if b.check.good() {
		return nil
	}
	offset, _ := b.check.estimate()
	return fail.New(fail.Clock, "stamp a write in %s: the wall clock is %v off the clock of the region's Redis, more than %v",
		b.cfg.Region.Name, offset.Round(time.Millisecond), hlc.MaxAhead).
		WithHint("set the clock of this host (NTP); geokv status shows the offset")
}

func (b *Bridge) recheckClock(ctx context.Context) {
	if b.check.asking.enter(ctx) != nil {
		return
	}
	defer b.check.asking.leave()
	if b.check.fresh() {
		return
	}
	b.checkClock(ctx)
}

// checkClock asks the server's time. An answer that took longer than the bound
// we judge by judges nothing.
func (b *Bridge) checkClock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	t, rtt, err := b.cfg.Leases.Time(ctx)
	if err == nil && rtt > hlc.MaxAhead {
		err = fail.New(fail.Timeout, "the answer took %v", rtt)
	}
	if err != nil {
		b.alarms.Raise(api.AlarmClockUnchecked, "", "the wall clock cannot be checked: "+err.Error(), "check the region's Redis")
		return
	}
	b.alarms.Clear(api.AlarmClockUnchecked, "")
	b.check.learn(t, rtt)
	if b.check.good() {
		b.alarms.Clear(api.AlarmClockOffset, "")
		return
	}
	offset, _ := b.check.estimate()
	b.alarms.Raise(api.AlarmClockOffset, "", "the wall clock is "+offset.Round(time.Millisecond).String()+" off the clock of the region's Redis; writes are refused",
		"set the clock of this host (NTP)")
}
