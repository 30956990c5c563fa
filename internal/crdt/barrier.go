package crdt

import (
	"bytes"
	"cmp"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// Barrier is the newest SET or DEL of a key: nothing that is not newer than it
// counts, whatever its type. The zero value stands for "none yet".
type Barrier struct {
	HLC        hlc.Timestamp
	Op         event.Op // SET or DEL; empty when there was none
	Value      []byte   // of a SET
	ExpireAtMS int64    // of a SET; absolute, 0 means never
}

// BarrierOf returns the barrier that a SET or DEL is.
func BarrierOf(e event.Event) (b Barrier, ok bool) {
	switch a := e.Args.(type) {
	case event.Set:
		return Barrier{HLC: e.HLC, Op: event.OpSet, Value: a.Value, ExpireAtMS: a.ExpireAtMS}, true
	case event.Del:
		return Barrier{HLC: e.HLC, Op: event.OpDel}, true
	}
	return b, false
}

// Exists reports whether the key ever had a SET or DEL.
func (b Barrier) Exists() bool { return b.Op != "" }

// Kills reports whether something stamped h is dead. A stamp equal to the
// barrier's is.
func (b Barrier) Kills(h hlc.Timestamp) bool { return b.Exists() && !h.After(b.HLC) }

// newLife reports which life of the key an increment newer than the barrier
// belongs to: the barrier's own, or, when stamped at or past the expiry of a
// SET, the new life that starts from zero and has no expiry.
func (b Barrier) newLife(h hlc.Timestamp) bool {
	return b.ExpireAtMS != 0 && h.Physical >= b.ExpireAtMS
}

// Compare orders barriers. Equal stamps cannot come from well-run producers;
// if they do, DEL beats SET, then the greater value wins, then the later
// expiry, where none counts as the earliest.
func (b Barrier) Compare(other Barrier) int {
	if b.Exists() != other.Exists() {
		if b.Exists() {
			return 1
		}
		return -1
	}
	if c := b.HLC.Compare(other.HLC); c != 0 {
		return c
	}
	if b.Op != other.Op {
		if b.Op == event.OpDel {
			return 1
		}
		return -1
	}
	if c := bytes.Compare(b.Value, other.Value); c != 0 {
		return c
	}
	return cmp.Compare(b.ExpireAtMS, other.ExpireAtMS)
}
