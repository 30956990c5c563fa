// Package crdt is the reference model of geokv's merge rules: what a key holds,
// as a function of the set of events that reached it and of the time of reading.
//
// It is the oracle that every other implementation is compared with, so it
// prefers being obviously right to being fast. A key's state is a product of
// join-semilattices and applying an event is a join: the order of events,
// their grouping and repeats cannot matter. Nothing here reads a clock.
//
// Read it in this order: key.go (the state and the twelve joins), element.go
// and stream.go (two of its parts), counter.go (increments and lives), read.go
// (from state to visible value). docs/semantics.md is the same in prose.
package crdt

import (
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Key is the state of one key. The zero value is a key that no event reached.
// It is not safe for concurrent use.
//
// Every part only grows in its own order. Whatever is not newer than the
// barrier is dead for ever, so it is dropped as soon as the barrier is known.
type Key struct {
	barrier    Barrier                   // the newest SET or DEL
	increments []Increment               // every INCR newer than the barrier
	elements   [Stream + 1]elementTable  // members and fields, with tombstones; by Type
	stream     stream                    // entries, deleted ids, trim floor
	newest     [Stream + 1]hlc.Timestamp // newest operation; by Type
	seen       map[identity]struct{}     // events applied, for Duplicate
}

// identity is what makes two deliveries the same event: a number in a lane of
// the partition that the key lives in.
type identity struct {
	origin string
	lane   lane.ID
	seq    int64
}

// Apply joins one event into the key. It expects an accepted event of this key
// (see event.Event.Validate), and keeps its bytes without copying them.
//
// Duplicate: this event was applied before. Superseded: the state already held
// something newer everywhere, so nothing changed. Applied: the state changed,
// even if not visibly so, as for a hidden type or a tombstone.
func (k *Key) Apply(e event.Event) event.Outcome {
	id := identity{e.Origin, e.Lane, e.Seq}
	if _, again := k.seen[id]; again {
		return event.Duplicate
	}
	put(&k.seen, id, struct{}{})
	if !k.join(e) {
		return event.Superseded
	}
	return event.Applied
}

// join merges the event into the part it belongs to and reports whether the
// state changed.
func (k *Key) join(e event.Event) bool {
	if b, ok := BarrierOf(e); ok {
		return k.raiseBarrier(b)
	}
	if k.barrier.Kills(e.HLC) {
		return false
	}
	switch a := e.Args.(type) {
	case event.Incr:
		k.increments = append(k.increments, Increment{e.HLC, e.Origin, e.Lane, e.Seq, a.Delta})
		k.raiseNewest(String, e.HLC)
		return true
	case event.SAdd:
		return k.joinElements(Set, e.HLC, members(e.HLC, a.Members))
	case event.SRem:
		return k.joinElements(Set, e.HLC, removals(e.HLC, a.Members))
	case event.ZAdd:
		return k.joinElements(ZSet, e.HLC, scored(e.HLC, a.Members))
	case event.ZRem:
		return k.joinElements(ZSet, e.HLC, removals(e.HLC, a.Members))
	case event.HSet:
		return k.joinElements(Hash, e.HLC, fields(e.HLC, a.Fields))
	case event.HDel:
		return k.joinElements(Hash, e.HLC, removals(e.HLC, a.Fields))
	case event.XAdd:
		added := k.stream.add(e.HLC, a.Fields)
		return k.raiseNewest(Stream, e.HLC) || added
	case event.XDel:
		marked := k.stream.delete(a.IDs)
		return k.raiseNewest(Stream, e.HLC) || marked
	case event.XTrim:
		raised := k.stream.trim(minID(a.MinID, event.IDFromHLC(e.HLC)))
		return k.raiseNewest(Stream, e.HLC) || raised
	}
	return false
}

// raiseBarrier makes b the barrier if it is newer than the present one, and
// buries what it killed.
func (k *Key) raiseBarrier(b Barrier) bool {
	if b.Compare(k.barrier) <= 0 {
		return false
	}
	k.barrier = b
	k.bury()
	if b.Op == event.OpSet {
		k.raiseNewest(String, b.HLC)
	}
	return true
}

// bury drops everything that is not newer than the barrier.
func (k *Key) bury() {
	alive := k.increments[:0]
	for _, inc := range k.increments {
		if !k.barrier.Kills(inc.HLC) {
			alive = append(alive, inc)
		}
	}
	k.increments = alive
	for _, table := range k.elements {
		for name, el := range table {
			if k.barrier.Kills(el.hlc) {
				delete(table, name)
			}
		}
	}
	for id, entry := range k.stream.entries {
		if k.barrier.Kills(entry.hlc) {
			delete(k.stream.entries, id)
		}
	}
	for t, h := range k.newest {
		if k.barrier.Kills(h) {
			k.newest[t] = hlc.Timestamp{}
		}
	}
}

func (k *Key) joinElements(t Type, h hlc.Timestamp, update elementTable) bool {
	if k.elements[t] == nil {
		k.elements[t] = elementTable{}
	}
	won := k.elements[t].join(update)
	return k.raiseNewest(t, h) || won
}

func (k *Key) raiseNewest(t Type, h hlc.Timestamp) bool {
	if !h.After(k.newest[t]) {
		return false
	}
	k.newest[t] = h
	return true
}

// put stores into a map that may not exist yet, so that zero values are ready.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}
