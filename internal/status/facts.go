package status

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// facts is what one region answered. A nil map means that it did not.
type facts struct {
	region      Region
	starts      map[wal.Partition]int64
	ends        map[wal.Partition]int64
	positions   map[wal.Partition]view.Position
	waiting     map[wal.Partition]int64 // timestamp of the next record to apply, where one waits
	keys        int64                   // api.Unknown when nobody knows
	clockOffset time.Duration
	problems    []string // why the region counts as down
	busy        bool     // no: they are late answers, and a rebuild can take all there is
}

// known reports that both log and view answered.
func (f *facts) known() bool { return f != nil && f.ends != nil && f.positions != nil }

// down reports a region that does not answer.
func (f *facts) down() bool {
	return len(f.problems) > 0 && !f.busy
}

// ask fills the facts. Kafka and Redis are asked side by side.
func (c *Collector) ask(ctx context.Context, f *facts) {
	if f.region.Log == nil || f.region.View == nil {
		f.problems = append(f.problems, "no endpoints are configured")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Deadline)
	defer cancel()
	var kafka, redis error
	var asking sync.WaitGroup
	asking.Go(func() { kafka = c.askLog(ctx, f) })
	asking.Go(func() {
		if redis = c.askView(ctx, f); redis == nil && !f.region.rebuilding() {
			f.keys = c.keys[f.region.Name].get(ctx, f.region.View, f.offsets(), c.cfg.Deadline/2)
		}
	})
	asking.Wait()
	if kafka != nil {
		f.problems = append(f.problems, "kafka: "+kafka.Error())
	}
	if redis != nil {
		f.problems = append(f.problems, "redis: "+redis.Error())
	}
	f.busy = f.region.rebuilding() && (kafka == nil || timedOut(kafka)) && (redis == nil || timedOut(redis))
	if f.known() {
		f.waiting = nextRecords(ctx, f)
	}
}

func timedOut(err error) bool {
	var slow interface{ Timeout() bool }
	return errors.As(err, &slow) && slow.Timeout()
}

func (c *Collector) askLog(ctx context.Context, f *facts) error {
	topics := c.cfg.Topology.Topics()
	starts, err := f.region.Log.Starts(ctx, topics...)
	if err != nil {
		return err
	}
	ends, err := f.region.Log.Ends(ctx, topics...)
	if err != nil {
		return err
	}
	f.starts, f.ends = starts, ends
	return nil
}

func (c *Collector) askView(ctx context.Context, f *facts) error {
	positions := map[wal.Partition]view.Position{}
	for _, topic := range c.cfg.Topology.Topics() {
		list, err := f.region.View.Positions(ctx, topic, allPartitions()...)
		if err != nil {
			return err
		}
		for _, pos := range list {
			positions[wal.Partition{Topic: topic, Index: pos.Partition}] = pos
		}
	}
	asked := c.cfg.Wall()
	now, trip, err := f.region.View.Time(ctx)
	if err != nil {
		return err
	}
	f.clockOffset = asked.Add(trip / 2).Sub(now)
	f.positions = positions
	return nil
}

func (f *facts) offsets() map[wal.Partition]int64 {
	offsets := make(map[wal.Partition]int64, len(f.positions))
	for p, pos := range f.positions {
		offsets[p] = pos.Offset
	}
	return offsets
}

func allPartitions() []int32 {
	list := make([]int32, geo.Partitions)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// nextRecords reads the timestamp of the first record that waits, of every
// partition where one does. It is best effort: without it the lag in time is 0.
func nextRecords(ctx context.Context, f *facts) map[wal.Partition]int64 {
	from, to := map[wal.Partition]int64{}, map[wal.Partition]int64{}
	for p, end := range f.ends {
		if at := max(f.positions[p].Offset, f.starts[p]); at < end {
			from[p], to[p] = at, at+1
		}
	}
	stamps := map[wal.Partition]int64{}
	if len(from) == 0 {
		return stamps
	}
	_ = f.region.Log.Scan(ctx, from, to, func(r event.Record) error {
		stamps[wal.Partition{Topic: r.Topic, Index: r.Partition}] = r.TimestampMS
		return nil
	})
	return stamps
}

// origin reports what the region has of one origin's log; home is the origin's
// own facts.
func (f *facts) origin(place geo.Region, home *facts, now time.Time) api.OriginReport {
	o := api.OriginReport{Origin: place.Name, Partitions: []api.PartitionReport{}, Holes: []api.Hole{}}
	for _, index := range allPartitions() {
		p := wal.Partition{Topic: place.Topic(), Index: index}
		pos := f.positions[p]
		o.End += f.ends[p]
		o.Applied += pos.Offset
		o.LagEvents += max(0, f.ends[p]-max(pos.Offset, f.starts[p]))
		if stamp, waits := f.waiting[p]; waits {
			o.LagMS = max(o.LagMS, now.UnixMilli()-stamp)
		}
		o.Partitions = append(o.Partitions, api.PartitionReport{
			Partition: index, Start: f.starts[p], End: f.ends[p], Applied: pos.Offset,
		})
		o.Holes = append(o.Holes, holesOf(pos)...)
	}
	o.MirrorGap = mirrorGap(home, f, place.Topic())
	return o
}

// holesOf lists the numbers that are missing below the highest applied one, in
// the order of lanes.
func holesOf(pos view.Position) []api.Hole {
	var holes []api.Hole
	for _, id := range slices.SortedFunc(maps.Keys(pos.Lanes), lane.ID.Compare) {
		if missing := pos.Lanes[id].Holes(); !missing.Empty() {
			holes = append(holes, api.Hole{Partition: pos.Partition, Lane: id.String(), Seqs: missing.String()})
		}
	}
	return holes
}

// mirrorGap counts the events that the origin's view has applied and the
// target's has not. It compares lanes, since offsets differ between clusters; so
// both views have to answer, not the logs. Otherwise it is api.Unknown.
func mirrorGap(origin, target *facts, topic string) int64 {
	if origin == target {
		return 0
	}
	if origin.positions == nil || target.positions == nil {
		return api.Unknown
	}
	var gap int64
	for _, index := range allPartitions() {
		p := wal.Partition{Topic: topic, Index: index}
		there := target.positions[p].Lanes
		for id, set := range origin.positions[p].Lanes {
			gap += set.Minus(there[id]).Len()
		}
	}
	return gap
}

// converged reports that every region answered, has applied its whole log, and
// holds exactly the same events as the others.
func converged(all []*facts) bool {
	for _, f := range all {
		if !f.known() || len(f.problems) > 0 {
			return false
		}
		for p, end := range f.ends {
			if f.positions[p].Offset != end || !equalLanes(f.positions[p].Lanes, all[0].positions[p].Lanes) {
				return false
			}
		}
	}
	return len(all) > 0
}

func equalLanes(a, b map[lane.ID]lane.Set) bool {
	return coversLanes(a, b) && coversLanes(b, a)
}

func coversLanes(a, b map[lane.ID]lane.Set) bool {
	for id, set := range b {
		if !set.Minus(a[id]).Empty() {
			return false
		}
	}
	return true
}
