// Package hlc is geokv's hybrid logical clock: wall time that never runs
// backwards, with a counter that keeps causally later events later.
//
// The algorithm is that of Kulkarni, Demirbas, Madappa, Avva and Leone,
// "Logical Physical Clocks" (2014), with a bound on how far a clock may run
// ahead of the wall. Comparison is numeric and total: physical, then logical,
// then region index.
package hlc

import (
	"cmp"
	"fmt"
	"time"
)

// Layout of the logical part: 14 bits of counter above 10 bits of slot.
const (
	slotBits   = 10
	slotMask   = 1<<slotBits - 1
	counterMax = 1<<14 - 1

	// MaxLogical is the greatest logical value (24 bits).
	MaxLogical = counterMax<<slotBits | slotMask
	// MaxPhysical bounds physical milliseconds (48 bits).
	MaxPhysical = 1<<48 - 1
)

// Timestamp stamps one event. The zero value is before every event.
type Timestamp struct {
	Physical int64  // milliseconds since the Unix epoch, 48 bits
	Logical  uint32 // counter<<10 | slot, 24 bits
	Region   uint8  // index of the stamping region
}

// Compare returns -1, 0 or +1 as t is before, equal to or after other.
func (t Timestamp) Compare(other Timestamp) int {
	if c := cmp.Compare(t.Physical, other.Physical); c != 0 {
		return c
	}
	if c := cmp.Compare(t.Logical, other.Logical); c != 0 {
		return c
	}
	return cmp.Compare(t.Region, other.Region)
}

// Before reports whether t is before other.
func (t Timestamp) Before(other Timestamp) bool { return t.Compare(other) < 0 }

// After reports whether t is after other.
func (t Timestamp) After(other Timestamp) bool { return t.Compare(other) > 0 }

// IsZero reports whether t stamps nothing.
func (t Timestamp) IsZero() bool { return t == Timestamp{} }

// Counter returns the counter part of the logical value.
func (t Timestamp) Counter() uint32 { return t.Logical >> slotBits }

// Slot returns the slot part of the logical value.
func (t Timestamp) Slot() uint16 { return uint16(t.Logical & slotMask) }

// Time returns the physical part as wall time.
func (t Timestamp) Time() time.Time { return time.UnixMilli(t.Physical) }

// Valid reports whether every part is in its range.
func (t Timestamp) Valid() bool {
	return t.Physical >= 0 && t.Physical <= MaxPhysical && t.Logical <= MaxLogical
}

// String renders physical.logical@region-index for logs and errors.
func (t Timestamp) String() string {
	return fmt.Sprintf("%d.%d@%d", t.Physical, t.Logical, t.Region)
}

// Max returns the later of two timestamps.
func Max(a, b Timestamp) Timestamp {
	if a.Before(b) {
		return b
	}
	return a
}
