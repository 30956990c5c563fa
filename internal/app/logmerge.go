package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/wal"
)

// What a merge fetches ahead: so many records of a partition, and so many bytes
// over all of them in one go. Partitions that have something are refilled only
// while all together hold less than that.
const (
	fetchAtOnce = 1000
	fetchBytes  = 2 << 20
)

// silence is how long a Kafka may bring no record before another region's copy
// is read instead: a reader of a log waits for ever.
const silence = 3 * time.Second

var (
	errEnough = errors.New("enough fetched") // ends one go of fetching
	errSilent = errors.New("no record came for " + silence.String())
)

// logMerge hands out the events of many partitions in the order of their stamps.
type logMerge struct {
	open   func(topic string) (*region, map[wal.Partition]logRange, error) // at a region that is not away
	decode func(context.Context, *region, event.Record) api.Observation
	tail   int64             // read only so many last records of a partition; 0: all
	away   map[*region]error // regions that failed during this reading
	parts  []*logPart
	bytes  int // of the values that were fetched and not handed out
}

// logPart is one partition on its way through a merge.
type logPart struct {
	region      *region
	partition   wal.Partition
	offset, end int64 // what has not been fetched yet
	fetched     []api.Observation

	// What has been fetched, to go on in another region's copy, where the same
	// events have other offsets and may come twice and in another order.
	taken map[lane.ID]lane.Set
	first hlc.Timestamp
	junk  int64 // greatest timestamp of the records that are no events
	moved bool
}

// add opens a topic and returns how many records it left out.
func (m *logMerge) add(topic string) (skipped int64, err error) {
	r, ranges, err := m.open(topic)
	if err != nil {
		return 0, err
	}
	for p, bounds := range ranges {
		part := &logPart{partition: p, taken: map[lane.ID]lane.Set{}}
		skipped += part.read(r, bounds, m.tail)
		m.parts = append(m.parts, part)
	}
	return skipped, nil
}

// read makes a region's copy the one to fetch from, of which only the tail is
// read when that is not 0, and returns how much is left out.
func (p *logPart) read(r *region, bounds logRange, tail int64) (skipped int64) {
	p.region, p.offset, p.end = r, bounds.from, bounds.to
	if first := p.end - tail; tail > 0 && first > p.offset {
		skipped, p.offset = first-p.offset, first
	}
	return skipped
}

// next returns the oldest event not yet handed out; more is false at the end.
func (m *logMerge) next(ctx context.Context) (oldest api.Observation, more bool, err error) {
	for slices.ContainsFunc(m.parts, (*logPart).dry) {
		if err := m.fetch(ctx); err != nil {
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
	oldest, from.fetched[0] = from.fetched[0], api.Observation{}
	from.fetched = from.fetched[1:]
	m.bytes -= oldest.Size()
	return oldest, true, nil
}

func (p *logPart) dry() bool { return len(p.fetched) == 0 && p.offset < p.end }

// fetch refills every partition that is empty, and those half empty while there
// is room, so that one reading of a log serves many of them. Partitions of a
// region that fails go on in another one.
func (m *logMerge) fetch(ctx context.Context) error {
	wanted := map[*region][]*logPart{}
	for _, p := range m.parts {
		if p.dry() || m.bytes < fetchBytes && len(p.fetched) < fetchAtOnce/2 && p.offset < p.end {
			wanted[p.region] = append(wanted[p.region], p)
		}
	}
	for r, parts := range wanted {
		err := m.scan(ctx, r, parts)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			m.away[r] = fmt.Errorf("read the log of region %s: %w", r.Name, err)
			if err := m.move(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan fetches some records of the parts, all of which are read in r.
func (m *logMerge) scan(ctx context.Context, r *region, parts []*logPart) error {
	byPartition := map[wal.Partition]*logPart{}
	from, to := map[wal.Partition]int64{}, map[wal.Partition]int64{}
	for _, p := range parts {
		byPartition[p.partition] = p
		from[p.partition], to[p.partition] = p.offset, min(p.offset+fetchAtOnce, p.end)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer silent.Stop()
	bytes := 0
	err := r.log.Scan(ctx, from, to, func(rec event.Record) error {
		silent.Stop() // the time that decoding takes is not the log's
		p := byPartition[wal.Partition{Topic: rec.Topic, Index: rec.Partition}]
		o := m.decode(ctx, r, rec)
		if ctx.Err() != nil {
			return context.Cause(ctx) // and not that it cannot be decoded
		}
		p.offset = rec.Offset + 1
		if p.take(o, m.tail > 0) {
			p.fetched = append(p.fetched, o)
			m.bytes += o.Size()
		}
		silent.Reset(silence)
		if bytes += len(rec.Value); bytes >= fetchBytes {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return errors.Join(context.Cause(ctx), err)
	}
	for _, p := range parts {
		p.offset = to[p.partition]
	}
	return nil
}

// take reports whether a record is to be handed out. In a copy that is read in
// place of another one, that is when it was not fetched there, nor left out.
func (p *logPart) take(o api.Observation, onlyTail bool) bool {
	if o.Reason != "" {
		news := !p.moved || o.AtMS > p.junk
		p.junk = max(p.junk, o.AtMS)
		return news
	}
	e := o.Event
	if p.moved && (p.taken[e.Lane].Contains(e.Seq) || onlyTail && e.HLC.Before(p.first)) {
		return false
	}
	if len(p.taken) == 0 {
		p.first = e.HLC
	}
	p.taken[e.Lane] = p.taken[e.Lane].Add(e.Seq)
	return true
}

// move makes the parts that are read in a region that failed go on elsewhere,
// from the start: what they handed out already is passed over.
func (m *logMerge) move(failed *region) error {
	opened := map[string]map[wal.Partition]logRange{}
	regions := map[string]*region{}
	for _, p := range m.parts {
		topic := p.partition.Topic
		if p.region != failed || p.offset >= p.end {
			continue
		}
		if opened[topic] == nil {
			r, ranges, err := m.open(topic)
			if err != nil {
				return err
			}
			regions[topic], opened[topic] = r, ranges
		}
		p.moved = true
		p.read(regions[topic], opened[topic][p.partition], m.tail)
	}
	return nil
}
