// Package lane is delivery identity: which producer incarnation wrote an event,
// which number it has there, and which numbers a reader has already taken.
//
// A lane is one incarnation of one producing process. Within a lane and a
// partition the sequence runs 1, 2, 3, ... without holes, so a set of intervals
// of applied numbers tells duplicates from gaps whatever the order of delivery.
// A single maximum cannot: a gap followed by a rewind would lose events.
package lane

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// MaxSlot is the highest slot; a slot takes 10 bits of an HLC stamp.
const MaxSlot = 1023

// ID names a lane. Incarnation is the producer's start in microseconds since
// the epoch, greater than any earlier one of the slot.
type ID struct {
	Slot        uint16
	Incarnation int64
}

// String renders the lane as it stands in Redis and in receipts: slot.incarnation.
func (id ID) String() string {
	return strconv.Itoa(int(id.Slot)) + "." + strconv.FormatInt(id.Incarnation, 10)
}

// Compare orders lanes by slot, then by incarnation.
func (id ID) Compare(other ID) int {
	if c := cmp.Compare(id.Slot, other.Slot); c != 0 {
		return c
	}
	return cmp.Compare(id.Incarnation, other.Incarnation)
}

// Valid reports whether slot and incarnation are in range.
func (id ID) Valid() bool { return id.Slot <= MaxSlot && id.Incarnation > 0 }

// ParseID reads the form that String writes.
func ParseID(s string) (ID, error) {
	slot, inc, ok := strings.Cut(s, ".")
	n, err1 := strconv.ParseUint(slot, 10, 16)
	i, err2 := strconv.ParseInt(inc, 10, 64)
	id := ID{uint16(n), i}
	if !ok || err1 != nil || err2 != nil || !id.Valid() {
		return ID{}, fmt.Errorf("lane %q: want <slot 0-%d>.<incarnation>", s, MaxSlot)
	}
	return id, nil
}
