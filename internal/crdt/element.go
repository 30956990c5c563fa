package crdt

import (
	"bytes"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// elementTable maps a member or field to the newest operation on it.
type elementTable map[string]element

// element is a last-writer-wins register. A removed element stays as a
// tombstone, so that an older addition that arrives later still loses.
type element struct {
	hlc     hlc.Timestamp
	removed bool
	score   float64 // of a sorted-set member
	value   []byte  // of a hash field
}

// join merges one operation's elements, all stamped h, and reports whether any
// of them won.
func (t elementTable) join(h hlc.Timestamp, update elementTable) bool {
	won := false
	for name, el := range update {
		el.hlc = h
		if old, ok := t[name]; ok && el.compare(old) <= 0 {
			continue
		}
		t[name] = el
		won = true
	}
	return won
}

// compare orders two operations on one element. On equal stamps, which
// well-run producers never make, a removal beats an addition, then the greater
// payload bytes win: the value, or the text of the score.
func (el element) compare(other element) int {
	if c := el.hlc.Compare(other.hlc); c != 0 {
		return c
	}
	if el.removed != other.removed {
		if el.removed {
			return 1
		}
		return -1
	}
	return bytes.Compare(el.payload(), other.payload())
}

func (el element) payload() []byte {
	if el.value != nil {
		return el.value
	}
	return []byte(event.FormatScore(el.score))
}

// present reports whether any element is there, tombstones apart.
func (t elementTable) present() bool {
	for _, el := range t {
		if !el.removed {
			return true
		}
	}
	return false
}

// The next four turn an operation's arguments into elements. A member or field
// that is named twice in one operation counts as its last mention.

func members(names [][]byte) elementTable {
	t := make(elementTable, len(names))
	for _, name := range names {
		t[string(name)] = element{}
	}
	return t
}

func removals(names [][]byte) elementTable {
	t := make(elementTable, len(names))
	for _, name := range names {
		t[string(name)] = element{removed: true}
	}
	return t
}

func scored(list []event.ScoredMember) elementTable {
	t := make(elementTable, len(list))
	for _, m := range list {
		t[string(m.Member)] = element{score: m.Score + 0} // -0 becomes 0
	}
	return t
}

func fields(list []event.FieldValue) elementTable {
	t := make(elementTable, len(list))
	for _, f := range list {
		t[string(f.Field)] = element{value: append([]byte{}, f.Value...)}
	}
	return t
}
