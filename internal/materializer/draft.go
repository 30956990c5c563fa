package materializer

import (
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
)

// draft is the batch being prepared: what was taken from the queues since the
// last apply.
type draft struct {
	batch  *view.Batch
	taken  []taken           // the batch's events, in order of Add
	rest   []skipped         // consumed without an effect
	claims map[*source]claim // what the batch moves the positions by
	limit  int               // bytes of log
	bytes  int
	broken error // what Redis broke it off with; nil: it did not

	repaired map[string]int // key -> its place among the batch's installs
}

type taken struct {
	from   *source
	offset int64
	event  event.Event
}

// skipped is a duplicate, or a rejected record when reject is set.
type skipped struct {
	from   *source
	record event.Record
	reject *event.RejectError
}

// claim moves one source's position.
type claim struct {
	from, to int64
	epoch    int32 // leader epoch of the record before to
	newest   hlc.Timestamp
	lanes    map[lane.ID]lane.Set // complete new sets of the lanes touched
}

func newDraft(cfg Config) *draft {
	return &draft{
		batch: view.NewBatch(cfg.Wall().UnixMilli(), cfg.LogicalExpiry), limit: cfg.CatchUpBytes,
		claims: map[*source]claim{}, repaired: map[string]int{},
	}
}

// empty reports that nothing was consumed.
func (d *draft) empty() bool { return len(d.taken)+len(d.rest) == 0 }

// full reports that the draft should be applied before more is taken.
func (d *draft) full() bool { return d.batch.Full() || d.bytes >= d.limit }

// advance extends the claim on s past offset and returns it for the caller to
// change and store.
func (d *draft) advance(s *source, offset int64, epoch int32, bytes int) claim {
	c, ok := d.claims[s]
	if !ok {
		c = claim{from: s.offset, lanes: map[lane.ID]lane.Set{}}
	}
	c.to, c.epoch = offset+1, epoch
	d.bytes += bytes
	return c
}

// applied returns the numbers taken of a lane, this draft's included. ok is
// false when the lane was not loaded yet.
func (d *draft) applied(s *source, id lane.ID) (set lane.Set, ok bool) {
	if set, ok = d.claims[s].lanes[id]; ok {
		return set, true
	}
	set, ok = s.lanes[id]
	return set, ok
}

// add takes an event that is neither duplicate nor rejected.
func (d *draft) add(s *source, p *pending) {
	c := d.advance(s, p.offset, p.epoch, p.bytes)
	set, _ := d.applied(s, p.event.Lane)
	c.lanes[p.event.Lane] = set.Add(p.event.Seq)
	c.newest = hlc.Max(c.newest, p.event.HLC)
	d.claims[s] = c
	d.taken = append(d.taken, taken{s, p.offset, p.event})
	d.batch.Add(p.event)
}

// skip consumes a record without an effect; reject is nil for a duplicate.
func (d *draft) skip(s *source, r event.Record, reject *event.RejectError) {
	d.claims[s] = d.advance(s, r.Offset, r.Epoch, recordBytes(r))
	d.rest = append(d.rest, skipped{s, r, reject})
}

// seal writes the claims into the batch, in the given order of sources. A
// source that nothing was taken from is claimed as it stands when pin is set,
// so that the batch is refused if it moved.
func (d *draft) seal(sources []*source, pin bool) {
	d.batch.Ranges = d.batch.Ranges[:0]
	for _, s := range sources {
		c, ok := d.claims[s]
		if !ok && !pin {
			continue
		}
		if !ok {
			c.from, c.to, c.epoch = s.offset, s.offset, s.applied
		}
		d.batch.Ranges = append(d.batch.Ranges, view.Range{
			Topic: s.part.Topic, Partition: s.part.Index, From: c.from, To: c.to, Lanes: c.lanes, HLC: c.newest, Epoch: c.epoch,
		})
	}
}

// install puts the repaired counters of keys into the batch, in place of earlier
// ones.
func (d *draft) install(keys []view.RepairKey, installs []view.Install) {
	for i, k := range keys {
		at, ok := d.repaired[string(k.Key)]
		if !ok {
			at = len(d.batch.Installs)
			d.repaired[string(k.Key)] = at
			d.batch.Installs = append(d.batch.Installs, view.Install{})
		}
		d.batch.Installs[at] = installs[i]
	}
}

// events hands over the draft's events.
func (d *draft) events(each func(event.Event)) {
	for _, t := range d.taken {
		each(t.event)
	}
}
