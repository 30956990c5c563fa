package crdt

import (
	"maps"
	"slices"
)

// Merge joins another state of the same key into k: k then is as if every event
// that reached other had reached k too. It is commutative, associative and
// idempotent, so a history may be folded in parts. other is left as it was.
func (k *Key) Merge(other *Key) {
	k.raiseBarrier(other.barrier)
	for _, inc := range other.increments {
		_, known := k.seen[identity{inc.Origin, inc.Lane, inc.Seq}]
		if !known && !k.barrier.Kills(inc.HLC) {
			k.increments = append(k.increments, inc)
		}
	}
	for t, table := range other.elements {
		if table = k.alive(table); k.elements[t] == nil {
			k.elements[t] = table
		} else {
			k.elements[t].join(table)
		}
	}
	k.mergeStream(other.stream)
	for t, h := range other.newest {
		if !k.barrier.Kills(h) {
			k.raiseNewest(Type(t), h)
		}
	}
	for id := range other.seen {
		put(&k.seen, id, struct{}{})
	}
}

// alive returns the elements that the barrier has not killed.
func (k *Key) alive(table elementTable) elementTable {
	out := elementTable{}
	for name, el := range table {
		if !k.barrier.Kills(el.hlc) {
			out[name] = el
		}
	}
	return out
}

func (k *Key) mergeStream(other stream) {
	k.stream.delete(slices.Collect(maps.Keys(other.deleted)))
	k.stream.trim(other.floor)
	for _, entry := range other.entries {
		if !k.barrier.Kills(entry.hlc) {
			k.stream.add(entry.hlc, entry.fields)
		}
	}
}
