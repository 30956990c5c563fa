package crdt

import (
	"bytes"
	"strings"

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

// join keeps the newer operation per element and reports whether any of
// update's won.
func (t elementTable) join(update elementTable) bool {
	won := false
	for name, el := range update {
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
	if c := bytes.Compare(el.value, other.value); c != 0 {
		return c
	}
	return strings.Compare(event.FormatScore(el.score), event.FormatScore(other.score))
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

func members(h hlc.Timestamp, names [][]byte) elementTable {
	t := make(elementTable, len(names))
	for _, name := range names {
		t[string(name)] = element{hlc: h}
	}
	return t
}

func removals(h hlc.Timestamp, names [][]byte) elementTable {
	t := make(elementTable, len(names))
	for _, name := range names {
		t[string(name)] = element{hlc: h, removed: true}
	}
	return t
}

func scored(h hlc.Timestamp, list []event.ScoredMember) elementTable {
	t := make(elementTable, len(list))
	for _, m := range list {
		t[string(m.Member)] = element{hlc: h, score: m.Score + 0} // -0 becomes 0
	}
	return t
}

func fields(h hlc.Timestamp, list []event.FieldValue) elementTable {
	t := make(elementTable, len(list))
	for _, f := range list {
		t[string(f.Field)] = element{hlc: h, value: f.Value}
	}
	return t
}
