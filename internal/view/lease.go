package view

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Slot leases and event-id reservations live in DB 2, apart from the view, so
// that neither a rebuild nor a swap touches them.

// The table's own condition: which run of which server it was last seen on, and
// a key that lives for as long as the table counts as young.
const (
	tableRunKey   = "geokv:table:run"
	tableYoungKey = "geokv:table:young"
)

// TableAge tells for how long the table has surely kept whatever was written to
// it; upTo stands for that long or longer, and must always be the same. A table
// that lost anything begins anew, at the first question after it: one that was
// flushed lacks our note, and a server that was restarted from an old snapshot,
// or promoted with an old copy, is another run than the note says. A server that
// does not tell its run id shows only the first kind.
//
// The answer covers what its caller did before asking, not what it does next.
func (db *DB) TableAge(ctx context.Context, upTo time.Duration) (time.Duration, error) {
	ask := db.clients.lease.Pipeline() // on one connection: all about the same server
	info, noted, left := ask.Info(ctx, "server"), ask.Get(ctx, tableRunKey), ask.PTTL(ctx, tableYoungKey)
	_, _ = ask.Exec(ctx)
	run := infoField(info.Val(), "run_id")
	if noted.Err() == nil && left.Err() == nil && noted.Val() == run {
		return upTo - max(0, left.Val()), nil
	}
	err := noted.Err()
	if err == nil || err == redis.Nil {
		begin := db.clients.lease.TxPipeline()
		begin.Set(ctx, tableYoungKey, run, upTo)
		begin.Set(ctx, tableRunKey, run, 0)
		_, err = begin.Exec(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("read the age of the lease table: %w", err)
	}
	return 0, nil
}

// infoField reads one line of INFO, "" when it is not there.
func infoField(info, name string) string {
	for line := range strings.SplitSeq(info, "\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// AcquireSlot leases a producer slot for ttl; false when another holder has it.
// holder identifies this process and incarnation.
func (db *DB) AcquireSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	ok, err := db.claimName(ctx, slotKey(slot), []byte(holder), ttl)
	if err != nil {
		err = fmt.Errorf("lease slot %d: %w", slot, err)
	}
	return ok, err
}

func (db *DB) claimName(ctx context.Context, name string, value []byte, ttl time.Duration) (bool, error) {
	_, err := db.clients.lease.SetArgs(ctx, name, value, redis.SetArgs{Mode: "NX", TTL: ttl}).Result()
	if err == redis.Nil {
		return false, nil
	}
	return err == nil, err
}

// RenewSlot extends the lease; false when it is no longer this holder's.
func (db *DB) RenewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	n, err := run(ctx, db.clients.lease, db.scripts.cas, []string{slotKey(slot)}, holder, holder, ttl.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("renew slot %d: %w", slot, err)
	}
	return number(n) == 1, nil
}

// ReleaseSlot gives the slot back if this holder still has it.
func (db *DB) ReleaseSlot(ctx context.Context, slot uint16, holder string) error {
	if _, err := run(ctx, db.clients.lease, db.scripts.cad, []string{slotKey(slot)}, holder); err != nil {
		return fmt.Errorf("release slot %d: %w", slot, err)
	}
	return nil
}

// ReserveID reserves a client's event id for ttl. reserved is true when this
// call took it; otherwise existing is what the holder stored: its reservation,
// or the receipt once durable.
func (db *DB) ReserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) ([]byte, bool, error) {
	for range 2 {
		ok, err := db.claimName(ctx, eidKey(id), reservation, ttl)
		if ok || err != nil {
			return nil, ok, wrapID("reserve", id, err)
		}
		existing, err := db.LookupID(ctx, id)
		if existing != nil || err != nil {
			return existing, false, err
		}
		// it expired between the two questions: ask once more
	}
	return nil, false, fmt.Errorf("reserve event id %q: it comes and goes", id)
}

// StoreReceipt replaces the reservation by the receipt (compare-and-set on the
// reservation); false when the id is no longer held by this reservation.
func (db *DB) StoreReceipt(ctx context.Context, id string, reservation, receipt []byte, ttl time.Duration) (bool, error) {
	n, err := run(ctx, db.clients.lease, db.scripts.cas, []string{eidKey(id)}, reservation, receipt, ttl.Milliseconds())
	return number(n) == 1, wrapID("store receipt of", id, err)
}

// LookupID returns what is stored under an event id, nil when nothing is.
func (db *DB) LookupID(ctx context.Context, id string) ([]byte, error) {
	b, err := db.clients.lease.Get(ctx, eidKey(id)).Bytes()
	if err == redis.Nil {
		return nil, nil
	}
	return b, wrapID("look up", id, err)
}

// ReleaseID drops a reservation whose write certainly failed, if it is still
// this holder's.
func (db *DB) ReleaseID(ctx context.Context, id string, reservation []byte) error {
	_, err := run(ctx, db.clients.lease, db.scripts.cad, []string{eidKey(id)}, reservation)
	return wrapID("release", id, err)
}

func wrapID(verb, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s event id %q: %w", verb, id, err)
}

// SlotHolder returns who holds a slot, "" when it is free. It tells whether the
// holder of a reservation lives.
func (db *DB) SlotHolder(ctx context.Context, slot uint16) (string, error) {
	holder, err := db.clients.lease.Get(ctx, slotKey(slot)).Result()
	if err == redis.Nil {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read holder of slot %d: %w", slot, err)
	}
	return holder, nil
}
