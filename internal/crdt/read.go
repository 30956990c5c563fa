package crdt

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// View returns what the key shows at time now (milliseconds). It is a function
// of the set of applied events and of now alone.
func (k *Key) View(key []byte, now int64) View {
	v := View{Key: key}
	visible := k.VisibleType()
	for _, t := range Types() {
		value, expireAtMS, ok := k.value(t, now)
		switch {
		case !ok:
		case t == visible:
			v.Value, v.ExpireAtMS = value, expireAtMS
		default:
			v.Parked = append(v.Parked, value)
		}
	}
	return v
}

// VisibleType returns the type with the newest operation among those that hold
// anything; the others are parked. A string whose SET has expired still holds
// it here: the answer must not depend on the time of reading, or live and
// replayed views would differ.
func (k *Key) VisibleType() Type {
	visible := None
	for _, t := range Types() {
		if k.holds(t) && (visible == None || k.Newest(t).After(k.Newest(visible))) {
			visible = t
		}
	}
	return visible
}

// Newest returns the stamp of the newest operation on the given type that the
// barrier has not killed; for strings that is the newest SET or INCR. Zero when
// there is none.
func (k *Key) Newest(t Type) hlc.Timestamp { return k.newest[t] }

// holds reports whether the type has anything to show or to expire.
func (k *Key) holds(t Type) bool {
	switch t {
	case String:
		return k.barrier.Op == event.OpSet || len(k.increments) > 0
	case Stream:
		return len(k.stream.entries) > 0
	}
	return k.elements[t].present()
}

// value returns what the key holds as the given type at time now.
func (k *Key) value(t Type, now int64) (v Value, expireAtMS int64, ok bool) {
	if !k.holds(t) {
		return Value{}, 0, false
	}
	v.Type = t
	switch t {
	case String:
		v.String, expireAtMS, ok = k.stringAt(now)
		return v, expireAtMS, ok
	case Set:
		v.Members = k.setMembers()
	case ZSet:
		v.Scored = k.scoredMembers()
	case Hash:
		v.Fields = k.hashFields()
	case Stream:
		v.Entries = k.streamEntries()
	}
	return v, 0, true
}

// stringAt returns the string at time now: the counter of a new life if one
// has begun, else the value of the SET plus its life's increments until it
// expires, else the sum of the increments since the DEL.
func (k *Key) stringAt(now int64) (value []byte, expireAtMS int64, ok bool) {
	current, renewed := k.lives()
	if renewed.Count > 0 {
		return Clamp(renewed.Sum), 0, true
	}
	b := k.barrier
	if b.Op != event.OpSet {
		return Clamp(current.Sum), 0, current.Count > 0
	}
	if b.ExpireAtMS != 0 && b.ExpireAtMS <= now {
		return nil, 0, false
	}
	base, counts := Integer(b.Value)
	if !counts {
		return b.Value, b.ExpireAtMS, true
	}
	return Clamp(current.Sum.Add(current.Sum, big.NewInt(base))), b.ExpireAtMS, true
}

// setMembers returns the members in byte order.
func (k *Key) setMembers() [][]byte {
	var out [][]byte
	for name, el := range k.elements[Set] {
		if !el.removed {
			out = append(out, []byte(name))
		}
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

// scoredMembers returns the members as Redis orders them: by score, then bytes.
func (k *Key) scoredMembers() []event.ScoredMember {
	var out []event.ScoredMember
	for name, el := range k.elements[ZSet] {
		if !el.removed {
			out = append(out, event.ScoredMember{Member: []byte(name), Score: el.score})
		}
	}
	slices.SortFunc(out, func(a, b event.ScoredMember) int {
		if c := cmp.Compare(a.Score, b.Score); c != 0 {
			return c
		}
		return bytes.Compare(a.Member, b.Member)
	})
	return out
}

// hashFields returns the fields in byte order.
func (k *Key) hashFields() []event.FieldValue {
	var out []event.FieldValue
	for name, el := range k.elements[Hash] {
		if !el.removed {
			out = append(out, event.FieldValue{Field: []byte(name), Value: el.value})
		}
	}
	slices.SortFunc(out, func(a, b event.FieldValue) int { return bytes.Compare(a.Field, b.Field) })
	return out
}

// streamEntries returns the entries in id order.
func (k *Key) streamEntries() []Entry {
	var out []Entry
	for id, entry := range k.stream.entries {
		out = append(out, Entry{ID: id, Fields: entry.fields})
	}
	slices.SortFunc(out, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	return out
}
