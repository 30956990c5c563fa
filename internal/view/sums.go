package view

import (
	"math/big"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// keepSingle is how many of a region's newest increments are sent one by one
// when a batch holds more than twice as many; the older ones are summed. A SET
// or DEL that later falls into a sum costs a repair, and it falls most likely
// among the newest.
const keepSingle = 8

// increment is what is sent of one or several INCRs of one region.
type increment struct {
	region string
	seq    int64
	lo, hi hlc.Timestamp
	sum    string
	owners []int
}

// sums orders a group's increments by region and stamp and folds the older ones
// of each region, never across the expiry of the group's own SET. (What the
// group's own barrier kills is gone already.)
func (b *Batch) sums(g *group) []increment {
	order := slices.Clone(g.increments)
	slices.SortStableFunc(order, func(i, j int) int {
		if c := strings.Compare(b.events[i].Origin, b.events[j].Origin); c != 0 {
			return c
		}
		return b.events[i].HLC.Compare(b.events[j].HLC)
	})
	var out []increment
	for len(order) > 0 {
		n := 1
		for n < len(order) && b.events[order[n]].Origin == b.events[order[0]].Origin {
			n++
		}
		region := order[:n]
		order = order[n:]
		if n > 2*keepSingle && !b.noFold && !g.unfold {
			old := region[:n-keepSingle]
			cut := b.expiryCut(g, old)
			out = b.appendSum(out, old[:cut])
			out = b.appendSum(out, old[cut:])
			region = region[n-keepSingle:]
		}
		for _, i := range region {
			out = b.appendSum(out, []int{i})
		}
	}
	return out
}

// expiryCut returns how many of the ordered increments lie before the expiry of
// the group's SET.
func (b *Batch) expiryCut(g *group, order []int) int {
	if g.barrier >= 0 {
		if set, ok := b.events[g.barrier].Args.(event.Set); ok && set.ExpireAtMS != 0 {
			for n, i := range order {
				if b.events[i].HLC.Physical >= set.ExpireAtMS {
					return n
				}
			}
		}
	}
	return len(order)
}

func (b *Batch) appendSum(out []increment, order []int) []increment {
	if len(order) == 0 {
		return out
	}
	sum, seq := new(big.Int), int64(0)
	for _, i := range order {
		sum.Add(sum, big.NewInt(b.events[i].Args.(event.Incr).Delta))
		seq = max(seq, b.events[i].Seq)
	}
	first, last := b.events[order[0]], b.events[order[len(order)-1]]
	return append(out, increment{first.Origin, seq, first.HLC, last.HLC, sum.String(), order})
}
