package api

import (
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
)

// WholeValue as the limit of a KeyQuery asks for all of the value as of one
// instant.
const WholeValue = -1

// Pages of elements and of names: what the server takes when the limit is left
// to it, the most that may be asked for over HTTP, and the most elements that a
// container may have to be read whole: Redis does nothing else meanwhile.
const (
	DefaultPage = 1000
	MaxPage     = 10_000
	MaxWhole    = 100_000
)

// KeyQuery asks for one key of one region.
type KeyQuery struct {
	Region string
	Key    []byte
	Type   crdt.Type // None: whatever is visible; else also a parked value of that type
	Limit  int       // most elements of a container; 0 leaves it to the server; or WholeValue
	Cursor string    // Next of the page before; "" for the first
}

// KeyPage is one key as one region shows it.
type KeyPage struct {
	Region string    `json:"region"`
	AtMS   int64     `json:"at_ms"` // the instant that decided expiry
	View   crdt.View `json:"view"`
	Total  int64     `json:"total"`          // elements of the visible container, bytes of a string
	Next   string    `json:"next,omitempty"` // cursor of the next page; absent at the end
	Facts  *Facts    `json:"facts,omitempty"`
}

// Facts is what a region's sidecars say about a key.
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

// KeysQuery asks for names of keys in one region.
type KeysQuery struct {
	Region string
	Match  string // glob as in Redis SCAN; "" for all
	Cursor string // Cursor of the page before; "" for the first
	Limit  int    // at most so many; 0 leaves it to the server
}

// KeyList is one page of key names, in no particular order; a key may come
// twice when the view changes meanwhile.
type KeyList struct {
	Region string        `json:"region"`
	Keys   []event.Bytes `json:"keys"`
	Cursor string        `json:"cursor,omitempty"` // absent at the end
}

// RegionState is the demo keys of a region with values and facts.
type RegionState struct {
	Region string    `json:"region"`
	AtMS   int64     `json:"at_ms"`
	Keys   []KeyPage `json:"keys"`
}
