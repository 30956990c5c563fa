package view

import (
	"context"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/hlc"
)

// ReadOptions bound a read.
type ReadOptions struct {
	Now    int64  // milliseconds; decides expiry
	Limit  int    // at most so many elements of each container; 0 all
	Cursor string // where the last page of the visible container ended; "" from the start
}

// Page is a read with the size of the visible container.
type Page struct {
	View  crdt.View
	Total int64  // elements of the visible container, bytes of a string
	Next  string // cursor of the next page; "" at the end
}

// Read returns a key's view as of one instant, in canonical order. A key
// without a value has type none. With a Limit, containers are cut: sorted sets
// and streams in order, sets and hashes to some elements.
func (db *DB) Read(ctx context.Context, key []byte, o ReadOptions) (crdt.View, error) {
	page, err := db.ReadPage(ctx, key, o)
	return page.View, err
}

// ReadPage is Read with the total and a cursor.
func (db *DB) ReadPage(ctx context.Context, key []byte, o ReadOptions) (Page, error) {
	return db.readPage(ctx, key, o)
}

// ReadMany reads several keys in one round trip, in the order asked for; each
// is consistent in itself.
func (db *DB) ReadMany(ctx context.Context, keys [][]byte, o ReadOptions) ([]crdt.View, error) {
	return db.readMany(ctx, keys, o)
}

// Scan returns some user keys (never sidecars) and the next cursor; 0 starts
// and a returned 0 ends. match is a Redis glob, "" for all; n is a hint of the
// work per call. A key may come twice; keys that hold only parked values or
// tombstones come too, keys whose meta is gone do not.
func (db *DB) Scan(ctx context.Context, cursor uint64, match string, n int) (keys [][]byte, next uint64, err error) {
	return db.scan(ctx, cursor, match, n)
}

// KeyHead is what a bridge must know of a key before it writes.
type KeyHead struct {
	Type    crdt.Type     // visible type; None when absent
	Newest  hlc.Timestamp // newest stamp over the last SET or DEL and every type
	Integer bool          // a string that INCR accepts
}

// Newest returns the head of a key; the zero KeyHead for a key never seen.
func (db *DB) Newest(ctx context.Context, key []byte) (KeyHead, error) { return db.newest(ctx, key) }

// Facts returns the sidecar facts of a key; the zero Facts for one never seen.
func (db *DB) Facts(ctx context.Context, key []byte) (api.Facts, error) { return db.facts(ctx, key) }
