package app

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/wal"
)

// Recent re-reads the newest limit events of the logs, oldest first, and counts
// the events stamped at or after sinceMS that it left out.
func (a *App) Recent(ctx context.Context, limit int, sinceMS int64) ([]api.Observation, int64, error) {
	kept := &newest{limit: max(limit, 1)}
	skipped, err := a.readLogs(ctx, api.LogQuery{SinceMS: sinceMS, Limit: kept.limit}, kept.add)
	return kept.list(), skipped + kept.dropped, err
}

// Log reads the part of the logs that q bounds, in the order of the stamps, and
// emits each event as it was found at its origin, or in another region while
// the origin's Kafka cannot be reached. Memory does not grow with the range.
func (a *App) Log(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) error {
	if q.Limit <= 0 {
		_, err := a.readLogs(ctx, q, emit)
		return err
	}
	kept := &newest{limit: q.Limit}
	if _, err := a.readLogs(ctx, q, kept.add); err != nil {
		return err
	}
	for _, o := range kept.list() {
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

// readLogs merges the partitions of all origins in the order of the stamps. With
// a limit and no end it reads only the last records of each partition and
// returns how many it left out.
func (a *App) readLogs(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) (skipped int64, err error) {
	var m logMerge
	for _, origin := range a.cfg.Cluster.Topology.Regions() {
		parts, err := a.openTopic(ctx, origin.Topic(), q)
		if err != nil {
			return 0, err
		}
		m.parts = append(m.parts, parts...)
	}
	if q.Limit > 0 && q.UntilMS == 0 {
		skipped = m.onlyTails(int64(q.Limit))
	}
	for {
		o, more, err := m.next(ctx, a.seenAt)
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
// otherwise in any region that has a copy.
func (a *App) openTopic(ctx context.Context, topic string, q api.LogQuery) ([]*logPart, error) {
	var failure error
	for _, r := range a.holders(topic) {
		from, to, err := logRange(ctx, r, topic, q)
		if err != nil {
			failure = err
			continue
		}
		var parts []*logPart
		for p, end := range to {
			parts = append(parts, &logPart{region: r, partition: p, offset: from[p], end: end})
		}
		return parts, nil
	}
	return nil, fail.Wrap(fail.Unavailable, failure, "read topic %s", topic).
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

// logRange leaves out what is certainly too old; what is too new is left out
// record by record, since timestamps may rise and fall within a partition.
func logRange(ctx context.Context, r *region, topic string, q api.LogQuery) (from, to map[wal.Partition]int64, err error) {
	if to, err = r.log.Ends(ctx, topic); err != nil {
		return nil, nil, err
	}
	if q.SinceMS > 0 {
		from, err = r.log.OffsetsAt(ctx, q.SinceMS, topic)
	} else {
		from, err = r.log.Starts(ctx, topic)
	}
	return from, to, err
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

// logPart is one partition on its way through a merge.
type logPart struct {
	region      *region
	partition   wal.Partition
	offset, end int64 // what has not been fetched yet
	fetched     []api.Observation
}

// What a merge fetches ahead: so many records of a partition, and so many bytes
// over all of them in one go.
const (
	fetchAtOnce = 1000
	fetchBytes  = 4 << 20
)

// errEnough ends one go of fetching.
var errEnough = errors.New("enough fetched")

// logMerge hands out the events of many partitions in the order of their stamps.
type logMerge struct{ parts []*logPart }

// onlyTails skips all but the last limit records of each partition: a question
// for the newest few must not read a long log.
func (m *logMerge) onlyTails(limit int64) (skipped int64) {
	for _, p := range m.parts {
		if first := p.end - limit; first > p.offset {
			skipped += first - p.offset
			p.offset = first
		}
	}
	return skipped
}

type decodeFunc func(context.Context, *region, event.Record) api.Observation

// next returns the oldest event not yet handed out; more is false at the end.
func (m *logMerge) next(ctx context.Context, decode decodeFunc) (oldest api.Observation, more bool, err error) {
	for slices.ContainsFunc(m.parts, (*logPart).dry) {
		if err := m.fetch(ctx, decode); err != nil {
			return oldest, false, err
		}
	}
	var from *logPart
	for _, p := range m.parts {
		if len(p.fetched) > 0 && (from == nil || p.fetched[0].Event.HLC.Before(from.fetched[0].Event.HLC)) {
			from = p
		}
	}
	if from == nil {
		return oldest, false, nil
	}
	oldest, from.fetched = from.fetched[0], from.fetched[1:]
	return oldest, true, nil
}

func (p *logPart) dry() bool { return len(p.fetched) == 0 && p.offset < p.end }

// fetch refills every partition that is half empty, so that one reading of a
// log serves many of them.
func (m *logMerge) fetch(ctx context.Context, decode decodeFunc) error {
	wanted := map[*region][]*logPart{}
	for _, p := range m.parts {
		if len(p.fetched) < fetchAtOnce/2 && p.offset < p.end {
			wanted[p.region] = append(wanted[p.region], p)
		}
	}
	for r, parts := range wanted {
		byPartition := map[wal.Partition]*logPart{}
		from, to := map[wal.Partition]int64{}, map[wal.Partition]int64{}
		for _, p := range parts {
			byPartition[p.partition] = p
			from[p.partition], to[p.partition] = p.offset, min(p.offset+fetchAtOnce, p.end)
		}
		bytes := 0
		err := r.log.Scan(ctx, from, to, func(rec event.Record) error {
			p := byPartition[wal.Partition{Topic: rec.Topic, Index: rec.Partition}]
			p.fetched = append(p.fetched, decode(ctx, r, rec))
			p.offset = rec.Offset + 1
			if bytes += len(rec.Value); bytes >= fetchBytes {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			continue
		}
		if err != nil {
			return fail.Wrap(fail.Unavailable, err, "read the log of region %s", r.Name)
		}
		for _, p := range parts {
			p.offset = to[p.partition]
		}
	}
	return nil
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
	n.bytes += sizeOf(o)
	for len(n.kept) > 1 && (len(n.kept) > n.limit || n.bytes > newestBytes) {
		n.bytes -= sizeOf(n.kept[0])
		n.kept[0] = api.Observation{} // let its value go now, not when the array grows
		n.kept = n.kept[1:]
		n.dropped++
	}
	return nil
}

func (n *newest) list() []api.Observation { return n.kept }

// sizeOf is roughly what an observation holds in memory.
func sizeOf(o api.Observation) int {
	const fixed = 512
	return fixed + len(o.Event.Key) + event.Size(o.Event.Args)
}
