package view

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/lane"
)

// errPending answers what is declared but not filled in yet.
var errPending = errors.ErrUnsupported

type clients struct{ read *redis.Client }

func (c clients) close() error { return nil }

type scripts struct{}
type probe struct{}
type content struct {
	events   []event.Event
	rawBytes int
}
type install struct{}

func open(Config) (*DB, error)             { return nil, errPending }
func (db *DB) check(context.Context) error { return errPending }
func (db *DB) positions(context.Context, string, []int32) ([]Position, error) {
	return nil, errPending
}
func (db *DB) position(context.Context, string, int32, []lane.ID) (Position, error) {
	return Position{}, errPending
}
func (db *DB) acceptHole(context.Context, string, int32, lane.ID, lane.Set) error { return errPending }
func (db *DB) publish(context.Context, Applied) error                             { return errPending }
func (db *DB) subscribe(context.Context) (<-chan Applied, error)                  { return nil, errPending }
func (db *DB) acquireSlot(context.Context, uint16, string, time.Duration) (bool, error) {
	return false, errPending
}
func (db *DB) renewSlot(context.Context, uint16, string, time.Duration) (bool, error) {
	return false, errPending
}
func (db *DB) releaseSlot(context.Context, uint16, string) error { return errPending }
func (db *DB) reserveID(context.Context, string, []byte, time.Duration) ([]byte, bool, error) {
	return nil, false, errPending
}
func (db *DB) storeReceipt(context.Context, string, []byte, []byte, time.Duration) (bool, error) {
	return false, errPending
}
func (db *DB) lookupID(context.Context, string) ([]byte, error)       { return nil, errPending }
func (db *DB) releaseID(context.Context, string, []byte) error        { return errPending }
func newBatch(now int64, logical bool) *Batch                         { return &Batch{now: now, logical: logical} }
func (b *Batch) add(e event.Event)                                    { b.events = append(b.events, e) }
func (b *Batch) ops() int                                             { return len(b.events) }
func (b *Batch) size() int                                            { return 0 }
func (db *DB) apply(context.Context, *Batch) ([]event.Outcome, error) { return nil, errPending }
func newInstall([]byte, []event.Event) Install                        { return Install{} }
func (db *DB) flush(context.Context) error                            { return errPending }
func (db *DB) keyCount(context.Context) (int64, error)                { return 0, errPending }
func (db *DB) hold(context.Context, time.Duration) error              { return errPending }
func (db *DB) unhold(context.Context) error                           { return errPending }
func (db *DB) swap(context.Context) error                             { return errPending }
func (db *DB) foreignKeys(context.Context, int) ([][]byte, error)     { return nil, errPending }
func (db *DB) runID(context.Context) (string, error)                  { return "", errPending }
func (db *DB) readPage(context.Context, []byte, ReadOptions) (Page, error) {
	return Page{}, errPending
}
func (db *DB) readMany(context.Context, [][]byte, ReadOptions) ([]crdt.View, error) {
	return nil, errPending
}
func (db *DB) scan(context.Context, uint64, string, int) ([][]byte, uint64, error) {
	return nil, 0, errPending
}
func (db *DB) newest(context.Context, []byte) (KeyHead, error) { return KeyHead{}, errPending }
func (db *DB) facts(context.Context, []byte) (Facts, error)    { return Facts{}, errPending }
func (db *DB) slotHolder(context.Context, uint16) (string, error) { return "", errPending }
