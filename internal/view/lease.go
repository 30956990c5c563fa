package view

import (
	"context"
	"time"
)

// Slot leases and event-id reservations live in DB 2, apart from the view, so
// that neither a rebuild nor a swap touches them.

// AcquireSlot leases a producer slot for ttl; false when another holder has it.
// holder identifies this process and incarnation.
func (db *DB) AcquireSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	return db.acquireSlot(ctx, slot, holder, ttl)
}

// RenewSlot extends the lease; false when it is no longer this holder's.
func (db *DB) RenewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	return db.renewSlot(ctx, slot, holder, ttl)
}

// ReleaseSlot gives the slot back if this holder still has it.
func (db *DB) ReleaseSlot(ctx context.Context, slot uint16, holder string) error {
	return db.releaseSlot(ctx, slot, holder)
}

// ReserveID reserves a client's event id for ttl. reserved is true when this
// call took it; otherwise existing is what the holder stored: its reservation,
// or the receipt once durable.
func (db *DB) ReserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) (existing []byte, reserved bool, err error) {
	return db.reserveID(ctx, id, reservation, ttl)
}

// StoreReceipt replaces the reservation by the receipt (compare-and-set on the
// reservation); false when the id is no longer held by this reservation.
func (db *DB) StoreReceipt(ctx context.Context, id string, reservation, receipt []byte, ttl time.Duration) (bool, error) {
	return db.storeReceipt(ctx, id, reservation, receipt, ttl)
}

// LookupID returns what is stored under an event id, nil when nothing is.
func (db *DB) LookupID(ctx context.Context, id string) ([]byte, error) { return db.lookupID(ctx, id) }

// ReleaseID drops a reservation whose write certainly failed, if it is still
// this holder's.
func (db *DB) ReleaseID(ctx context.Context, id string, reservation []byte) error {
	return db.releaseID(ctx, id, reservation)
}

// SlotHolder returns who holds a slot, "" when it is free. It tells whether the
// holder of a reservation lives.
func (db *DB) SlotHolder(ctx context.Context, slot uint16) (string, error) {
	return db.slotHolder(ctx, slot)
}
