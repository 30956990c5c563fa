package bridge

import (
	"context"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
)

// start makes the bridge ready, once. Without the floor of the clock no stamp
// may be made: one that is already in the log could be made again.
//
//	schema id -> floor of the clock -> clock check -> slot and lane
func (b *Bridge) start(ctx context.Context) error {
	if b.ready.Load() {
		return nil
	}
	if err := b.starting.enter(ctx); err != nil {
		return notReady(err, "start the bridge of "+b.cfg.Region.Name)
	}
	defer b.starting.leave()
	if b.ready.Load() {
		return nil
	}
	if err := b.cfg.Codec.Prepare(ctx, b.topic); err != nil {
		return notReady(err, "register the schema of "+b.topic)
	}
	floor, err := b.floor(ctx)
	if err != nil {
		return err
	}
	b.clock.Floor(floor)
	b.checkClock(ctx)
	b.leaseSlot(ctx)
	b.ready.Store(true)
	return nil
}

// floor is the greatest stamp that may be known to anybody: what stands in the
// region's own log and what its view has applied. Nothing else is kept, since a
// stamp that is not in a log was never seen. A view out of reach is left out
// with an alarm: the guard reads it again before each write.
func (b *Bridge) floor(ctx context.Context) (hlc.Timestamp, error) {
	newest, err := b.cfg.Log.MaxTimestamps(ctx, b.topic)
	if err != nil {
		return hlc.Timestamp{}, notReady(err, "read the newest timestamps of "+b.topic)
	}
	var floor hlc.Timestamp
	for _, ms := range newest {
		// Record timestamps carry no logical part, so assume the greatest.
		floor = hlc.Max(floor, hlc.Timestamp{Physical: ms, Logical: hlc.MaxLogical})
	}
	applied, err := b.appliedFloor(ctx)
	if err != nil {
		b.alarms.raise(AlarmUnguarded, "the view's positions cannot be read: "+err.Error(), "check the region's Redis")
	}
	return hlc.Max(floor, applied), nil
}

func (b *Bridge) appliedFloor(ctx context.Context) (floor hlc.Timestamp, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	for _, topic := range b.cfg.Topics {
		for p := range int32(geo.Partitions) {
			position, err := b.cfg.Positions.Position(ctx, topic, p)
			if err != nil {
				return floor, err
			}
			floor = hlc.Max(floor, position.HLC)
		}
	}
	return floor, nil
}

func notReady(err error, what string) error {
	return fail.Wrap(fail.Unavailable, err, "%s", what).WithHint("check the region with geokv doctor; writes are tried again by themselves")
}
