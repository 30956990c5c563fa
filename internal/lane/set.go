package lane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Interval is a run of sequence numbers, both ends included.
type Interval struct{ Lo, Hi int64 }

// Set is a set of sequence numbers, which start at 1, kept as disjoint,
// ascending, non-adjacent intervals. The zero value is empty. A Set is a value: Add returns a new one
// and leaves the receiver as it was.
type Set struct{ runs []Interval }

// SetOf makes a set of the given intervals.
func SetOf(runs ...Interval) Set {
	var s Set
	for _, r := range runs {
		s = s.AddRange(r)
	}
	return s
}

// Contains reports whether seq is in the set.
func (s Set) Contains(seq int64) bool {
	i, found := slices.BinarySearchFunc(s.runs, seq, func(r Interval, seq int64) int {
		switch {
		case r.Hi < seq:
			return -1
		case r.Lo > seq:
			return 1
		}
		return 0
	})
	return found && i < len(s.runs)
}

// Add returns the set with seq in it.
func (s Set) Add(seq int64) Set { return s.AddRange(Interval{seq, seq}) }

// AddRange returns the set with every number of r in it that can be a sequence
// number.
func (s Set) AddRange(r Interval) Set {
	r.Lo = max(r.Lo, 1)
	if r.Lo > r.Hi {
		return s
	}
	out := make([]Interval, 0, len(s.runs)+1)
	i := 0
	for ; i < len(s.runs) && s.runs[i].Hi < r.Lo-1; i++ {
		out = append(out, s.runs[i])
	}
	for ; i < len(s.runs) && s.runs[i].Lo-1 <= r.Hi; i++ {
		r.Lo, r.Hi = min(r.Lo, s.runs[i].Lo), max(r.Hi, s.runs[i].Hi)
	}
	out = append(out, r)
	return Set{append(out, s.runs[i:]...)}
}

// Union returns the numbers that are in either set.
func (s Set) Union(other Set) Set {
	for _, r := range other.runs {
		s = s.AddRange(r)
	}
	return s
}

// Minus returns the numbers of s that are not in other.
func (s Set) Minus(other Set) Set {
	var out []Interval
	for _, r := range s.runs {
		out = append(out, r.minus(other.runs)...)
	}
	return Set{out}
}

// minus returns what the ascending runs leave of r.
func (r Interval) minus(runs []Interval) []Interval {
	var out []Interval
	for _, o := range runs {
		if o.Hi < r.Lo {
			continue
		}
		if o.Lo > r.Hi {
			break
		}
		if o.Lo > r.Lo {
			out = append(out, Interval{r.Lo, o.Lo - 1})
		}
		if o.Hi >= r.Hi {
			return out // also keeps o.Hi+1 from overflowing
		}
		r.Lo = o.Hi + 1
	}
	return append(out, r)
}

// Holes returns the numbers from 1 to the greatest member that are missing:
// events that were skipped somewhere between producer and reader.
func (s Set) Holes() Set {
	if len(s.runs) == 0 {
		return Set{}
	}
	return SetOf(Interval{1, s.Max()}).Minus(s)
}

// Intervals returns the runs in ascending order.
func (s Set) Intervals() []Interval { return slices.Clone(s.runs) }

// Len returns how many numbers the set holds.
func (s Set) Len() int64 {
	var n int64
	for _, r := range s.runs {
		n += r.Hi - r.Lo + 1
	}
	return n
}

// Max returns the greatest member, 0 for an empty set.
func (s Set) Max() int64 {
	if len(s.runs) == 0 {
		return 0
	}
	return s.runs[len(s.runs)-1].Hi
}

// Empty reports whether the set has no member.
func (s Set) Empty() bool { return len(s.runs) == 0 }

// Equal reports whether both sets have the same members.
func (s Set) Equal(other Set) bool { return slices.Equal(s.runs, other.runs) }

// String renders the set as it is stored in Redis: "1-17,20-22".
func (s Set) String() string {
	var b strings.Builder
	for i, r := range s.runs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(r.Lo, 10))
		if r.Hi != r.Lo {
			b.WriteByte('-')
			b.WriteString(strconv.FormatInt(r.Hi, 10))
		}
	}
	return b.String()
}

// ParseSet reads the form that String writes. Numbers start at 1; runs must
// ascend and be disjoint; adjacent ones are joined.
func ParseSet(text string) (Set, error) {
	var s Set
	if text == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		loText, hiText, ranged := strings.Cut(part, "-")
		lo, err := strconv.ParseInt(loText, 10, 64)
		hi := lo
		if err == nil && ranged {
			hi, err = strconv.ParseInt(hiText, 10, 64)
		}
		if err != nil || lo < 1 || hi < lo || lo <= s.Max() {
			return Set{}, fmt.Errorf("interval set %q: bad run %q", text, part)
		}
		if n := len(s.runs); n > 0 && s.runs[n-1].Hi == lo-1 {
			s.runs[n-1].Hi = hi
			continue
		}
		s.runs = append(s.runs, Interval{lo, hi})
	}
	return s, nil
}
