package view

import (
	"context"

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

// Facts is what the sidecars of a key know, for explain and the inspector.
type Facts struct {
	Register   *StampFact    `json:"register,omitempty"` // newest SET or DEL
	ExpireAtMS int64         `json:"expire_at_ms,omitempty"`
	NewLife    bool          `json:"new_life,omitempty"` // increments after the expiry started over
	Type       string        `json:"type"`               // type that keeps the key, even when its value has expired
	Newest     []TypeFact    `json:"newest,omitempty"`   // newest stamp per type
	Counters   []CounterFact `json:"counters,omitempty"` // per origin region, by name
	Exact      string        `json:"exact,omitempty"`    // counter beyond int64
	Tombstones int64         `json:"tombstones,omitempty"`
	Elements   int64         `json:"elements,omitempty"` // element stamps kept, tombstones included
	TrimFloor  string        `json:"trim_floor,omitempty"`
	Parked     []string      `json:"parked,omitempty"` // types with a hidden value
	Late       int64         `json:"late,omitempty"`   // stream entries inserted behind the end
}

// StampFact is the stamp of the newest SET or DEL. Region is an index.
type StampFact struct {
	Op         string `json:"op"`
	PhysicalMS int64  `json:"physical_ms"`
	Logical    uint32 `json:"logical"`
	Region     int    `json:"region_idx"`
}

// TypeFact is the newest stamp of one type.
type TypeFact struct {
	Type       string `json:"type"`
	PhysicalMS int64  `json:"physical_ms"`
	Logical    uint32 `json:"logical"`
	Region     int    `json:"region_idx"`
}

// CounterFact is what is kept of one region's increments.
type CounterFact struct {
	Region string `json:"region"`
	Seq    int64  `json:"seq"`  // highest sequence number applied, for information
	Ring   int    `json:"ring"` // recent increments kept one by one
	Folded bool   `json:"folded"`
}

// Facts returns the sidecar facts of a key; the zero Facts for one never seen.
func (db *DB) Facts(ctx context.Context, key []byte) (Facts, error) { return db.facts(ctx, key) }
