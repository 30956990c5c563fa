package view

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// request is a batch as the APPLY script takes it (lua/apply.lua), with the
// events that each unit of its answer speaks for.
type request struct {
	keys   []string
	args   []any
	owners [][]int  // per outcome character
	groups []*group // in the order sent
}

func (b *Batch) encode(xsetid bool) *request {
	r := &request{args: make([]any, 0, 16+12*len(b.events))}
	r.keys = append(r.keys, holdKey, dirtyKey(b.partition()))
	r.push(b.now, flag(b.logical), flag(xsetid), len(b.Ranges), 0)
	for _, rng := range b.Ranges {
		r.keys = append(r.keys, posKey(rng.Topic, rng.Partition))
		r.addRange(rng)
	}
	for _, g := range b.groups {
		if r.addGroup(b, g) {
			r.keys = append(r.keys, string(g.key))
			r.groups = append(r.groups, g)
		}
	}
	r.args[4] = len(r.groups)
	return r
}

// partition is the one all ranges share.
func (b *Batch) partition() int32 {
	if len(b.Ranges) == 0 {
		return 0
	}
	return b.Ranges[0].Partition
}

func (r *request) push(args ...any) { r.args = append(r.args, args...) }

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func (r *request) addRange(rng Range) {
	top := []byte{}
	if !rng.HLC.IsZero() {
		top = stampBytes(rng.HLC)
	}
	r.push(rng.From, rng.To, top, formatEpoch(rng.Epoch, rng.To), len(rng.Lanes))
	for id, set := range rng.Lanes {
		r.push(laneField+id.String(), set.String())
	}
}

// addGroup appends a key's parts in the order the script reads them; false when
// nothing of the group is left.
func (r *request) addGroup(b *Batch, g *group) bool {
	head := len(r.args)
	r.push(0, "")
	var parts []byte
	if in := b.installOf(g.key); in != nil {
		parts = append(parts, 'i')
		r.addInstall(in)
	}
	if g.barrier >= 0 {
		parts = append(parts, 'b')
		r.addBarrier(b, g.barrier)
	}
	if len(g.increments) > 0 {
		parts = append(parts, 'c')
		r.addIncrements(b.sums(g))
	}
	for _, t := range []byte("szh") {
		if part := g.types[t]; part != nil {
			parts = append(parts, t)
			r.addElements(b, t, part)
		}
	}
	if g.stream != nil {
		parts = append(parts, 'x')
		r.addStream(b, g.stream)
	}
	if len(parts) == 0 {
		r.args = r.args[:head]
		return false
	}
	r.args[head], r.args[head+1] = len(r.args)-head-1, string(parts)
	return true
}

func (b *Batch) installOf(key []byte) *install {
	for i := range b.Installs {
		if bytes.Equal(b.Installs[i].key, key) {
			return &b.Installs[i].install
		}
	}
	return nil
}

func (r *request) own(owners ...int) { r.owners = append(r.owners, owners) }

func (r *request) addBarrier(b *Batch, i int) {
	e := b.events[i]
	if set, ok := e.Args.(event.Set); ok {
		r.push(stampBytes(e.HLC), "SET", set.Value, expiryText(set.ExpireAtMS))
	} else {
		r.push(stampBytes(e.HLC), "DEL", "", "")
	}
	r.own(i)
}

func expiryText(ms int64) string {
	if ms == 0 {
		return ""
	}
	return strconv.FormatInt(ms, 10)
}

func (r *request) addIncrements(list []increment) {
	r.push(len(list))
	for _, inc := range list {
		lo := stampBytes(inc.lo)
		hi := lo
		if inc.hi != inc.lo {
			hi = stampBytes(inc.hi)
		}
		r.push(inc.region, inc.seq, lo, hi, inc.sum)
		r.own(inc.owners...)
	}
}

func (r *request) addElements(b *Batch, t byte, part *elements) {
	r.push(len(part.left), stampBytes(b.events[part.newest].HLC))
	r.own(part.newest)
	for name, el := range part.left {
		mark := appendStamp(make([]byte, 0, 11), el.h)
		if el.removed {
			mark = append(mark, 'R')
		} else {
			mark = append(mark, 'A')
		}
		r.push(name, mark)
		if t != 's' {
			r.push(el.payload)
		}
		r.own(el.owner)
	}
}

func (r *request) addStream(b *Batch, s *streamPart) {
	r.push(stampBytes(b.events[s.newest].HLC))
	r.own(s.newest)
	if s.floorBy >= 0 {
		r.push(s.floor.String())
		r.own(s.floorBy)
	} else {
		r.push("")
	}
	r.push(len(s.deleted))
	for id, by := range s.deleted {
		r.push(id.String(), stampBytes(b.events[by].HLC))
		r.own(by)
	}
	entries := b.uniqueEntries(s.entries)
	r.push(len(entries))
	for _, i := range entries {
		e := b.events[i]
		fields := e.Args.(event.XAdd).Fields
		r.push(event.IDFromHLC(e.HLC).String(), stampBytes(e.HLC), 2*len(fields))
		for _, f := range fields {
			r.push(f.Field, f.Value)
		}
		r.own(i)
	}
}

// uniqueEntries orders entries by id; of two with one id, which well-run
// producers never make, the greater bytes stay.
func (b *Batch) uniqueEntries(list []int) []int {
	order := slices.Clone(list)
	slices.SortStableFunc(order, func(i, j int) int {
		if c := b.events[i].HLC.Compare(b.events[j].HLC); c != 0 {
			return c
		}
		return -crdt.CompareFields(b.events[i].Args.(event.XAdd).Fields, b.events[j].Args.(event.XAdd).Fields)
	})
	return slices.CompactFunc(order, func(i, j int) bool { return b.events[i].HLC == b.events[j].HLC })
}

// outcomes maps the script's answer back to the events in order of Add.
func (b *Batch) outcomes(r *request, text string) []event.Outcome {
	out := make([]event.Outcome, len(b.events))
	for i := range out {
		out[i] = event.Superseded
	}
	for unit, owners := range r.owners {
		if unit < len(text) && text[unit] == '1' {
			for _, i := range owners {
				out[i] = event.Applied
			}
		}
	}
	return out
}

// hasSums reports whether a group was sent with increments summed.
func (b *Batch) hasSums(g *group) bool {
	if g.unfold || b.noFold {
		return false
	}
	n := map[string]int{}
	for _, i := range g.increments {
		n[b.events[i].Origin]++
		if n[b.events[i].Origin] > 2*keepSingle {
			return true
		}
	}
	return false
}

// ringRecord writes increments as the counter sidecar holds them (lua/counter.lua).
func ringRecord(b []byte, h hlc.Timestamp, delta int64) []byte {
	text := strconv.FormatInt(delta, 10)
	b = append(b, byte(len(text)))
	b = appendStamp(b, h)
	b = append(b, text...)
	return append(b, byte(len(text)))
}

func parseOffset(text string) (int64, error) {
	return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
}
