package app

import (
	"cmp"
	"context"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/wal"
	"github.com/geokv/geokv/internal/watch"
)

// maxLogEvents bounds how many events one reading of the logs holds in memory.
const maxLogEvents = 100_000

func (a *App) addObserver(r *region) error {
	r.observer = watch.NewObserver(watch.ObserverConfig{
		Region: r.Region, Topics: a.cfg.Cluster.Topology.Topics(),
		Log: watch.LogOf(r.log), View: r.db, Decoder: a.codec, Hub: a.hub,
		Wall: a.cfg.Wall, From: wal.AtEnd(), Logger: a.cfg.Logger,
	})
	return nil
}

// Events is the stream of observations of this process's observers.
func (a *App) Events() *watch.Hub { return a.hub }

// Recent re-reads the newest limit events of the logs, oldest first, and counts
// the events stamped at or after sinceMS that it left out.
func (a *App) Recent(ctx context.Context, limit int, sinceMS int64) ([]api.Observation, int64, error) {
	return a.readLogs(ctx, api.LogQuery{SinceMS: sinceMS, Limit: limit})
}

// Log reads the part of the logs that q bounds and emits each event in the
// order of the stamps, as seen in the region whose log it was read from.
func (a *App) Log(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) error {
	observations, _, err := a.readLogs(ctx, q)
	if err != nil {
		return err
	}
	for _, o := range observations {
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

// readLogs reads each origin's topic from the origin itself where that can be
// reached, otherwise from any region that has a copy.
func (a *App) readLogs(ctx context.Context, q api.LogQuery) (newest []api.Observation, skipped int64, err error) {
	if q.Limit <= 0 || q.Limit > maxLogEvents {
		q.Limit = maxLogEvents
	}
	for _, origin := range a.cfg.Cluster.Topology.Regions() {
		found, missed, err := a.readTopic(ctx, origin.Topic(), q)
		if err != nil {
			return nil, 0, err
		}
		newest, skipped = append(newest, found...), skipped+missed
	}
	slices.SortStableFunc(newest, func(x, y api.Observation) int {
		return cmp.Or(x.Event.HLC.Compare(y.Event.HLC), cmp.Compare(x.Partition, y.Partition))
	})
	if over := len(newest) - q.Limit; over > 0 {
		newest, skipped = newest[over:], skipped+int64(over)
	}
	return newest, skipped, nil
}

func (a *App) readTopic(ctx context.Context, topic string, q api.LogQuery) ([]api.Observation, int64, error) {
	var failure error
	for _, r := range a.holders(topic) {
		found, missed, err := a.scanTopic(ctx, r, topic, q)
		if err == nil {
			return found, missed, nil
		}
		failure = err
	}
	return nil, 0, fail.Wrap(fail.Unavailable, failure, "read topic %s", topic).
		WithHint("no region's Kafka answers; see geokv status")
}

// holders orders the regions by how good a source of the topic they are.
func (a *App) holders(topic string) []*region {
	ordered := slices.Clone(a.regions)
	slices.SortStableFunc(ordered, func(x, y *region) int {
		return cmp.Compare(rank(x, topic), rank(y, topic))
	})
	return ordered
}

func rank(r *region, topic string) int {
	if r.Topic() == topic {
		return 0
	}
	return 1
}

// scanTopic keeps the newest q.Limit events per partition, so that memory stays
// bounded whatever the range.
func (a *App) scanTopic(ctx context.Context, r *region, topic string, q api.LogQuery) ([]api.Observation, int64, error) {
	from, to, err := logRange(ctx, r, topic, q)
	if err != nil {
		return nil, 0, err
	}
	kept := newNewest(q.Limit)
	if q.UntilMS == 0 {
		kept.dropped = onlyTail(from, to, int64(q.Limit))
	}
	err = r.log.Scan(ctx, from, to, func(rec event.Record) error {
		if rec.TimestampMS < q.SinceMS || q.UntilMS > 0 && rec.TimestampMS >= q.UntilMS {
			return nil
		}
		kept.add(a.seenAt(ctx, r, rec))
		return nil
	})
	return kept.list(), kept.dropped, err
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

// onlyTail moves from up so that at most limit records of each partition are
// read, and returns how many are left out: a question for the newest few must
// not read a long log.
func onlyTail(from, to map[wal.Partition]int64, limit int64) (skipped int64) {
	for p, end := range to {
		if first := end - limit; first > from[p] {
			skipped += first - from[p]
			from[p] = first
		}
	}
	return skipped
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

// newest is a ring of the last observations added.
type newest struct {
	ring    []api.Observation
	limit   int
	next    int
	dropped int64
}

func newNewest(limit int) *newest { return &newest{limit: limit} }

func (n *newest) add(o api.Observation) {
	if len(n.ring) < n.limit {
		n.ring = append(n.ring, o)
		return
	}
	n.ring[n.next] = o
	n.next = (n.next + 1) % n.limit
	n.dropped++
}

func (n *newest) list() []api.Observation {
	return append(slices.Clone(n.ring[n.next:]), n.ring[:n.next]...)
}
