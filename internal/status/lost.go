package status

import (
	"context"
	"fmt"
	"strings"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

// findLost looks for events that a region has and their origin has not: a disk
// lost its tail, a log was restored from an old copy. Mirrors only carry events
// away from their origin, so nothing brings these back, and regions cannot
// converge until somebody acts. It notes an alarm per region that lacks some. The
// regions were asked side by side, and an event can be applied elsewhere before
// its origin applied it; so an origin that seems to lack something is asked
// again, and only what it lacks with its whole log applied is lost.
func (c *Collector) findLost(ctx context.Context, all []*facts) {
	for _, home := range all {
		if !home.known() {
			continue
		}
		if len(surplus(home, all)) == 0 {
			c.alarms.Clear(api.AlarmLostAtOrigin, home.region.Topic())
			continue
		}
		again := &facts{region: home.region, keys: api.Unknown}
		if c.ask(ctx, again); !again.known() {
			continue
		}
		c.noteLost(home.region.Region, surplus(again, all))
	}
}

// surplus counts, per region, the events of home's log that it holds and home
// lacks, in partitions that home has applied to the end.
func surplus(home *facts, all []*facts) map[string]int64 {
	holders := map[string]int64{}
	topic := home.region.Topic()
	for _, other := range all {
		if other.region.Name == home.region.Name || !other.known() {
			continue
		}
		for _, index := range allPartitions() {
			p := wal.Partition{Topic: topic, Index: index}
			own := home.positions[p]
			if own.Offset < home.ends[p] {
				continue
			}
			for id, set := range other.positions[p].Lanes {
				if n := set.Minus(own.Lanes[id]).Len(); n > 0 {
					holders[other.region.Name] += n
				}
			}
		}
	}
	return holders
}

func (c *Collector) noteLost(home geo.Region, holders map[string]int64) {
	var most int64
	var have []string
	for _, name := range c.cfg.Topology.Names() {
		if n := holders[name]; n > 0 {
			have = append(have, fmt.Sprintf("%s holds %d", name, n))
			most = max(most, n)
		}
	}
	if most == 0 {
		c.alarms.Clear(api.AlarmLostAtOrigin, home.Topic())
		return
	}
	c.alarms.Measure(most, api.AlarmLostAtOrigin, home.Topic(),
		fmt.Sprintf("its own region's log lacks events that others have (%s)", strings.Join(have, ", ")),
		"the Kafka of "+home.Name+" lost records: restore its log from a copy; the others keep the events, but nothing carries them back")
}
