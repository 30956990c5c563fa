package lane

import (
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is the obvious set of numbers.
type model map[int64]bool

func (m model) set() Set {
	var s Set
	for n := range m {
		s = s.Add(n)
	}
	return s
}

// drawModel draws sets that are dense enough to have runs and gaps. base moves
// them to either end of the range.
func drawModel(t *rapid.T, name string, base int64) model {
	m := model{}
	for _, n := range rapid.SliceOfN(rapid.Int64Range(0, 40), 0, 30).Draw(t, name) {
		m[base+n] = true
	}
	return m
}

func drawBase(t *rapid.T) int64 {
	return rapid.SampledFrom([]int64{1, 1 << 40, math.MaxInt64 - 40}).Draw(t, "base")
}

// check compares every observation of the set with the model.
func check(t *rapid.T, what string, s Set, m model, base int64) {
	t.Helper()
	runs := s.Intervals()
	for i, r := range runs {
		if r.Lo > r.Hi || r.Lo < 1 || i > 0 && r.Lo-1 <= runs[i-1].Hi {
			t.Fatalf("%s: runs %v overlap, touch or descend", what, runs)
		}
	}
	for i := range int64(41) {
		if n := base + i; s.Contains(n) != m[n] {
			t.Fatalf("%s: %v contains %d: got %v, want %v", what, s, n, s.Contains(n), m[n])
		}
	}
	if s.Len() != int64(len(m)) || s.Empty() != (len(m) == 0) {
		t.Fatalf("%s: %v has length %d, want %d", what, s, s.Len(), len(m))
	}
	if want := slices.Max(append(slices.Collect(maps.Keys(m)), 0)); s.Max() != want {
		t.Fatalf("%s: %v has maximum %d, want %d", what, s, s.Max(), want)
	}
	back, err := ParseSet(s.String())
	if err != nil || !back.Equal(s) {
		t.Fatalf("%s: %q reads back as %v, %v", what, s.String(), back, err)
	}
}

func TestSetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := drawBase(t)
		a, b := drawModel(t, "a", base), drawModel(t, "b", base)
		sa, sb := a.set(), b.set()
		before := sa.String()
		check(t, "a", sa, a, base)

		union, minus := maps.Clone(a), maps.Clone(a)
		maps.Copy(union, b)
		maps.DeleteFunc(minus, func(n int64, _ bool) bool { return b[n] })
		check(t, "union", sa.Union(sb), union, base)
		check(t, "minus", sa.Minus(sb), minus, base)

		lo := base + rapid.Int64Range(0, 40).Draw(t, "lo")
		hi := lo + rapid.Int64Range(-2, base+40-lo).Draw(t, "length")
		ranged := maps.Clone(a)
		for n := lo; n <= hi && n >= lo; n++ {
			ranged[n] = true
			if n == math.MaxInt64 {
				break
			}
		}
		check(t, "add range", sa.AddRange(Interval{lo, hi}), ranged, base)
		if sa.Equal(sb) != maps.Equal(a, b) {
			t.Fatalf("%v equal %v: got %v", sa, sb, sa.Equal(sb))
		}
		if sa.String() != before {
			t.Fatalf("an operation changed its receiver from %s to %s", before, sa)
		}
	})
}

func TestHolesAreWhatIsMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t, "m", 1)
		s := m.set()
		missing := model{}
		for n := int64(1); n < s.Max(); n++ {
			if !m[n] {
				missing[n] = true
			}
		}
		check(t, "holes", s.Holes(), missing, 1)
	})
}

// The order in which numbers arrive does not show, as equal sets must mean
// equal text in Redis.
func TestSetHasOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Int64Range(1, 30), 0, 30).Draw(t, "numbers")
		var a, b Set
		for _, n := range numbers {
			a = a.Add(n)
		}
		slices.Reverse(numbers)
		for _, n := range numbers {
			b = b.Add(n)
		}
		if a.String() != b.String() || !a.Equal(b) {
			t.Fatalf("got %s and %s", a, b)
		}
	})
}

func TestSetEnds(t *testing.T) {
	const last = math.MaxInt64
	s := SetOf(Interval{last, last}).Add(last)
	if s.String() != "9223372036854775807" {
		t.Errorf("the last number twice: got %s", s)
	}
	if s = s.Add(last - 1); s.String() != "9223372036854775806-9223372036854775807" {
		t.Errorf("the last two: got %s", s)
	}
	if all := SetOf(Interval{1, last}); !all.Minus(s).Equal(SetOf(Interval{1, last - 2})) || !s.Minus(all).Empty() {
		t.Errorf("got %s and %s", all.Minus(s), s.Minus(all))
	}
	if got := (Set{}).AddRange(Interval{-5, 2}).Add(0); got.String() != "1-2" {
		t.Errorf("numbers below 1: got %s", got)
	}
}

func TestParseSet(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "1": "1", "1-17": "1-17", "1-17,20-22": "1-17,20-22", "3,5": "3,5", "1-2,3": "1-3", "7-7": "7",
	} {
		if s, err := ParseSet(text); err != nil || s.String() != want {
			t.Errorf("ParseSet(%q) = %s, %v, want %s", text, s, err, want)
		}
	}
	for _, text := range []string{",", "1,", "0", "0-3", "-1", "5-3", "3,1", "1-5,5", "1-5,2-9", "a", "1-", "1-2-3", "1 ,2", "9223372036854775808"} {
		if s, err := ParseSet(text); err == nil {
			t.Errorf("ParseSet(%q) = %s, want an error", text, s)
		}
	}
}

func TestID(t *testing.T) {
	for _, id := range []ID{{0, 1}, {1023, math.MaxInt64}, {17, 1_800_000_000_000_000}} {
		if back, err := ParseID(id.String()); err != nil || back != id {
			t.Errorf("%s reads back as %v, %v", id, back, err)
		}
	}
	for _, text := range []string{"", "1", ".", "1.", ".1", "1024.1", "-1.1", "1.0", "1.-1", "1.x", "65536.1", "1.1.1"} {
		if id, err := ParseID(text); err == nil {
			t.Errorf("ParseID(%q) = %v, want an error", text, id)
		}
	}
	ordered := []ID{{0, 1}, {0, 2}, {1, 1}, {2, 0}}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); got > 0 != (i > j) || got < 0 != (i < j) {
				t.Errorf("%v compared with %v: got %d", a, b, got)
			}
		}
	}
}
