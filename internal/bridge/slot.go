package bridge

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/geokv/geokv/internal/api"
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
	renewedMono time.Duration // when the last successful renewal was sent, by both clocks
	renewedAt   time.Time     // the server's, as far as known; zero: never confirmed
}

// leaseLapsed reports whether the held slot may no longer be ours. Called with
// mu held. Either clock may say so: the monotonic clock stands still while a
// machine is suspended.
func (b *Bridge) leaseLapsed() bool {
	s := &b.slots
	return b.check.mono()-s.renewedMono > stampWithin || b.check.server().Sub(s.renewedAt) > stampWithin
}

// onLeasedSlot reports whether the lane is on a normal slot. Called with mu held.
func (b *Bridge) onLeasedSlot() bool { return b.lane != nil && b.lane.id.Slot < normalSlots }

// leaveSlot moves to a random slot that needs no lease, with a new lane. Called
// with mu held.
func (b *Bridge) leaveSlot(why string) {
	b.openLaneOn(unleasedSlot())
	b.alarms.Raise(api.AlarmSlotLease, "", "the bridge writes without a slot lease: "+why,
		"check the region's Redis; the bridge takes a leased slot again by itself")
	b.log.Warn("left the leased slot", "region", b.cfg.Region.Name, "lane", b.lane.id.String(), "why", why)
}

func unleasedSlot() uint16 { return normalSlots + uint16(rand.IntN(lane.MaxSlot+1-normalSlots)) }

// keepSlot renews the lease, or takes one when there is none.
func (b *Bridge) keepSlot(ctx context.Context) {
	if b.starting.enter(ctx) != nil {
		return
	}
	defer b.starting.leave()
	b.leaseSlot(ctx)
}

// leaseSlot does keepSlot's work; starting is held. A lease that is refused is
// replaced at once: who keeps its slot is settled before anybody stamps with it.
func (b *Bridge) leaseSlot(ctx context.Context) {
	b.mu.Lock()
	held, closed := b.slots.held, b.closed
	b.mu.Unlock()
	if closed {
		return
	}
	if held != noSlot {
		ok, err := b.renew(ctx, uint16(held))
		if ok {
			return
		}
		b.lose(err)
		if err != nil {
			return
		}
	}
	b.acquire(ctx)
}

// renew extends the lease and returns to its slot if the lane had left it.
func (b *Bridge) renew(ctx context.Context, slot uint16) (bool, error) {
	sentMono, sentAt := b.check.mono(), b.check.server()
	ok, err := b.cfg.Leases.RenewSlot(ctx, slot, b.holder, leaseFor)
	if ok && err == nil {
		b.hold(ctx, slot, sentMono, sentAt)
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
			b.lose(err)
			return
		}
		if ok {
			b.hold(ctx, slot, sentMono, sentAt)
			return
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noLease("all leased slots are taken")
}

// hold notes a lease that was confirmed and moves the lane onto its slot, once
// nobody else can be stamping with it. Until then a slot without a lease serves.
func (b *Bridge) hold(ctx context.Context, slot uint16, sentMono time.Duration, sentAt time.Time) {
	b.mu.Lock()
	b.slots = slotLease{held: int(slot), former: int(slot), renewedMono: sentMono, renewedAt: sentAt}
	there := b.lane != nil && b.lane.id.Slot == slot
	b.mu.Unlock()
	free := there || b.formerHoldersStopped(ctx)

	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case free && !there:
		b.openLaneOn(slot)
		b.log.Info("leased a slot", "region", b.cfg.Region.Name, "lane", b.lane.id.String())
	case b.lane == nil:
		b.openLaneOn(unleasedSlot())
		b.log.Info("leased a slot, not used while the table of leases is young", "region", b.cfg.Region.Name,
			"slot", slot, "lane", b.lane.id.String())
	}
	if free {
		b.alarms.Clear(api.AlarmSlotLease, "")
	}
}

// formerHoldersStopped reports whether every bridge that ever had a lease of our
// slot has one no more, by its own clock too. The table tells only of leases that
// it has not lost: after a FLUSHALL, a restart from an old snapshot or a failover,
// a living bridge trusts a lease that the table gave to us. A lease that was lost
// has run out when the table has lasted for as long as a lease does. Asked after
// the lease was taken, since it answers for what was done before.
func (b *Bridge) formerHoldersStopped(ctx context.Context) bool {
	age, err := b.cfg.Leases.TableAge(ctx, rememberFor)
	b.mu.Lock()
	defer b.mu.Unlock()
	return err == nil && age >= leaseFor || b.cfg.Alone && b.lane == nil
}

// lose acts on a renewal that failed. Refused, the slot is somebody else's or
// the table was flushed: leave it at once. Without an answer the lease still
// runs, and the lane stays on its slot while stamp allows it.
func (b *Bridge) lose(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.slots.held = noSlot
		b.noLease("the lease of its slot was lost")
		return
	}
	if b.lane == nil || b.leaseLapsed() {
		b.noLease("the lease cannot be renewed: " + err.Error())
	}
}

// noLease moves off a normal slot. Called with mu held.
func (b *Bridge) noLease(why string) {
	if b.lane == nil || b.onLeasedSlot() {
		b.leaveSlot(why)
	}
}

// setHeld notes a slot whose lease is unconfirmed.
func (b *Bridge) setHeld(slot int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots = slotLease{held: slot, former: b.slots.former}
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
