package materializer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// fakeLog is a Kafka in memory with one reader at a time.
type fakeLog struct {
	mu      sync.Mutex
	cond    chan struct{} // closed and replaced at every change
	records map[wal.Partition][]event.Record
	starts  map[wal.Partition]int64
	cursor  map[wal.Partition]int64
	paused  map[wal.Partition]bool
	errs    []error // returned by the next polls
	drop    map[wal.Partition]int
	cfg     wal.GroupConfig
	joined  bool
	seeks   int
	pauses  int
	closed  bool
	away    bool // Ends fails
}

func newFakeLog() *fakeLog {
	l := &fakeLog{
		cond: make(chan struct{}), records: map[wal.Partition][]event.Record{}, starts: map[wal.Partition]int64{},
		cursor: map[wal.Partition]int64{}, paused: map[wal.Partition]bool{}, drop: map[wal.Partition]int{},
	}
	for _, p := range everyPartition() {
		l.records[p] = nil
	}
	return l
}

func everyPartition() (list []wal.Partition) {
	for _, topic := range geo.Default().Topics() {
		for i := range int32(geo.Partitions) {
			list = append(list, wal.Partition{Topic: topic, Index: i})
		}
	}
	return list
}

// change runs fn under the lock and wakes a waiting poll.
func (l *fakeLog) change(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
	close(l.cond)
	l.cond = make(chan struct{})
}

// append puts values into a partition.
func (l *fakeLog) append(p wal.Partition, records ...event.Record) {
	l.change(func() {
		for _, r := range records {
			r.Topic, r.Partition, r.Offset = p.Topic, p.Index, int64(len(l.records[p]))
			l.records[p] = append(l.records[p], r)
		}
	})
}

func (l *fakeLog) fail(err error) { l.change(func() { l.errs = append(l.errs, err) }) }

func (l *fakeLog) Join(_ context.Context, cfg wal.GroupConfig) (Reader, error) {
	l.cfg = cfg
	return l, nil
}

func (l *fakeLog) Starts(context.Context, ...string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[wal.Partition]int64{}
	for _, p := range everyPartition() {
		out[p] = l.starts[p]
	}
	return out, nil
}

func (l *fakeLog) Ends(context.Context, ...string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return nil, errNetwork
	}
	out := map[wal.Partition]int64{}
	for _, p := range everyPartition() {
		out[p] = int64(len(l.records[p]))
	}
	return out, nil
}

func (l *fakeLog) Poll(ctx context.Context, limit int) (wal.Fetch, error) {
	if !l.joined {
		if err := l.assign(ctx, everyPartition()...); err != nil {
			return wal.Fetch{}, err
		}
		l.joined = true
	}
	for {
		l.mu.Lock()
		fetch, err, wait := l.take(limit)
		l.mu.Unlock()
		if err != nil || len(fetch.Records) > 0 {
			return fetch, err
		}
		select {
		case <-ctx.Done():
			return wal.Fetch{}, ctx.Err()
		case <-wait:
		}
	}
}

// assign gives partitions to the reader, as a rebalance does.
func (l *fakeLog) assign(ctx context.Context, partitions ...wal.Partition) error {
	at, err := l.cfg.Start(ctx, partitions)
	if err == nil {
		l.change(func() {
			for p, place := range at {
				l.cursor[p] = place.Offset
			}
		})
	}
	return err
}

// revoke takes partitions away.
func (l *fakeLog) revoke(partitions ...wal.Partition) {
	l.cfg.OnRevoked(partitions, false)
	l.change(func() {
		for _, p := range partitions {
			delete(l.cursor, p)
		}
	})
}

func (l *fakeLog) take(limit int) (fetch wal.Fetch, err error, wait <-chan struct{}) {
	if len(l.errs) > 0 {
		err, l.errs = l.errs[0], l.errs[1:]
		return fetch, err, nil
	}
	for _, p := range everyPartition() {
		at, owned := l.cursor[p]
		for ; owned && !l.paused[p] && at < int64(len(l.records[p])) && len(fetch.Records) < limit; at++ {
			l.cursor[p] = at + 1
			if l.drop[p] > 0 { // a record lost on the way
				l.drop[p]--
				continue
			}
			fetch.Records = append(fetch.Records, l.records[p][at])
		}
	}
	return fetch, nil, l.cond
}

func (l *fakeLog) Seek(places map[wal.Partition]wal.Place) {
	l.change(func() {
		for p, place := range places {
			if _, owned := l.cursor[p]; owned {
				l.cursor[p] = place.Offset
				l.seeks++
			}
		}
	})
}

func (l *fakeLog) Pause(partitions ...wal.Partition) {
	l.change(func() {
		for _, p := range partitions {
			l.paused[p] = true
			l.pauses++
		}
	})
}

func (l *fakeLog) Resume(partitions ...wal.Partition) {
	l.change(func() {
		for _, p := range partitions {
			delete(l.paused, p)
		}
	})
}

func (l *fakeLog) Commit(context.Context, map[wal.Partition]int64) error { return nil }
func (l *fakeLog) Close()                                                { l.change(func() { l.closed = true }) }

// fakeView is a Redis in memory that knows positions and lanes only. It checks
// what every batch claims: a claimed range starts where the view stands, and
// its lanes grow by exactly one number per event.
type fakeView struct {
	t  *testing.T
	mu sync.Mutex

	positions map[wal.Partition]view.Position
	applied   []int64         // events per batch
	installed int             // installs of the last batch
	before    []error         // Apply fails before it takes effect
	after     []error         // Apply fails after it took effect
	reads     []error         // Position fails
	wipes     []error         // WipePartition fails
	unfit     error           // what Check says
	foreign   [][]byte        // what ForeignKeys says
	published []view.Applied  //
	hold      chan struct{}   // Apply waits for it when not nil
	steal     func(*fakeView) // runs once before the next Apply's compare-and-set
	dirty     map[int32]bool  // partitions with long work left behind
	marked    bool            // not whole
	asked     int             // round trips to read where it stands

	breaks func(*view.Batch) error // breaks a batch off behind its first write
	tears  int                     // how often it did
}

func newFakeView(t *testing.T) *fakeView {
	return &fakeView{t: t, positions: map[wal.Partition]view.Position{}, dirty: map[int32]bool{}}
}

func (v *fakeView) with(fn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn()
}

func (v *fakeView) Position(_ context.Context, topic string, partition int32, lanes ...lane.ID) (view.Position, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if err := shift(&v.reads); err != nil {
		return view.Position{}, err
	}
	pos := v.positions[wal.Partition{Topic: topic, Index: partition}]
	asked := map[lane.ID]lane.Set{}
	for _, id := range lanes {
		if set, ok := pos.Lanes[id]; ok {
			asked[id] = set
		}
	}
	pos.Lanes = asked
	return pos, nil
}

func (v *fakeView) Offsets(_ context.Context, topics ...string) (map[string][]int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if err := shift(&v.reads); err != nil {
		return nil, err
	}
	out := map[string][]int64{}
	for _, topic := range topics {
		for p := range int32(geo.Partitions) {
			out[topic] = append(out[topic], v.positions[wal.Partition{Topic: topic, Index: p}].Offset)
		}
	}
	return out, nil
}

func (v *fakeView) MarkRebuilding(context.Context) error {
	v.with(func() { v.marked = true })
	return nil
}

func (v *fakeView) EndRebuilding(context.Context) error {
	v.with(func() { v.marked = false })
	return nil
}

func (v *fakeView) Rebuilding(context.Context) (marked bool, err error) {
	v.with(func() { marked = v.marked })
	return marked, nil
}

func shift(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (v *fakeView) Apply(_ context.Context, b *view.Batch) ([]event.Outcome, error) {
	if v.hold != nil {
		<-v.hold
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.steal != nil {
		steal := v.steal
		v.steal = nil
		steal(v)
	}
	for _, r := range b.Ranges {
		if pos := v.positions[wal.Partition{Topic: r.Topic, Index: r.Partition}]; pos.Torn() {
			return nil, &view.CorruptError{Topic: r.Topic, Partition: r.Partition}
		} else if pos.Offset != r.From {
			return nil, fmt.Errorf("%w: at %d", view.ErrStale, pos.Offset)
		}
	}
	if err := shift(&v.before); err != nil {
		return nil, err
	}
	if v.breaks != nil {
		if err := v.breaks(b); err != nil {
			v.tears++
			for _, r := range b.Ranges {
				p := wal.Partition{Topic: r.Topic, Index: r.Partition}
				pos := v.positions[p]
				pos.Topic, pos.Partition = r.Topic, r.Partition
				pos.Marks[0]++
				v.positions[p] = pos
			}
			return nil, err
		}
	}
	v.store(b)
	if err := shift(&v.after); err != nil {
		return nil, err
	}
	return slices.Repeat([]event.Outcome{event.Applied}, b.Events()), nil
}

func (v *fakeView) store(b *view.Batch) {
	var grown int64
	for _, r := range b.Ranges {
		p := wal.Partition{Topic: r.Topic, Index: r.Partition}
		if r.To < r.From {
			v.t.Errorf("%s: batch moves the position back from %d to %d", p, r.From, r.To)
		}
		pos := v.positions[p]
		pos.Topic, pos.Partition, pos.Offset = r.Topic, r.Partition, r.To
		lanes := maps.Clone(pos.Lanes)
		if lanes == nil {
			lanes = map[lane.ID]lane.Set{}
		}
		for id, set := range r.Lanes {
			if !lanes[id].Minus(set).Empty() {
				v.t.Errorf("%s: lane %s shrinks from %s to %s", p, id, lanes[id], set)
			}
			grown += set.Minus(lanes[id]).Len()
			lanes[id] = set
		}
		pos.Lanes = lanes
		v.positions[p] = pos
	}
	if grown != int64(b.Events()) {
		v.t.Errorf("batch of %d events claims %d new numbers", b.Events(), grown)
	}
	v.applied = append(v.applied, int64(b.Events()))
	v.installed = len(b.Installs)
}

func (v *fakeView) Resume(_ context.Context, partition int32) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.dirty, partition)
	return nil
}

func (v *fakeView) unfinished() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.dirty)
}

func (v *fakeView) Publish(_ context.Context, m view.Applied) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.published = append(v.published, m)
	return nil
}

func (v *fakeView) Check(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unfit
}

func (v *fakeView) ForeignKeys(context.Context, int) ([][]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.foreign, nil
}

func (v *fakeView) WipePartition(_ context.Context, partition int32, topics ...string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := shift(&v.wipes); err != nil {
		return err
	}
	torn := false
	for _, topic := range topics {
		torn = torn || v.positions[wal.Partition{Topic: topic, Index: partition}].Torn()
	}
	if !torn {
		return view.ErrStale
	}
	for _, topic := range topics {
		delete(v.positions, wal.Partition{Topic: topic, Index: partition})
	}
	return nil
}

func (v *fakeView) events() (n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range v.applied {
		n += k
	}
	return n
}

func (v *fakeView) at(p wal.Partition) view.Position {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.positions[p]
}

// jsonCodec writes events as JSON. Values that are not JSON are rejected; an
// event whose id begins with "future" blocks until upgraded.
type jsonCodec struct {
	mu       sync.Mutex
	upgraded bool
}

func (c *jsonCodec) upgrade() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upgraded = true
}

func (c *jsonCodec) Decode(_ context.Context, r event.Record) (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return event.Event{}, event.Reject("bad payload", "%v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(e.ID) >= 6 && e.ID[:6] == "future" && !c.upgraded {
		return event.Event{}, errors.New("newer format: min_ver 2")
	}
	return e, nil
}

func encode(e event.Event) event.Record {
	value, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return event.Record{Topic: geo.Topic(e.Origin), Partition: geo.PartitionOf(e.Key), Offset: -1, Key: e.Key, Value: value, TimestampMS: e.HLC.Physical}
}
