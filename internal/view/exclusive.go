package view

import (
	"context"
	"time"
)

// Operations on whole databases, for rebuilds.

// Flush empties this DB's database (never DB 2).
func (db *DB) Flush(ctx context.Context) error { return db.flush(ctx) }

// KeyCount returns the number of user keys that have a visible or parked value
// or a tombstone: the keys with a meta hash. It walks the database.
func (db *DB) KeyCount(ctx context.Context) (int64, error) { return db.keyCount(ctx) }

// Size returns the number of Redis keys, sidecars included (DBSIZE).
func (db *DB) Size(ctx context.Context) (int64, error) { return db.clients.read.DBSize(ctx).Result() }

// Hold stops all applies to this database for ttl, in every process.
func (db *DB) Hold(ctx context.Context, ttl time.Duration) error { return db.hold(ctx, ttl) }

// Unhold ends a Hold.
func (db *DB) Unhold(ctx context.Context) error { return db.unhold(ctx) }

// Swap exchanges LiveDB and ShadowDB, data and positions, in one step.
func (db *DB) Swap(ctx context.Context) error { return db.swap(ctx) }

// Sibling returns a DB on another database of the same server with its own
// connections; close it separately.
func (db *DB) Sibling(number int) (*DB, error) {
	cfg := db.cfg
	cfg.DB = number
	return Open(cfg)
}

// ForeignKeys returns up to n keys of this database that geokv did not write:
// names without a meta hash that are no sidecars.
func (db *DB) ForeignKeys(ctx context.Context, n int) ([][]byte, error) {
	return db.foreignKeys(ctx, n)
}

// RunID returns the server's run id, which changes at a restart; empty where
// the server does not tell.
func (db *DB) RunID(ctx context.Context) (string, error) { return db.runID(ctx) }
