package view

import (
	"bytes"
	"slices"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// content is what a Batch holds: the events as added and, per key, what of them
// is left after folding.
type content struct {
	events   []event.Event
	groups   []*group
	byKey    map[string]*group
	rawBytes int
	nops     int // ops after folding, kept up to date by add
	nbytes   int
}

// group is one key's share of a batch. Numbers are indices into content.events.
type group struct {
	key        []byte
	barrier    int // -1: none
	increments []int
	types      map[byte]*elements // by type letter: s z h
	stream     *streamPart
	owners     map[int]int // event -> elements and entries of it that are left
	unfold     bool        // a sum of this batch must not be built
	bytes      int
}

type elements struct {
	newest int
	left   map[string]element
}

// element is the newest operation of the batch on a member or field.
type element struct {
	owner   int
	h       hlc.Timestamp
	removed bool
	payload []byte // score text or field value
}

type streamPart struct {
	newest  int
	floor   event.StreamID
	floorBy int // -1: none
	deleted map[event.StreamID]int
	entries []int
}

// Add appends an accepted event that is no duplicate. The event is kept: do not
// change its bytes.
func (b *Batch) Add(e event.Event) {
	i := len(b.events)
	b.events = append(b.events, e)
	g := b.byKey[string(e.Key)]
	if g == nil {
		g = &group{key: e.Key, barrier: -1}
		b.byKey[string(e.Key)] = g
		b.groups = append(b.groups, g)
		b.nbytes += len(e.Key) + 16
	}
	b.rawBytes += event.Size(e.Args) + len(e.Key) + 64
	ops, size := g.ops(), g.bytes
	b.place(g, i)
	b.nops += g.ops() - ops
	b.nbytes += g.bytes - size
}

// opBytes is what one op takes beside its payload: stamps and lengths.
const opBytes = 48

func (b *Batch) place(g *group, i int) {
	e := b.events[i]
	switch a := e.Args.(type) {
	case event.Set, event.Del:
		b.raise(g, i)
		return
	case event.Incr:
		if !b.dead(g, e.HLC) {
			g.increments = append(g.increments, i)
			g.bytes += opBytes
		}
		return
	case event.SAdd:
		for _, m := range a.Members {
			b.element(g, 's', i, m, false, nil)
		}
	case event.SRem:
		for _, m := range a.Members {
			b.element(g, 's', i, m, true, nil)
		}
	case event.ZAdd:
		for _, m := range a.Members {
			b.element(g, 'z', i, m.Member, false, []byte(event.FormatScore(m.Score)))
		}
	case event.ZRem:
		for _, m := range a.Members {
			b.element(g, 'z', i, m, true, nil)
		}
	case event.HSet:
		for _, f := range a.Fields {
			b.element(g, 'h', i, f.Field, false, f.Value)
		}
	case event.HDel:
		for _, f := range a.Fields {
			b.element(g, 'h', i, f, true, nil)
		}
	case event.XAdd, event.XDel, event.XTrim:
		b.entry(g, i)
	}
}

// dead reports whether the group's own barrier kills h, so that it need not be sent.
func (b *Batch) dead(g *group, h hlc.Timestamp) bool {
	return !b.noFold && g.barrier >= 0 && !h.After(b.events[g.barrier].HLC)
}

// raise keeps the newest barrier and drops what it kills.
func (b *Batch) raise(g *group, i int) {
	if g.barrier >= 0 {
		now, _ := crdt.BarrierOf(b.events[i])
		if old, _ := crdt.BarrierOf(b.events[g.barrier]); now.Compare(old) <= 0 {
			return
		}
		g.bytes -= event.Size(b.events[g.barrier].Args)
	} else {
		g.bytes += opBytes
	}
	g.barrier = i
	g.bytes += event.Size(b.events[i].Args)
	if b.noFold {
		return
	}
	kills := func(j int) bool {
		if !b.dead(g, b.events[j].HLC) {
			return false
		}
		g.bytes -= opBytes + event.Size(b.events[j].Args)
		return true
	}
	g.increments = slices.DeleteFunc(g.increments, kills)
	for t, part := range g.types {
		b.buryElements(g, part)
		if b.dead(g, b.events[part.newest].HLC) {
			delete(g.types, t)
		}
	}
	if s := g.stream; s != nil {
		s.entries = slices.DeleteFunc(s.entries, kills)
		for id, by := range s.deleted {
			if b.dead(g, b.events[by].HLC) {
				delete(s.deleted, id)
				g.bytes -= opBytes
			}
		}
		if s.floorBy >= 0 && kills(s.floorBy) {
			s.floor, s.floorBy = event.StreamID{}, -1
		}
		if b.dead(g, b.events[s.newest].HLC) {
			g.stream = nil
		}
	}
}

func (b *Batch) buryElements(g *group, part *elements) {
	for name, el := range part.left {
		if b.dead(g, el.h) {
			delete(part.left, name)
			g.disown(el.owner)
			g.bytes -= el.size(name)
		}
	}
}

func (el element) size(name string) int { return len(name) + len(el.payload) + 24 }

// element keeps the newest operation on one member or field. Within one event
// the last mention counts.
func (b *Batch) element(g *group, t byte, i int, name []byte, removed bool, payload []byte) {
	e := b.events[i]
	if b.dead(g, e.HLC) {
		return
	}
	part := g.types[t]
	if part == nil {
		if g.types == nil {
			g.types = map[byte]*elements{}
		}
		part = &elements{newest: i, left: map[string]element{}}
		g.types[t] = part
	}
	if e.HLC.After(b.events[part.newest].HLC) {
		part.newest = i
	}
	el := element{i, e.HLC, removed, payload}
	old, known := part.left[string(name)]
	if known && old.owner != i && compareElements(el, old) <= 0 {
		return
	}
	if known {
		g.disown(old.owner)
		g.bytes -= old.size(string(name))
	}
	part.left[string(name)] = el
	g.bytes += el.size(string(name))
	g.own(i)
}

func compareElements(a, b element) int {
	if c := a.h.Compare(b.h); c != 0 {
		return c
	}
	if a.removed != b.removed {
		if a.removed {
			return 1
		}
		return -1
	}
	return bytes.Compare(a.payload, b.payload)
}

func (g *group) own(i int) {
	if g.owners == nil {
		g.owners = map[int]int{}
	}
	g.owners[i]++
}

func (g *group) disown(i int) {
	if g.owners[i]--; g.owners[i] <= 0 {
		delete(g.owners, i)
	}
}

func (b *Batch) entry(g *group, i int) {
	e := b.events[i]
	if b.dead(g, e.HLC) {
		return
	}
	if g.stream == nil {
		g.stream = &streamPart{newest: i, floorBy: -1, deleted: map[event.StreamID]int{}}
	}
	s := g.stream
	if e.HLC.After(b.events[s.newest].HLC) {
		s.newest = i
	}
	switch a := e.Args.(type) {
	case event.XAdd:
		s.entries = append(s.entries, i)
		g.bytes += opBytes + event.Size(a)
	case event.XDel:
		for _, id := range a.IDs {
			if by, ok := s.deleted[id]; !ok || e.HLC.After(b.events[by].HLC) {
				if !ok {
					g.bytes += opBytes
				}
				s.deleted[id] = i
			}
		}
	case event.XTrim:
		floor := a.MinID
		if own := event.IDFromHLC(e.HLC); own.Compare(floor) < 0 {
			floor = own
		}
		if s.floorBy < 0 || floor.Compare(s.floor) > 0 {
			if s.floorBy < 0 {
				g.bytes += opBytes
			}
			s.floor, s.floorBy = floor, i
		}
	}
}

// ops counts what is left of the group after folding: events of which something
// is sent, with many increments as the few records they become. Stream entries
// count less: they are put in together, and should they be late, moving the tail
// once for many of them is what makes that cheap.
func (g *group) ops() int {
	n := len(g.owners)
	if g.barrier >= 0 {
		n++
	}
	n += min(len(g.increments), 2*keepSingle)
	if s := g.stream; s != nil {
		n += (len(s.entries)+7)/8 + (len(s.deleted)+9)/10
		if s.floorBy >= 0 {
			n++
		}
	}
	return n
}
