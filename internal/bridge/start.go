package bridge

import (
	"context"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/wal"
)

// start makes the bridge ready, once. Without the floor of the clock no stamp
// may be made: one that is already in the log could be made again.
//
//	schema id -> our region in the log -> floor of the clock -> clock check -> slot and lane
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
	newest, err := b.cfg.Log.MaxTimestamps(ctx, b.topic)
	if err != nil {
		return notReady(err, "read the newest timestamps of "+b.topic)
	}
	if err := b.checkIndex(ctx, newest); err != nil {
		return err
	}
	b.clock.Floor(b.floor(ctx, newest))
	b.checkClock(ctx)
	b.leaseSlot(ctx)
	b.ready.Store(true)
	return nil
}

// checkIndex compares the region's index with the one in the stamps of its own
// log. Under a wrong index this region's stamps could equal another region's, and
// of two writes one would be lost: then the bridge must not start. It looks at the
// newest record of each partition that has one (the keys of newest); one stray
// record among them stops nobody.
func (b *Bridge) checkIndex(ctx context.Context, newest map[wal.Partition]int64) error {
	if len(newest) == 0 {
		return nil
	}
	ends, err := b.cfg.Log.Ends(ctx, b.topic)
	if err != nil {
		return notReady(err, "read the ends of "+b.topic)
	}
	from, to := map[wal.Partition]int64{}, map[wal.Partition]int64{}
	for p := range newest {
		from[p], to[p] = ends[p]-1, ends[p]
	}
	ours, other := false, -1
	err = b.cfg.Log.Scan(ctx, from, to, func(r event.Record) error {
		e, err := b.cfg.Codec.Decode(ctx, r)
		switch {
		case err != nil: // tells nothing
		case int(e.HLC.Region) == b.cfg.Region.Index:
			ours = true
		default:
			other = int(e.HLC.Region)
		}
		return nil
	})
	switch {
	case err != nil:
		return notReady(err, "read the newest records of "+b.topic)
	case ours || other < 0:
		return nil
	}
	return fail.New(fail.Usage, "start the bridge of %s: its log was written with region index %d, and it is configured with %d",
		b.cfg.Region.Name, other, b.cfg.Region.Index).
		WithHint("give %s the index %d, in this and every other process of the cluster: an index belongs to its region for ever", b.cfg.Region.Name, other)
}

// floor is the greatest stamp that this region may have made: what stands in its
// own log (newest: milliseconds) and what its view has applied of it. Nothing else
// is kept, since a stamp that is not in a log was never seen. A record's timestamp
// has no logical part, and need not: the first lane begins in a later millisecond.
// Other regions' stamps are merged like any that are read: one from the far future
// is not followed, or it would stop this region's writes for good at its next
// start. A view out of reach is left out with an alarm: the guard reads it again
// before each write, and Run from time to time.
func (b *Bridge) floor(ctx context.Context, newest map[wal.Partition]int64) hlc.Timestamp {
	var floor hlc.Timestamp
	for _, ms := range newest {
		floor = hlc.Max(floor, hlc.Timestamp{Physical: ms})
	}
	applied, err := b.appliedFloor(ctx)
	if err != nil {
		b.alarms.Raise(api.AlarmViewUnreadable, "", "the view's positions cannot be read: "+err.Error(), "check the region's Redis")
	}
	return hlc.Max(floor, applied)
}

// appliedFloor returns the greatest applied stamp of the own topic and witnesses
// those of the others.
func (b *Bridge) appliedFloor(ctx context.Context) (floor hlc.Timestamp, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	partitions := make([]int32, geo.Partitions)
	for p := range partitions {
		partitions[p] = int32(p)
	}
	for _, topic := range b.cfg.Topics {
		positions, err := b.cfg.Positions.Positions(ctx, topic, partitions...)
		if err != nil {
			return floor, err
		}
		for _, position := range positions {
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
