package view

import (
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// install is the counter part of one key as the model computes it.
type install struct {
	key     []byte
	barrier crdt.Barrier
	counter crdt.Counter
	newest  hlc.Timestamp    // newest increment, zero when none
	seqs    map[string]int64 // highest sequence number per origin, for information
}

// NewInstall computes the install of a key from every event of it with a stamp
// >= the RepairKey's Since, this batch's included. Order and duplicates do not
// matter.
func NewInstall(key []byte, events []event.Event) Install {
	var k crdt.Key
	in := install{key: key, seqs: map[string]int64{}}
	for _, e := range events {
		switch e.Args.(type) {
		case event.Incr:
			in.seqs[e.Origin] = max(in.seqs[e.Origin], e.Seq)
			k.Apply(e)
		case event.Set, event.Del:
			k.Apply(e)
		}
	}
	in.barrier, in.counter = k.Barrier(), k.Counter()
	for _, inc := range k.Increments() {
		in.newest = hlc.Max(in.newest, inc.HLC)
	}
	return Install{in}
}

func (r *request) addInstall(in *install) {
	b, c := in.barrier, in.counter
	stamp := []byte{}
	if b.Exists() {
		stamp = stampBytes(b.HLC)
	}
	newest := []byte{}
	if c.Current.Count+c.Renewed.Count > 0 {
		newest = stampBytes(in.newest)
	}
	r.push(stamp, string(b.Op), b.Value, expiryText(b.ExpireAtMS), newest,
		c.Current.Sum.String(), c.Current.Count, c.Renewed.Sum.String(), c.Renewed.Count, len(c.Origins))
	for _, o := range c.Origins {
		ring := []byte{byte(len(o.Ring))}
		for _, inc := range o.Ring {
			ring = ringRecord(ring, inc.HLC, inc.Delta)
		}
		fold := []byte{}
		if !o.Folded.IsZero() {
			fold = stampBytes(o.Folded)
		}
		r.push(o.Origin, in.seqs[o.Origin], ring, fold)
	}
}
