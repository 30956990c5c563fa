package crdt

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Increment is one INCR. Two increments with one stamp both count; lane and
// sequence number tell them apart.
type Increment struct {
	HLC    hlc.Timestamp
	Origin string
	Lane   lane.ID
	Seq    int64
	Delta  int64
}

func (i Increment) compare(other Increment) int {
	if c := i.HLC.Compare(other.HLC); c != 0 {
		return c
	}
	if c := strings.Compare(i.Origin, other.Origin); c != 0 {
		return c
	}
	if c := i.Lane.Compare(other.Lane); c != 0 {
		return c
	}
	return int(min(max(i.Seq-other.Seq, -1), 1)) // numbers are positive: no overflow
}

// Life is the sum of the increments of one life of a key, exact, and how many
// there are: a sum of zero increments is absent, a sum of 0 is "0".
type Life struct {
	Sum   *big.Int
	Count int
}

// lives sums the increments newer than the barrier, split by life.
func (k *Key) lives() (current, renewed Life) {
	current, renewed = current.orZero(), renewed.orZero()
	for _, inc := range k.increments {
		life := &current
		if k.barrier.newLife(inc.HLC) {
			life = &renewed
		}
		life.add(inc)
	}
	return current, renewed
}

// RingSize is how many of the newest increments a view keeps singly per origin.
const RingSize = 64

// Counter is the counter part of a key in the shape a view keeps it: sums per
// life and, per origin, the newest increments singly. Increments that are not
// counted now (over a SET that is no integer, or in an earlier life) are in the
// sum of their life and in the rings all the same, since a late SET or DEL may
// make them count.
type Counter struct {
	Current Life // increments before the expiry of the barrier's SET, or all
	Renewed Life // increments at or past that expiry
	Origins []OriginCounter
}

// OriginCounter is one origin region's share of a Counter.
type OriginCounter struct {
	Origin string
	Seq    int64         // the greatest sequence number, for information
	Ring   []Increment   // the newest increments, oldest first, at most RingSize
	Folded hlc.Timestamp // newest increment that is not in the ring; zero when all are
}

// Counter returns the counter part of the key as far as the applied events
// tell: by definition what a Recount of the same events comes to.
func (k *Key) Counter() Counter {
	var c Counter
	c.Current, c.Renewed = k.lives()
	byOrigin := map[string][]Increment{}
	for _, inc := range k.Increments() {
		byOrigin[inc.Origin] = append(byOrigin[inc.Origin], inc)
	}
	for origin, list := range byOrigin {
		o := OriginCounter{Origin: origin, Ring: list}
		for _, inc := range list {
			o.Seq = max(o.Seq, inc.Seq)
		}
		if n := len(list) - RingSize; n > 0 {
			o.Ring, o.Folded = list[n:], list[n-1].HLC
		}
		c.Origins = append(c.Origins, o)
	}
	slices.SortFunc(c.Origins, func(a, b OriginCounter) int { return strings.Compare(a.Origin, b.Origin) })
	return c
}

// Barrier returns the newest SET or DEL.
func (k *Key) Barrier() Barrier { return k.barrier }

// Increments returns every increment newer than the barrier, oldest first.
func (k *Key) Increments() []Increment {
	sorted := slices.Clone(k.increments)
	slices.SortFunc(sorted, Increment.compare)
	return sorted
}

var canonicalInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,18})$`)

// Integer reads a string value as the base of a counter: a canonical decimal
// in the range of int64. "007", "+1", "-0" and " 1" are text, not integers.
func Integer(value []byte) (int64, bool) {
	if !canonicalInteger.Match(value) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}

// Clamp renders an exact sum as a counter shows it: limited to int64.
func Clamp(sum *big.Int) []byte {
	switch {
	case sum.IsInt64():
		return sum.Append(nil, 10)
	case sum.Sign() < 0:
		return strconv.AppendInt(nil, math.MinInt64, 10)
	}
	return strconv.AppendInt(nil, math.MaxInt64, 10)
}
