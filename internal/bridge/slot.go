package bridge

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/geokv/geokv/internal/lane"
)

// A slot makes the stamps of two processes of a region differ. Normal slots are
// leased; a process without a lease uses a random one above them, since Redis
// is a view and must not stop writes.
const (
	normalSlots = 512
	noSlot      = -1

	leaseFor    = 30 * time.Second
	renewEvery  = 5 * time.Second
	stampWithin = 20 * time.Second // of the last renewal; the lease then has 10 s left for a pause
)

// slotLease is what is known of the lease. Guarded by Bridge.mu; only Run and
// start change held, inside the starting gate.
type slotLease struct {
	held        int           // leased slot, noSlot without one
	former      int           // the one held last
	notBefore   time.Duration // monotonic; when a lost slot may be replaced
	renewedMono time.Duration // when the last successful renewal was sent, by both clocks
	renewedAt   time.Time     // the server's, as far as known
}

// leaseLapsed reports whether the current lane is on a normal slot that may no
// longer be ours. Called with mu held. Either clock may say so: the monotonic
// clock stands still while a machine is suspended.
func (b *Bridge) leaseLapsed() bool {
	if b.lane.id.Slot >= normalSlots {
		return false
	}
	s := &b.slots
	return b.check.mono()-s.renewedMono > stampWithin || b.check.server().Sub(s.renewedAt) > stampWithin
}

// leaveSlot moves to a random slot that needs no lease, with a new lane. Called
// with mu held.
func (b *Bridge) leaveSlot(why string) {
	b.openLaneOn(normalSlots + uint16(rand.IntN(lane.MaxSlot+1-normalSlots)))
	b.alarms.raise(AlarmSlot, "the bridge writes without a slot lease: "+why,
		"check the region's Redis; the bridge takes a leased slot again by itself")
	b.log.Warn("left the leased slot", "region", b.cfg.Region.Name, "lane", b.lane.id.String(), "why", why)
}

// keepSlot renews the lease, or takes one when there is none.
func (b *Bridge) keepSlot(ctx context.Context) {
	if b.starting.enter(ctx) != nil {
		return
	}
	defer b.starting.leave()
	b.leaseSlot(ctx)
}

// leaseSlot does keepSlot's work; starting is held.
func (b *Bridge) leaseSlot(ctx context.Context) {
	b.mu.Lock()
	held, notBefore, closed := b.slots.held, b.slots.notBefore, b.closed
	b.mu.Unlock()
	if closed {
		return
	}
	if held == noSlot && b.check.mono() < notBefore {
		return
	}
	if held != noSlot {
		ok, err := b.renew(ctx, uint16(held))
		if ok {
			return
		}
		b.lose(held, err)
		return
	}
	b.acquire(ctx)
}

// renew extends the lease and returns to its slot if the lane had left it: the
// lease still being ours, nobody else has stamped with it.
func (b *Bridge) renew(ctx context.Context, slot uint16) (bool, error) {
	sentMono, sentAt := b.check.mono(), b.check.server()
	ok, err := b.cfg.Leases.RenewSlot(ctx, slot, b.holder, leaseFor)
	if ok && err == nil {
		b.hold(slot, sentMono, sentAt)
	}
	return ok && err == nil, err
}

// acquire takes the lowest free slot, but first the one held before: after the
// table was flushed, survivors then do not take each other's.
func (b *Bridge) acquire(ctx context.Context) {
	b.mu.Lock()
	former := b.slots.former
	b.mu.Unlock()
	for i := range uint16(normalSlots + 1) {
		slot := i - 1
		if i == 0 {
			slot = uint16(former)
		}
		sentMono, sentAt := b.check.mono(), b.check.server()
		ok, err := b.cfg.Leases.AcquireSlot(ctx, slot, b.holder, leaseFor)
		if err != nil {
			// It may have taken effect: a renewal will tell.
			b.setHeld(int(slot))
			b.lose(int(slot), err)
			return
		}
		if ok {
			b.hold(slot, sentMono, sentAt)
			return
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noLease("all leased slots are taken")
}

// hold notes a lease that was confirmed and moves the lane onto its slot.
func (b *Bridge) hold(slot uint16, sentMono time.Duration, sentAt time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots = slotLease{held: int(slot), former: int(slot), renewedMono: sentMono, renewedAt: sentAt}
	if b.lane == nil || b.lane.id.Slot != slot {
		b.openLaneOn(slot)
		b.log.Info("leased a slot", "region", b.cfg.Region.Name, "lane", b.lane.id.String())
	}
	b.alarms.clear(AlarmSlot)
}

// lose acts on a renewal that failed. Refused, the slot is somebody else's or
// the table was flushed: leave it at once, and take no other before every
// process that still trusts a lost lease has stopped stamping with it. Without
// an answer the lease still runs, and the lane stays on its slot while stamp
// allows it.
func (b *Bridge) lose(slot int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.slots.held = noSlot
		b.slots.notBefore = b.check.mono() + stampWithin
		b.noLease("the lease of its slot was lost")
		return
	}
	if b.lane == nil || b.leaseLapsed() {
		b.noLease("the lease cannot be renewed: " + err.Error())
	}
}

// noLease moves off a normal slot. Called with mu held.
func (b *Bridge) noLease(why string) {
	if b.lane == nil || b.lane.id.Slot < normalSlots {
		b.leaveSlot(why)
	}
}

func (b *Bridge) setHeld(slot int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots.held = slot
}

// releaseSlot gives the lease back at a clean end. Best effort: it expires.
func (b *Bridge) releaseSlot(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	if b.starting.enter(ctx) != nil {
		return
	}
	defer b.starting.leave()
	b.mu.Lock()
	held := b.slots.held
	b.slots.held = noSlot
	b.mu.Unlock()
	if held == noSlot {
		return
	}
	if err := b.cfg.Leases.ReleaseSlot(ctx, uint16(held), b.holder); err != nil {
		b.log.Warn("slot not given back; its lease expires", "region", b.cfg.Region.Name, "slot", held, "error", err)
	}
}
