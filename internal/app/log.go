package app

import (
	"cmp"
	"context"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/wal"
)

// Recent re-reads the newest limit events of the logs, oldest first, and counts
// the events stamped at or after sinceMS that it left out.
func (a *App) Recent(ctx context.Context, limit int, sinceMS int64) ([]api.Observation, int64, error) {
	done, err := waitToKeep(ctx, a.recent)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	kept := &newest{limit: max(limit, 1)}
	skipped, err := a.readLogs(ctx, api.LogQuery{SinceMS: sinceMS, Limit: kept.limit}, kept.add)
	return kept.kept, skipped + kept.dropped, err
}

// Log reads the part of the logs that q bounds, in the order of the stamps, and
// emits each event as it was found at its origin, or in another region while
// the origin's Kafka cannot be reached. Without a limit, memory does not grow
// with the range; with one, at most newestBytes are kept.
func (a *App) Log(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) error {
	if q.Limit <= 0 {
		_, err := a.readLogs(ctx, q, emit)
		return err
	}
	done, err := waitToKeep(ctx, a.keeping)
	if err != nil {
		return err
	}
	defer done()
	kept := &newest{limit: q.Limit}
	if _, err := a.readLogs(ctx, q, kept.add); err != nil {
		return err
	}
	for _, o := range kept.kept {
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

// keepAtOnce bounds the readings that keep what they read, until it is emitted:
// what they hold in memory is bounded, however many are asked for. Recent, which
// waits for no client, has one more place, so that no slow client holds it up.
const keepAtOnce = 4

// waitToKeep waits for a place to read and keep; done gives it back.
func waitToKeep(ctx context.Context, places chan struct{}) (done func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, fail.Wrap(fail.Busy, ctx.Err(), "read the newest events: %d readings are under way", cap(places))
	}
}

// readLogs merges the partitions of all origins in the order of the stamps. With
// a limit and no end it reads only the last records of each partition and
// returns how many it left out.
func (a *App) readLogs(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) (skipped int64, err error) {
	m := logMerge{decode: a.seenAt, away: map[*region]error{}}
	if q.Limit > 0 && q.UntilMS == 0 {
		m.tail = int64(q.Limit)
	}
	m.open = func(topic string) (*region, map[wal.Partition]logRange, error) {
		return a.openTopic(ctx, topic, q, m.away)
	}
	for _, topic := range a.cfg.Cluster.Topology.Topics() {
		n, err := m.add(topic)
		if err != nil {
			return 0, err
		}
		skipped += n
	}
	for {
		o, more, err := m.next(ctx)
		if err != nil || !more {
			return skipped, err
		}
		if ms := o.AtMS; ms < q.SinceMS || q.UntilMS > 0 && ms >= q.UntilMS {
			continue
		}
		if err := emit(o); err != nil {
			return skipped, err
		}
	}
}

// openTopic finds the bounds of a topic at its origin where that can be reached,
// otherwise in any region that has a copy and is not away; what does not answer
// is away from then on.
func (a *App) openTopic(ctx context.Context, topic string, q api.LogQuery, away map[*region]error) (*region, map[wal.Partition]logRange, error) {
	var failure error
	for _, r := range a.holders(topic) {
		if away[r] == nil {
			ranges, err := rangesOf(ctx, r, topic, q)
			if err == nil {
				return r, ranges, nil
			}
			if ctx.Err() != nil {
				return nil, nil, err
			}
			away[r] = err
		}
		failure = cmp.Or(failure, away[r])
	}
	return nil, nil, fail.Wrap(fail.Unavailable, failure, "read topic %s", topic).
		WithHint("no region's Kafka answers; see geokv status")
}

// holders orders the regions by how good a source of the topic they are.
func (a *App) holders(topic string) []*region {
	ordered := slices.Clone(a.regions)
	slices.SortStableFunc(ordered, func(x, y *region) int { return cmp.Compare(rank(x, topic), rank(y, topic)) })
	return ordered
}

func rank(r *region, topic string) int {
	if r.Topic() == topic {
		return 0
	}
	return 1
}

// logRange is a part of a partition's log.
type logRange struct{ from, to int64 }

// rangesOf leaves out what is certainly too old; what is too new is left out
// record by record, since timestamps may rise and fall within a partition.
func rangesOf(ctx context.Context, r *region, topic string, q api.LogQuery) (map[wal.Partition]logRange, error) {
	to, err := r.log.Ends(ctx, topic)
	if err != nil {
		return nil, err
	}
	var from map[wal.Partition]int64
	if q.SinceMS > 0 {
		from, err = r.log.OffsetsAt(ctx, q.SinceMS, topic)
	} else {
		from, err = r.log.Starts(ctx, topic)
	}
	ranges := make(map[wal.Partition]logRange, len(to))
	for p, end := range to {
		ranges[p] = logRange{from[p], end}
	}
	return ranges, err
}

// seenAt makes the observation of a record found in a log. A record that cannot
// be decoded keeps its key and says why.
func (a *App) seenAt(ctx context.Context, r *region, rec event.Record) api.Observation {
	o := api.Observation{
		Kind: api.KindSeen, Region: r.Name, AtMS: rec.TimestampMS,
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
	}
	e, err := a.codec.Decode(ctx, rec)
	if err != nil {
		o.Event.Key, o.Event.HLC.Physical, o.Reason = rec.Key, rec.TimestampMS, err.Error()
		return o
	}
	o.Event = e
	return o
}

// newestBytes bounds what newest keeps, about.
const newestBytes = 64 << 20

// newest keeps the last observations added, within a number and a size.
type newest struct {
	limit   int
	kept    []api.Observation
	bytes   int
	dropped int64
}

func (n *newest) add(o api.Observation) error {
	n.kept = append(n.kept, o)
	n.bytes += o.Size()
	for len(n.kept) > 1 && (len(n.kept) > n.limit || n.bytes > newestBytes) {
		n.bytes -= n.kept[0].Size()
		n.kept[0] = api.Observation{} // let its value go now, not when the array grows
		n.kept = n.kept[1:]
		n.dropped++
	}
	return nil
}
