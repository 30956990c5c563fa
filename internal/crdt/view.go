package crdt

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/geokv/geokv/internal/event"
)

// Type is the type of a value as Redis clients know it.
type Type uint8

// The types, in the order in which they are listed everywhere.
const (
	None Type = iota
	String
	Set
	ZSet
	Hash
	Stream
)

// Types lists the types a value can have, without None.
func Types() []Type { return []Type{String, Set, ZSet, Hash, Stream} }

// String renders the type as it stands in JSON.
func (t Type) String() string {
	switch t {
	case None:
		return "none"
	case String:
		return "string"
	case Set:
		return "set"
	case ZSet:
		return "zset"
	case Hash:
		return "hash"
	case Stream:
		return "stream"
	}
	return "invalid"
}

// ParseType reads the form that String writes.
func ParseType(s string) (Type, bool) {
	i := slices.IndexFunc(append([]Type{None}, Types()...), func(t Type) bool { return t.String() == s })
	return Type(max(i, 0)), i >= 0
}

// TypeOf returns the type that an operation works on; None for DEL, which
// concerns them all.
func TypeOf(op event.Op) Type {
	switch op {
	case event.OpSet, event.OpIncr:
		return String
	case event.OpSAdd, event.OpSRem:
		return Set
	case event.OpZAdd, event.OpZRem:
		return ZSet
	case event.OpHSet, event.OpHDel:
		return Hash
	case event.OpXAdd, event.OpXDel, event.OpXTrim:
		return Stream
	}
	return None
}

// Entry is one entry of a stream. Fields are ordered and may repeat.
type Entry struct {
	ID     event.StreamID
	Fields []event.FieldValue
}

// Value is a value of one type; only the part that belongs to Type is set.
type Value struct {
	Type    Type
	String  []byte               // String
	Members [][]byte             // Set: in byte order
	Scored  []event.ScoredMember // ZSet: by score, then member bytes
	Fields  []event.FieldValue   // Hash: in byte order of field
	Entries []Entry              // Stream: in id order
}

// View is what a key shows: the visible value, its expiry, and the values of
// other types that are hidden at present.
type View struct {
	Key []byte
	Value
	ExpireAtMS int64   // absolute milliseconds; 0 means never
	Parked     []Value // in the order of Types
}

// Empty reports whether the key has neither a visible nor a parked value.
func (v View) Empty() bool { return v.Type == None && len(v.Parked) == 0 }

// Equal reports whether both views show the same, to the byte.
func (v View) Equal(other View) bool {
	return bytes.Equal(v.AppendCanonical(nil), other.AppendCanonical(nil))
}

// AppendCanonical appends the view's JSON (docs/json.md), which is canonical:
// equal views have equal bytes.
func (v View) AppendCanonical(b []byte) []byte {
	text, err := v.MarshalJSON()
	if err != nil { // only a score of NaN could do it, which no event carries
		panic("crdt: view of " + string(v.Key) + ": " + err.Error())
	}
	return append(b, text...)
}

// Digest returns the SHA-256 of the canonical form.
func (v View) Digest() [sha256.Size]byte { return sha256.Sum256(v.AppendCanonical(nil)) }
