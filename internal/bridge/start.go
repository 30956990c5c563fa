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

// floor is the greatest stamp that this region may have made: what stands in its
// own log and what its view has applied of it. Nothing else is kept, since a
// stamp that is not in a log was never seen. Other regions' stamps are merged
// like any that are read: one from the far future is not followed, or it would
// stop this region's writes for good at its next start. A view out of reach is left out
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

// appliedFloor returns the greatest applied stamp of the own topic and witnesses
// those of the others.
func (b *Bridge) appliedFloor(ctx context.Context) (floor hlc.Timestamp, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	for _, topic := range b.cfg.Topics {
		for p := range int32(geo.Partitions) {
			position, err := b.cfg.Positions.Position(ctx, topic, p)
			if err != nil {
				return floor, err
			}
			if topic == b.topic {
				floor = hlc.Max(floor, position.HLC)
			} else if !position.HLC.IsZero() {
				b.Witness(position.HLC)
			}
		}
	}
	return floor, nil
}

func notReady(err error, what string) error {
	hint := fail.HintOf(err)
	if hint == "" {
		hint = "check the region with geokv status; writes are tried again by themselves"
	}
	return fail.Wrap(fail.Unavailable, err, "%s", what).WithHint("%s", hint)
}
