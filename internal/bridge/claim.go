package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

// lookBack widens the search in the log: the holder's clock and ours may each
// be off by hlc.MaxAhead.
const lookBack = 2 * time.Second

var (
	errNoLease = errors.New("this bridge holds no slot lease")
	errEnough  = errors.New("enough") // ends a scan
)

func partitionOf(op event.Operation) int32 { return geo.PartitionOf(op.Key) }

// claim makes the id ours (nil, nil), or returns the receipt of who had it. It
// keeps asking while another bridge's write is pending, until ctx ends; then the
// answer is a receipt of unknown fate.
func (b *Bridge) claim(ctx context.Context, a *attempt, op event.Operation) (*event.Receipt, error) {
	if err := b.needLease(ctx); err != nil {
		return nil, noTable(err, a.id)
	}
	for pending := false; ; {
		receipt, again, err := b.tryClaim(ctx, a, op)
		if pending && ctx.Err() != nil && receipt == nil {
			unknown := a.unknown
			return &unknown, nil
		}
		if !again {
			return receipt, err
		}
		pending = true
		pause.For(ctx, pollEvery)
	}
}

// tryClaim is one round of claim; again means that another bridge's write is
// pending.
func (b *Bridge) tryClaim(ctx context.Context, a *attempt, op event.Operation) (receipt *event.Receipt, again bool, err error) {
	mine := b.newReservation(a, b.cfg.Wall().UnixMilli())
	existing, reserved, err := b.cfg.Leases.ReserveID(ctx, a.id, mine, rememberFor)
	if err != nil {
		return nil, false, noTable(err, a.id)
	}
	if reserved {
		a.setReservation(mine)
		receipt, err := b.recall(ctx, a, op)
		return receipt, false, err
	}
	return b.judge(ctx, a, op, existing)
}

func (b *Bridge) newReservation(a *attempt, atMS int64) []byte {
	slot, _ := b.leasedSlot()
	return idEntry{Digest: a.digest, Holder: b.holder, Slot: slot, AtMS: atMS}.bytes()
}

// needLease makes sure that others can see this process live: a reservation
// whose holder has no lease would be taken over while its record is queued.
func (b *Bridge) needLease(ctx context.Context) error {
	if _, leased := b.leasedSlot(); leased {
		return nil
	}
	b.keepSlot(ctx)
	if _, leased := b.leasedSlot(); leased {
		return nil
	}
	return errNoLease
}

// judge decides about an id that stands in the table already. again means: ask
// once more.
func (b *Bridge) judge(ctx context.Context, a *attempt, op event.Operation, existing []byte) (receipt *event.Receipt, again bool, err error) {
	var entry idEntry
	if err := json.Unmarshal(existing, &entry); err != nil {
		return nil, false, fail.Wrap(fail.Unavailable, err, "read what is reserved under event id %q", a.id)
	}
	switch {
	case entry.Digest != a.digest:
		return nil, false, otherOperation(a.id)
	case entry.Receipt != nil:
		return entry.Receipt, false, nil
	}
	gone, err := b.isGone(ctx, entry)
	if err != nil {
		return nil, false, noTable(err, a.id)
	}
	if !gone {
		return nil, true, nil
	}
	return b.takeOver(ctx, a, op, entry, existing)
}

// isGone reports whether the holder of a reservation is no more. A reservation
// in our own name of which no attempt is left is one whose fate was lost.
func (b *Bridge) isGone(ctx context.Context, entry idEntry) (bool, error) {
	if entry.Holder == "" || entry.Holder == b.holder {
		return true, nil
	}
	holder, err := b.cfg.Leases.SlotHolder(ctx, uint16(entry.Slot))
	return holder != entry.Holder, err
}

// takeOver makes a dead holder's reservation ours and looks whether its record
// reached the log. The time of the first reservation stays in it, so that
// whoever takes over from us looks back as far.
func (b *Bridge) takeOver(ctx context.Context, a *attempt, op event.Operation, entry idEntry, existing []byte) (*event.Receipt, bool, error) {
	mine := b.newReservation(a, entry.AtMS)
	if !bytes.Equal(mine, existing) {
		taken, err := b.cfg.Leases.StoreReceipt(ctx, a.id, existing, mine, rememberFor)
		if err != nil {
			return nil, false, noTable(err, a.id)
		}
		if !taken {
			return nil, true, nil
		}
	}
	a.setReservation(mine)
	receipt, err := b.findOf(ctx, a, op, entry)
	if err != nil {
		b.handBack(a, entry)
		return nil, false, unreadable(err, a.id, op)
	}
	b.storeFound(ctx, a, receipt)
	return receipt, false, nil
}

// findOf looks for what became of a dead holder's reservation. In a young table
// the holder may have died before it looked further back itself.
func (b *Bridge) findOf(ctx context.Context, a *attempt, op event.Operation, entry idEntry) (*event.Receipt, error) {
	now, since := b.cfg.Wall(), time.UnixMilli(entry.AtMS)
	age, err := b.cfg.Leases.TableAge(ctx, rememberFor)
	if err != nil {
		return nil, err
	}
	if earlier := now.Add(-rememberFor); age < rememberFor && earlier.Before(since) {
		since = earlier
	}
	return b.find(ctx, a.id, op, since)
}

// storeFound puts a receipt that was found in the log where repeats find it.
func (b *Bridge) storeFound(ctx context.Context, a *attempt, receipt *event.Receipt) {
	if receipt == nil {
		return
	}
	done := idEntry{Digest: a.digest, Receipt: receipt}.bytes()
	if _, err := b.cfg.Leases.StoreReceipt(ctx, a.id, a.reserved(), done, rememberFor); err != nil {
		b.log.Warn("receipt found in the log but not stored", "event_id", a.id, "error", err)
	}
}

// handBack leaves the reservation to whoever comes next.
func (b *Bridge) handBack(a *attempt, entry idEntry) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.GuardTimeout)
	defer cancel()
	entry.Holder = ""
	if _, err := b.cfg.Leases.StoreReceipt(ctx, a.id, a.reserved(), entry.bytes(), rememberFor); err != nil {
		b.log.Warn("reservation left behind", "event_id", a.id, "error", err)
	}
}

// find looks for an event id among the records of the operation's key that were
// written since; nil when it is not there. An event of that id that is another
// operation is an error.
func (b *Bridge) find(ctx context.Context, id string, op event.Operation, since time.Time) (*event.Receipt, error) {
	starts, err := b.cfg.Log.OffsetsAt(ctx, since.Add(-lookBack).UnixMilli(), b.topic)
	if err != nil {
		return nil, err
	}
	ends, err := b.cfg.Log.Ends(ctx, b.topic)
	if err != nil {
		return nil, err
	}
	p := wal.Partition{Topic: b.topic, Index: partitionOf(op)}
	return b.search(ctx, id, op, starts[p], ends[p], time.Time{})
}

// search is find between two offsets of the operation's partition, the second
// exclusive. Records from before since are passed over.
func (b *Bridge) search(ctx context.Context, id string, op event.Operation, from, to int64, since time.Time) (found *event.Receipt, err error) {
	p := wal.Partition{Topic: b.topic, Index: partitionOf(op)}
	if from >= to {
		return nil, nil
	}
	err = b.cfg.Log.Scan(ctx, map[wal.Partition]int64{p: from}, map[wal.Partition]int64{p: to}, func(r event.Record) error {
		if !bytes.Equal(r.Key, op.Key) || time.UnixMilli(r.TimestampMS).Before(since) {
			return nil
		}
		e, err := b.cfg.Codec.Decode(ctx, r)
		switch {
		case event.AsReject(err) != nil:
			return nil
		case err != nil:
			return err
		case e.ID != id:
			return nil
		case !isOf(e, op):
			return otherOperation(id)
		}
		receipt := receiptOf(e, r.Partition, r.Offset, event.Durable)
		found = &receipt
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// isOf reports whether e is what op becomes at its stamp.
func isOf(e event.Event, op event.Operation) bool {
	args, err := op.ArgsAt(e.HLC.Physical)
	if err != nil {
		return false
	}
	wanted := e
	wanted.Args = args
	got, err := event.Marshal(e)
	want, errToo := event.Marshal(wanted)
	return err == nil && errToo == nil && bytes.Equal(got, want)
}

// unreadable explains why an id that may have been used cannot be decided about.
func unreadable(err error, id string, op event.Operation) error {
	if fail.CodeOf(err) == fail.Rejected {
		return err
	}
	return fail.Wrap(fail.Unavailable, err, "look for event id %q in partition %d of the log", id, partitionOf(op)).
		WithHint("an earlier write with this id may be there, and the log cannot be read now; retry with the same id")
}
