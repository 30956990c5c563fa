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
}

// Recount computes the installs that a RepairError asks for. replay hands over
// every event of the keys with a stamp >= the key's Since, those of the batch
// first; order, repeats and events beside these do not matter. It is called
// again when a barrier turned up late, and its error is returned.
func Recount(keys []RepairKey, replay func(each func(event.Event)) error) ([]Install, error) {
	counts, since := make(map[string]*crdt.Recount, len(keys)), make(map[string]hlc.Timestamp, len(keys))
	for _, k := range keys {
		counts[string(k.Key)], since[string(k.Key)] = new(crdt.Recount), k.Since
	}
	for again := true; again; {
		err := replay(func(e event.Event) {
			if c := counts[string(e.Key)]; c != nil && !e.HLC.Before(since[string(e.Key)]) {
				c.Add(e)
			}
		})
		if err != nil {
			return nil, err
		}
		again = false
		for _, c := range counts {
			again = c.Again() || again
		}
	}
	installs := make([]Install, len(keys))
	for i, k := range keys {
		c := counts[string(k.Key)]
		installs[i] = Install{install{k.Key, c.Barrier(), c.Counter()}}
	}
	return installs, nil
}

// newest returns the newest increment, zero when there is none.
func newest(c crdt.Counter) (h hlc.Timestamp) {
	for _, o := range c.Origins {
		h = hlc.Max(h, o.Ring[len(o.Ring)-1].HLC)
	}
	return h
}

func (r *request) addInstall(in *install) {
	b, c := in.barrier, in.counter
	stamp := []byte{}
	if b.Exists() {
		stamp = stampBytes(b.HLC)
	}
	last := []byte{}
	if h := newest(c); !h.IsZero() {
		last = stampBytes(h)
	}
	r.push(stamp, string(b.Op), b.Value, expiryText(b.ExpireAtMS), last,
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
		r.push(o.Origin, o.Seq, ring, fold)
	}
}
