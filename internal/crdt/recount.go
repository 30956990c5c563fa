package crdt

import (
	"maps"
	"math/big"
	"slices"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Recount computes the counter part of a key, as Key.Counter does, without
// keeping its events: a hot counter has millions. The zero value is ready.
//
// An increment goes into the sum of its life when it comes, so the barrier has
// to be known by then. It mostly is; if not, Again asks for all events anew.
type Recount struct {
	barrier          Barrier
	premature        bool // increments were counted before the barrier came
	current, renewed Life
	origins          map[string]*OriginCounter
	seen             map[source]lane.Bitmap
}

// source is what numbers increments.
type source struct {
	origin string
	lane   lane.ID
}

// Add counts one event of the key, in any order, any number of times.
// Operations that are none of a counter are passed over.
func (r *Recount) Add(e event.Event) {
	if b, ok := BarrierOf(e); ok {
		if b.Compare(r.barrier) > 0 {
			r.barrier, r.premature = b, r.origins != nil
		}
		return
	}
	if a, ok := e.Args.(event.Incr); ok && !r.barrier.Kills(e.HLC) && r.fresh(e) {
		r.count(Increment{e.HLC, e.Origin, e.Lane, e.Seq, a.Delta})
	}
}

func (r *Recount) fresh(e event.Event) bool {
	from := source{e.Origin, e.Lane}
	if r.seen[from] == nil {
		put(&r.seen, from, lane.Bitmap{})
	}
	return r.seen[from].Add(e.Seq)
}

func (r *Recount) count(inc Increment) {
	life := &r.current
	if r.barrier.newLife(inc.HLC) {
		life = &r.renewed
	}
	life.add(inc)
	o := r.origins[inc.Origin]
	if o == nil {
		o = &OriginCounter{Origin: inc.Origin}
		put(&r.origins, inc.Origin, o)
	}
	o.add(inc)
}

// Again reports that a barrier came after increments that it may have killed.
// They are forgotten then: add every event once more.
func (r *Recount) Again() bool {
	if !r.premature {
		return false
	}
	*r = Recount{barrier: r.barrier}
	return true
}

// Barrier returns the newest SET or DEL.
func (r *Recount) Barrier() Barrier { return r.barrier }

// Counter returns the counter part.
func (r *Recount) Counter() Counter {
	c := Counter{Current: r.current.orZero(), Renewed: r.renewed.orZero()}
	for _, origin := range slices.Sorted(maps.Keys(r.origins)) {
		c.Origins = append(c.Origins, *r.origins[origin])
	}
	return c
}

func (l *Life) add(inc Increment) {
	*l = l.orZero()
	l.Sum.Add(l.Sum, big.NewInt(inc.Delta))
	l.Count++
}

func (l Life) orZero() Life {
	if l.Sum == nil {
		l.Sum = new(big.Int)
	}
	return l
}

// add keeps the newest increments singly.
func (o *OriginCounter) add(inc Increment) {
	o.Seq = max(o.Seq, inc.Seq)
	at, _ := slices.BinarySearchFunc(o.Ring, inc, Increment.compare)
	o.Ring = slices.Insert(o.Ring, at, inc)
	if len(o.Ring) > RingSize {
		o.Folded = hlc.Max(o.Folded, o.Ring[0].HLC)
		o.Ring = slices.Delete(o.Ring, 0, 1)
	}
}
