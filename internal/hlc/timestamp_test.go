package hlc

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawTimestamp(t *rapid.T, name string) Timestamp {
	return Timestamp{
		Physical: rapid.SampledFrom([]int64{0, 1, 2, 9, 10, 1 << 40, MaxPhysical}).Draw(t, name+" physical"),
		Logical:  rapid.SampledFrom([]uint32{0, 1, 9, 10, 1 << 10, MaxLogical}).Draw(t, name+" logical"),
		Region:   rapid.SampledFrom([]uint8{0, 1, 2, 9}).Draw(t, name+" region"),
	}
}

func TestTimestampOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawTimestamp(t, "a"), drawTimestamp(t, "b"), drawTimestamp(t, "c")
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%v and %v: %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Before(b) != (a.Compare(b) < 0) || a.After(b) != (a.Compare(b) > 0) {
			t.Fatalf("%v and %v: before, after and compare disagree", a, b)
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%v, %v, %v: not transitive", a, b, c)
		}
		if m := Max(a, b); m.Before(a) || m.Before(b) || (m != a && m != b) {
			t.Fatalf("max of %v and %v is %v", a, b, m)
		}
	})
}

// Physical time decides, then the logical part, then the region's index, each
// as a number: 10 is after 9.
func TestTimestampOrder(t *testing.T) {
	ordered := []Timestamp{{}, {0, 0, 1}, {0, 1, 0}, {9, 9, 9}, {9, 10, 0}, {9, 10, 2}, {10, 0, 0}, {10, 0, 1}, {MaxPhysical, MaxLogical, 9}}
	if !slices.IsSortedFunc(ordered, Timestamp.Compare) {
		t.Errorf("not in order: %v", ordered)
	}
}

func TestTimestampParts(t *testing.T) {
	ts := Timestamp{1_800_000_000_000, 3<<10 | 5, 2}
	if ts.Counter() != 3 || ts.Slot() != 5 || ts.Time().UnixMilli() != ts.Physical || ts.String() != "1800000000000.3077@2" {
		t.Errorf("got counter %d, slot %d, %v", ts.Counter(), ts.Slot(), ts)
	}
	if !(Timestamp{}).IsZero() || ts.IsZero() || (Timestamp{Region: 1}).IsZero() {
		t.Error("IsZero is wrong")
	}
	for ts, want := range map[Timestamp]bool{
		{}: true, {MaxPhysical, MaxLogical, 255}: true,
		{-1, 0, 0}: false, {MaxPhysical + 1, 0, 0}: false, {0, MaxLogical + 1, 0}: false,
	} {
		if ts.Valid() != want {
			t.Errorf("%v valid: got %v, want %v", ts, ts.Valid(), want)
		}
	}
}
