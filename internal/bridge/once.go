package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

const (
	rememberFor = 10 * time.Minute      // how long a repeat is recognised
	pollEvery   = 50 * time.Millisecond // while another bridge's write is pending
)

// idEntry is what stands in the region's table under an event id: a
// reservation while the write is on its way, then its receipt.
type idEntry struct {
	Digest  string         `json:"digest"` // of the operation; the same id must mean the same write
	Holder  string         `json:"holder,omitempty"`
	Slot    int            `json:"slot"`  // whose lease tells that the holder lives
	AtMS    int64          `json:"at_ms"` // first reservation; an append can only be later
	Receipt *event.Receipt `json:"receipt,omitempty"`
}

func (e idEntry) bytes() []byte {
	data, err := event.Marshal(e)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return data
}

// attempt is a write with an event id that this process is carrying out.
type attempt struct {
	id     string
	digest string
	done   chan struct{} // closed when the answer is final

	mu          sync.Mutex
	reservation []byte        // what stands in the table in our name
	renewed     time.Duration // monotonic; when that was last said to the table
	unknown     event.Receipt // answer to give while the fate is open
	receipt     *event.Receipt
	err         error
}

// attempts are those whose fate is open, or final but not yet in the table.
type attempts struct {
	mu   sync.Mutex
	byID map[string]*attempt
}

// writeOnce writes an operation that has an event id.
//
//	free                      -> reserve it, write, store the receipt; in a table
//	                             that began less than ten minutes ago, look for the
//	                             id in the log first
//	a receipt                 -> that is the answer
//	pending here or elsewhere -> wait for it
//	pending, holder is gone   -> take it over, look for the id in the log,
//	                             append only if it is not there
//
// Without the table there is no safety, so the write is refused. The limits: of
// a record that is still queued when the table is lost only its own bridge knows,
// so a repeat to another one is appended too; and a holder that is cut off from
// Redis for longer than its lease while its record is queued looks gone.
func (b *Bridge) writeOnce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	a, mine := b.attempts.enter(op)
	if a.digest != digestOf(op) {
		return event.Receipt{}, otherOperation(op.EventID)
	}
	if mine {
		b.carryOut(ctx, a, op)
	} else {
		b.counts.repeated.Add(1)
	}
	select {
	case <-a.done:
	default:
		select {
		case <-a.done:
		case <-ctx.Done():
		}
	}
	return a.answer()
}

// enter returns the attempt for the operation's id and whether it is new.
func (t *attempts) enter(op event.Operation) (a *attempt, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, ok := t.byID[op.EventID]; ok {
		return a, false
	}
	a = &attempt{id: op.EventID, digest: digestOf(op), done: make(chan struct{})}
	t.byID[op.EventID] = a
	return a, true
}

func (t *attempts) forget(a *attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[a.id] == a {
		delete(t.byID, a.id)
	}
}

func (t *attempts) all() []*attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*attempt, 0, len(t.byID))
	for _, a := range t.byID {
		list = append(list, a)
	}
	return list
}

func digestOf(op event.Operation) string {
	op.Region, op.EventID = "", ""
	data, err := op.MarshalJSON()
	if err != nil {
		return "" // cannot be: the operation was validated
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// conclude gives the attempt its final answer.
func (a *attempt) conclude(receipt *event.Receipt, err error) {
	a.mu.Lock()
	a.receipt, a.err = receipt, err
	a.mu.Unlock()
	close(a.done)
}

func (a *attempt) answer() (event.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.err != nil:
		return event.Receipt{}, a.err
	case a.receipt != nil:
		return *a.receipt, nil
	}
	return a.unknown, nil
}

func (a *attempt) setReservation(r []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reservation = r
}

func (a *attempt) reserved() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reservation
}

// carryOut makes the attempt or finds who did. When it returns, the attempt is
// concluded, or its record is on its way and settle will conclude it.
func (b *Bridge) carryOut(ctx context.Context, a *attempt, op event.Operation) {
	a.mu.Lock()
	a.unknown = b.vagueReceipt(op)
	a.mu.Unlock()
	receipt, err := b.claim(ctx, a, op)
	if receipt == nil && err == nil {
		err = b.submitOnce(ctx, a, op)
		if err == nil {
			return
		}
	}
	if receipt != nil {
		b.counts.repeated.Add(1)
	}
	a.conclude(receipt, err)
	b.attempts.forget(a)
}

// submitOnce appends under a reservation that is ours.
func (b *Bridge) submitOnce(ctx context.Context, a *attempt, op event.Operation) error {
	p, err := b.submit(ctx, op, a.id, func(p *pending) { b.settle(a, p) })
	if err != nil {
		b.giveUp(a) // nothing was appended: the id is free again
		return err
	}
	a.mu.Lock()
	a.unknown = p.receipt
	a.mu.Unlock()
	return nil
}

// settle runs when the fate of an attempt's record is known, however late.
func (b *Bridge) settle(a *attempt, p *pending) {
	receipt, err := p.fate()
	switch {
	case err != nil: // certainly not in the log
		b.giveUp(a)
		a.conclude(nil, err)
		b.attempts.forget(a)
	case receipt.Outcome != event.Durable:
		// The client library gave the record up. The reservation stays, and a
		// repeat looks into the log.
		a.conclude(&receipt, nil)
		b.attempts.forget(a)
	default:
		a.conclude(&receipt, nil)
		b.remember(context.Background(), a)
	}
}

// remember puts a final receipt into the table; until it is there, the attempt
// answers repeats from memory and Run tries again.
func (b *Bridge) remember(ctx context.Context, a *attempt) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.GuardTimeout)
	defer cancel()
	if b.storeReceipt(ctx, a, idEntry{Digest: a.digest, Receipt: a.receipt}.bytes()) {
		b.attempts.forget(a)
	}
}

// storeReceipt reports whether an answer stands in the table: ours, or one that
// was there.
func (b *Bridge) storeReceipt(ctx context.Context, a *attempt, entry []byte) bool {
	for range 2 {
		stored, err := b.cfg.Leases.StoreReceipt(ctx, a.id, a.reserved(), entry, rememberFor)
		if stored || err != nil {
			return err == nil
		}
		// The table was flushed, an earlier try took effect, or the reservation is
		// another one by now.
		existing, reserved, err := b.cfg.Leases.ReserveID(ctx, a.id, entry, rememberFor)
		if reserved || err != nil || !b.reservedHere(existing) {
			return err == nil
		}
		a.setReservation(existing)
	}
	return false
}

// reservedHere tells a reservation of our own, which was renewed without a reply
// or is being renewed, from an answer.
func (b *Bridge) reservedHere(existing []byte) bool {
	var entry idEntry
	return json.Unmarshal(existing, &entry) == nil && entry.Holder == b.holder && entry.Receipt == nil
}

// giveUp frees the id of a write that is certainly not in the log. Best effort:
// a reservation left behind makes the next repeat look into the log.
func (b *Bridge) giveUp(a *attempt) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.GuardTimeout)
	defer cancel()
	if err := b.cfg.Leases.ReleaseID(ctx, a.id, a.reserved()); err != nil {
		b.log.Warn("reservation left behind", "event_id", a.id, "error", err)
	}
}

// tendAttempts stores receipts that could not be stored, and renews the
// reservations of records on their way.
func (b *Bridge) tendAttempts(ctx context.Context) {
	slot, leased := b.leasedSlot()
	for _, a := range b.attempts.all() {
		if ctx.Err() != nil {
			return // the next time
		}
		select {
		case <-a.done:
			if a.receipt != nil && a.receipt.Outcome == event.Durable {
				b.remember(ctx, a)
			}
			continue
		default:
		}
		if leased {
			b.renewReservation(ctx, a, slot)
		}
	}
}

// renewReservation keeps an open reservation from expiring and points it at the
// slot that shows this process alive.
func (b *Bridge) renewReservation(ctx context.Context, a *attempt, slot int) {
	var entry idEntry
	a.mu.Lock()
	old, due := a.reservation, b.check.mono()-a.renewed > rememberFor/10
	a.mu.Unlock()
	if old == nil || json.Unmarshal(old, &entry) != nil || entry.Slot == slot && !due {
		return
	}
	entry.Slot = slot
	ok, err := b.cfg.Leases.StoreReceipt(ctx, a.id, old, entry.bytes(), rememberFor)
	if !ok || err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reservation, a.renewed = entry.bytes(), b.check.mono()
}

// leasedSlot is the slot whose lease shows others that this process lives,
// whether the lane is on it yet or not.
func (b *Bridge) leasedSlot() (slot int, leased bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slots.held, b.slots.held != noSlot && !b.leaseLapsed()
}

// vagueReceipt is the answer about a write that another process is carrying
// out: nothing but its id and place is known.
func (b *Bridge) vagueReceipt(op event.Operation) event.Receipt {
	return event.Receipt{
		EventID: op.EventID, Region: b.cfg.Region.Name, Topic: b.topic, Partition: partitionOf(op), Offset: -1,
		HLC: event.Stamp{Region: b.cfg.Region.Name}, Outcome: event.FateUnknown,
	}
}

func otherOperation(id string) error {
	return fail.New(fail.Rejected, "write with event id %q: the id was used for another operation", id).
		WithHint("use a new event id for each write, and the same one only to repeat it")
}

func noTable(err error, id string) error {
	return fail.Wrap(fail.Unavailable, err, "reserve event id %q", id).
		WithHint("an idempotent write needs the region's Redis; write without an event id, or retry later")
}
