package bridge

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/wal"
)

// openLane is the lane that new records go into. Guarded by Bridge.mu, but for
// broken, which the log's own goroutine sets when it reports a failure.
type openLane struct {
	id     lane.ID
	taken  [geo.Partitions]int64 // last seq handed to the log
	broken atomic.Bool           // a record failed: its seq is a hole, nothing more may follow
}

// openLaneOn starts a new incarnation on slot. Called with mu held.
//
// The incarnation is above that of every earlier holder of the slot: it is at
// least the wall, and above every stamp that this process or the log knows. The
// clock is raised to it, so that no record of a lane is stamped before its
// incarnation. Without that, two lanes that follow each other while the wall is
// behind the log would get the same incarnation from the same floor, and the
// second one's writes would count as duplicates. Without a lease the slot is not
// ours alone, and an outage makes several bridges look for one at the same
// moment: chance keeps their incarnations apart even if the slot is the same.
func (b *Bridge) openLaneOn(slot uint16) {
	incarnation := max(b.cfg.Wall().UnixMicro(), (b.clock.Last().Physical+1)*1000)
	if slot >= normalSlots {
		incarnation += 1 + rand.Int64N(2000)
	}
	b.lane = &openLane{id: lane.ID{Slot: slot, Incarnation: incarnation}}
	b.clock.Floor(hlc.Timestamp{Physical: incarnation / 1000})
}

// append is the one place where events come into being. Under the lane lock:
// tick, number, encode, hand over. Everything that can be refused is checked
// before the log has the record, and the seq counts only once it has it, so a
// refusal leaves no hole. What was handed over is never encoded again: a retry
// is the client library's business, with the same bytes.
func (b *Bridge) append(op event.Operation, id string, settle func(*pending)) (*pending, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, b.closing()
	}
	e, record, err := b.prepare(op, id)
	if err != nil {
		return nil, err
	}
	p := newPending(b, e, record.Partition, settle)
	b.inflight.Add(1)
	b.counts.pending.Add(1)
	if err := b.cfg.Log.Append(record, p.resolve); err != nil {
		b.inflight.Done()
		b.counts.pending.Add(-1)
		return nil, notTaken(err, record)
	}
	b.lane.taken[record.Partition] = e.Seq
	return p, nil
}

func (b *Bridge) closing() error {
	return fail.New(fail.Unavailable, "write to %s: the bridge is closing", b.cfg.Region.Name)
}

// prepare builds the next event and its record. Called with mu held; takes no
// seq.
func (b *Bridge) prepare(op event.Operation, id string) (event.Event, event.Record, error) {
	stamp, err := b.stamp()
	if err != nil {
		return event.Event{}, event.Record{}, err
	}
	args, err := op.ArgsAt(stamp.Physical)
	if err != nil {
		return event.Event{}, event.Record{}, refused(err)
	}
	partition := geo.PartitionOf(op.Key)
	e := event.Event{
		Version: event.FormatVersion, MinVersion: event.FormatVersion,
		ID: id, Origin: b.cfg.Region.Name, HLC: stamp,
		Lane: b.lane.id, Seq: b.lane.taken[partition] + 1,
		Key:  bytes.Clone(op.Key), // the log may hold it long after the caller has gone on
		Args: args,
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, event.Record{}, refused(err)
	}
	value, err := b.cfg.Codec.Encode(b.topic, e)
	if err != nil {
		return event.Event{}, event.Record{}, refused(err)
	}
	if n := len(op.Key) + len(value); n > event.MaxRecordBytes {
		return event.Event{}, event.Record{}, refused(event.Reject("record too large", "%d bytes, at most %d", n, event.MaxRecordBytes))
	}
	return e, event.Record{
		Topic: b.topic, Partition: partition, Offset: -1,
		Key: e.Key, Value: value, TimestampMS: stamp.Physical,
	}, nil
}

// stamp ticks the clock for the lane that may be written to now. Called with mu
// held.
//
// The tick comes first and the lease is looked at after it: a process that is
// paused in between has a stamp from a time at which the slot was its own.
func (b *Bridge) stamp() (hlc.Timestamp, error) {
	if b.lane.broken.Load() {
		b.openLaneOn(b.lane.id.Slot)
		b.counts.lanesClosed.Add(1)
	}
	for {
		stamp, err := b.clock.Now(b.lane.id.Slot)
		if err != nil {
			return stamp, b.tooFarAhead(err)
		}
		if !b.onLeasedSlot() || !b.leaseLapsed() {
			return stamp, nil
		}
		b.leaveSlot("the lease was not renewed for " + stampWithin.String())
	}
}

func (b *Bridge) tooFarAhead(err error) error {
	hint := "set the wall clock of this host"
	var ahead *hlc.AheadError
	if errors.As(err, &ahead) {
		hint = "wait " + ahead.Wait().Round(time.Millisecond).String() + ", or set the wall clock of this host"
	}
	return fail.Wrap(fail.Clock, err, "stamp a write in %s", b.cfg.Region.Name).WithHint("%s", hint)
}

func notTaken(err error, r event.Record) error {
	if errors.Is(err, wal.ErrFull) {
		return fail.Wrap(fail.Busy, err, "append to %s/%d", r.Topic, r.Partition).
			WithHint("retry later; geokv status shows whether the region's Kafka is reachable")
	}
	return fail.Wrap(fail.Unavailable, err, "append to %s/%d", r.Topic, r.Partition)
}

// pending is a record that the log has taken and whose fate is not known yet.
type pending struct {
	bridge  *Bridge
	lane    *openLane
	receipt event.Receipt // as of the hand-over: offset -1, unknown
	settle  func(*pending)

	// Written once before done is closed.
	done   chan struct{}
	offset int64
	err    error
}

func newPending(b *Bridge, e event.Event, partition int32, settle func(*pending)) *pending {
	return &pending{
		bridge: b, lane: b.lane, settle: settle,
		receipt: receiptOf(e, partition, -1, event.FateUnknown),
		done:    make(chan struct{}),
	}
}

func receiptOf(e event.Event, partition int32, offset int64, outcome event.Durability) event.Receipt {
	return event.Receipt{
		EventID: e.ID, Region: e.Origin, Topic: geo.Topic(e.Origin), Partition: partition, Offset: offset,
		HLC: event.StampOf(e.HLC, e.Origin), Slot: e.Lane.Slot, Incarnation: e.Lane.Incarnation, Seq: e.Seq,
		Outcome: outcome,
	}
}

// resolve is the log's word on the record. It runs on the log's goroutine.
//
// A failed record leaves a hole, so its lane closes: the next write opens a new
// incarnation. Records of the old lane that are already with the log keep their
// own fates; those that become durable behind the hole are applied all the same,
// and the hole stays visible.
func (p *pending) resolve(offset int64, err error) {
	p.offset, p.err = offset, err
	if err != nil {
		p.lane.broken.Store(true)
	}
	p.bridge.counts.settled(err)
	close(p.done)
	if p.settle == nil {
		p.bridge.inflight.Done()
		return
	}
	go func() {
		defer p.bridge.inflight.Done()
		p.settle(p)
	}()
}

// wait returns the fate, or an unknown receipt when ctx ends first: the record
// stays queued, in order, and the lane goes on.
func (p *pending) wait(ctx context.Context) (event.Receipt, error) {
	select {
	case <-p.done:
		return p.fate()
	default:
	}
	select {
	case <-p.done:
		return p.fate()
	case <-ctx.Done():
		return p.receipt, nil
	}
}

// fate reads the outcome; only after done.
func (p *pending) fate() (event.Receipt, error) {
	switch {
	case p.err == nil:
		r := p.receipt
		r.Offset, r.Outcome = p.offset, event.Durable
		return r, nil
	case errors.Is(p.err, wal.ErrLost):
		return event.Receipt{}, fail.Wrap(fail.Unavailable, p.err, "append to %s/%d", p.receipt.Topic, p.receipt.Partition).
			WithHint("the write is certainly not in the log; retry it")
	}
	return p.receipt, nil
}
