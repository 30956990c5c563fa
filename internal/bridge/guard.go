package bridge

import (
	"context"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
)

// guard reads the key's head: it refuses an operation of another type, in the
// words Redis users know, and merges the key's newest stamp into the clock. A
// view that cannot be read refuses nothing: it must not stop writes.
//
// It runs outside the lane lock, and a write after a read still wins: what a
// client read from this view was there before it called Write, so the head read
// here is at least as new, and it is merged before the tick. A write that lands
// in the view between this read and the tick is concurrent with ours; either
// order is right.
func (b *Bridge) guard(ctx context.Context, op event.Operation) error {
	own, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	head, err := b.cfg.Guard.Newest(own, op.Key)
	if err != nil {
		if ctx.Err() != nil {
			return nil // the caller's time is up, which says nothing about the view
		}
		b.counts.unguarded.Add(1)
		b.alarms.Raise(api.AlarmViewUnreadable, "", "the view cannot be read before writes: "+err.Error(),
			"check the region's Redis; writes go on without the type check")
		return nil
	}
	b.alarms.Clear(api.AlarmViewUnreadable, "")
	if err := checkType(op, head.Type, head.Integer); err != nil {
		return err
	}
	return b.follow(op.Key, head.Newest)
}

// lookAgain ends the alarm about an unreadable view also when nobody writes: as
// soon as a start and a write could read what they need. It merges what the start
// had to leave out.
func (b *Bridge) lookAgain(ctx context.Context) {
	if _, unreadable := b.alarms.Find(api.AlarmViewUnreadable, ""); !unreadable {
		return
	}
	applied, err := b.appliedFloor(ctx)
	if err != nil {
		return
	}
	b.clock.Floor(applied)
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	if _, err := b.cfg.Guard.Newest(ctx, []byte("any")); err == nil {
		b.alarms.Clear(api.AlarmViewUnreadable, "")
	}
}

// follow merges a key's newest stamp. One too far ahead of the wall cannot be
// followed, and a write below it could only lose: it is refused.
func (b *Bridge) follow(key []byte, newest hlc.Timestamp) error {
	if newest.IsZero() || b.clock.Witness(newest) {
		return nil
	}
	b.ahead(newest, "the newest stamp "+newest.String()+" of a key is in the future")
	return fail.New(fail.Clock, "write %q: its newest stamp %s is more than %v ahead of this region's clock, so the write would lose to it",
		key, newest, hlc.MaxAhead).
		WithHint("wait until %s, or check the clocks with geokv status", newest.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
}

// checkType is Redis' own rule, against what is visible locally. Two regions
// can still race; then the newer type hides the other.
func checkType(op event.Operation, visible crdt.Type, integer bool) error {
	wants := crdt.TypeOf(op.Op())
	switch {
	case op.Op() == event.OpSet || op.Op() == event.OpDel || visible == crdt.None: // the two replace any type
		return nil
	case wants != visible:
		return fail.New(fail.WrongType, "WRONGTYPE Operation against a key holding the wrong kind of value").
			WithHint("%q holds a %s and %s writes a %s; DEL it first", op.Key, visible, op.Op(), wants)
	case op.Op() == event.OpIncr && !integer:
		return fail.New(fail.WrongType, "ERR value is not an integer or out of range").
			WithHint("%q holds a string that does not count; SET it to a number first", op.Key)
	}
	return nil
}
