// Package crdttest makes random histories for tests of everything that merges
// events: few keys and many kinds of trouble, so that conflicts are the rule.
package crdttest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// DefaultNow is the time of reading around which histories are made.
const DefaultNow int64 = 1_800_000_000_000

// Options shape a history. Zero fields take their defaults.
type Options struct {
	Events    int          // default 60
	Keys      [][]byte     // default: four, one of them not UTF-8, one the stem of another's sidecars
	Regions   []geo.Region // default: us, eu, ap
	Producers int          // per region, default 2; each has its slot and clock
	Ops       []event.Op   // default: all; naming one twice makes it twice as frequent
	NowMS     int64        // default DefaultNow; stamps lie around it
	SpanMS    int64        // how long before NowMS the history begins, default 400

	// Brink sets counters to the ends of int64 and adds little, so that sums leave
	// the range and come back, again and again.
	Brink bool
}

func (o Options) withDefaults() Options {
	if o.Events == 0 {
		o.Events = 60
	}
	if len(o.Keys) == 0 {
		o.Keys = [][]byte{[]byte("k"), []byte("k:seq"), []byte("ключ"), {0xff, 0x00, 'k'}}
	}
	if len(o.Regions) == 0 {
		o.Regions = geo.Default().Regions()
	}
	if o.Producers == 0 {
		o.Producers = 2
	}
	if len(o.Ops) == 0 {
		o.Ops = event.Ops()
	}
	if o.NowMS == 0 {
		o.NowMS = DefaultNow
	}
	if o.SpanMS == 0 {
		o.SpanMS = 400
	}
	return o
}

// Generate makes a history as real producers would write it: stamps from
// hybrid clocks that drift and sometimes hear of each other, rising within a
// producer and unique; sequence numbers without holes per lane and partition;
// now and then a restart with a new incarnation. Every event is valid. The
// order is the order of writing, so each origin's events stand in log order.
func Generate(rng *rand.Rand, o Options) []event.Event {
	g := newGenerator(rng, o.withDefaults())
	events := make([]event.Event, 0, g.o.Events)
	for len(events) < g.o.Events {
		g.step()
		if e, ok := g.write(len(events)); ok {
			events = append(events, e)
		}
	}
	return events
}

type generator struct {
	o         Options
	rng       *rand.Rand
	producers []*producer
	wall      int64                       // true time, milliseconds
	entries   map[string][]event.StreamID // ids written per key
}

// producer is one process of a region: a clock of its own and a lane.
type producer struct {
	region geo.Region
	clock  *hlc.Clock
	skewMS int64
	lane   lane.ID
	seqs   map[int32]int64 // last number per partition
}

func newGenerator(rng *rand.Rand, o Options) *generator {
	g := &generator{o: o, rng: rng, wall: o.NowMS - o.SpanMS, entries: map[string][]event.StreamID{}}
	for _, region := range o.Regions {
		for slot := range o.Producers {
			p := &producer{region: region, skewMS: rng.Int64N(41) - 20, seqs: map[int32]int64{}}
			p.lane = lane.ID{Slot: uint16(slot), Incarnation: 1 + rng.Int64N(1000)}
			p.clock = hlc.NewClock(region.Index, func() time.Time { return time.UnixMilli(g.wall + p.skewMS) })
			g.producers = append(g.producers, p)
		}
	}
	return g
}

// step lets time pass: often not at all, so that counters decide, and on the
// whole so that the history ends a little after NowMS.
func (g *generator) step() {
	mean := 1.1 * float64(g.o.SpanMS) / float64(g.o.Events)
	if g.rng.IntN(2) == 0 {
		g.wall += int64(4*mean*g.rng.Float64() + g.rng.Float64())
	}
}

func (g *generator) write(n int) (event.Event, bool) {
	p := pick(g.rng, g.producers)
	switch g.rng.IntN(50) {
	case 0:
		p.lane.Incarnation += 1 + g.rng.Int64N(1000)
		p.seqs = map[int32]int64{}
	case 1, 2, 3:
		p.clock.Witness(pick(g.rng, g.producers).clock.Last())
	}
	stamp, err := p.clock.Now(p.lane.Slot)
	if err != nil {
		return event.Event{}, false // too far ahead of its wall: it must wait
	}
	key := pick(g.rng, g.o.Keys)
	partition := geo.PartitionOf(key)
	p.seqs[partition]++
	return event.Event{
		Version: event.FormatVersion, MinVersion: event.FormatVersion,
		ID: fmt.Sprintf("gen-%08d", n), Origin: p.region.Name,
		HLC: stamp, Lane: p.lane, Seq: p.seqs[partition],
		Key: key, Args: g.args(pick(g.rng, g.o.Ops), string(key), stamp),
	}, true
}

func (g *generator) args(op event.Op, key string, stamp hlc.Timestamp) event.Args {
	own := event.IDFromHLC(stamp)
	switch op {
	case event.OpSet:
		if g.o.Brink {
			return event.Set{Value: pick(g.rng, brinks())}
		}
		return event.Set{Value: pick(g.rng, values()), ExpireAtMS: g.expiry(stamp)}
	case event.OpDel:
		return event.Del{}
	case event.OpIncr:
		if g.o.Brink {
			return event.Incr{Delta: g.rng.Int64N(25) - 12}
		}
		return event.Incr{Delta: pick(g.rng, deltas())}
	case event.OpSAdd:
		return event.SAdd{Members: g.names()}
	case event.OpSRem:
		return event.SRem{Members: g.names()}
	case event.OpZAdd:
		return event.ZAdd{Members: g.scored()}
	case event.OpZRem:
		return event.ZRem{Members: g.names()}
	case event.OpHSet:
		return event.HSet{Fields: g.fields()}
	case event.OpHDel:
		return event.HDel{Fields: g.names()}
	case event.OpXAdd:
		g.entries[key] = append(g.entries[key], own)
		return event.XAdd{Fields: g.fields()}
	case event.OpXDel:
		return event.XDel{IDs: g.idsBelow(own, key)}
	case event.OpXTrim:
		return event.XTrim{MinID: g.floor(own, key)}
	}
	panic("crdttest: no arguments for " + string(op))
}

// expiry returns 0 as often as not, else a time that matters: near the stamp,
// so that later increments cross it; near NowMS, so that reading does; or an
// extreme.
func (g *generator) expiry(stamp hlc.Timestamp) int64 {
	if g.rng.IntN(2) == 0 {
		return 0
	}
	return pick(g.rng, []int64{
		stamp.Physical + g.rng.Int64N(60), stamp.Physical + 1 + g.rng.Int64N(g.o.SpanMS),
		g.o.NowMS - 1, g.o.NowMS, g.o.NowMS + 1, g.o.NowMS + 10_000_000,
		1, stamp.Physical, hlc.MaxPhysical,
	})
}

func (g *generator) names() [][]byte {
	out := make([][]byte, 1+g.rng.IntN(3))
	for i := range out {
		out[i] = pick(g.rng, names())
	}
	return out
}

func (g *generator) scored() []event.ScoredMember {
	out := make([]event.ScoredMember, 1+g.rng.IntN(3))
	for i := range out {
		out[i] = event.ScoredMember{Member: pick(g.rng, names()), Score: pick(g.rng, scores())}
	}
	return out
}

func (g *generator) fields() []event.FieldValue {
	out := make([]event.FieldValue, 1+g.rng.IntN(3))
	for i := range out {
		out[i] = event.FieldValue{Field: pick(g.rng, names()), Value: pick(g.rng, values())}
	}
	return out
}

// idsBelow picks ids that an XDEL may name: those of written entries below its
// own, or invented ones.
func (g *generator) idsBelow(own event.StreamID, key string) []event.StreamID {
	out := make([]event.StreamID, 1+g.rng.IntN(3))
	for i := range out {
		out[i] = event.StreamID{MS: own.MS - 1 - g.rng.Uint64N(5), Seq: g.rng.Uint64N(3)}
		if ids := g.entries[key]; len(ids) > 0 && g.rng.IntN(8) > 0 {
			if id := pick(g.rng, ids); id.Compare(own) < 0 {
				out[i] = id
			}
		}
	}
	return out
}

func (g *generator) floor(own event.StreamID, key string) event.StreamID {
	choices := append([]event.StreamID{
		own, {}, {MS: math.MaxUint64, Seq: math.MaxUint64}, {MS: own.MS, Seq: own.Seq + 1}, {MS: own.MS - g.rng.Uint64N(100)},
	}, g.entries[key]...)
	return pick(g.rng, choices)
}

func pick[T any](rng *rand.Rand, choices []T) T { return choices[rng.IntN(len(choices))] }

// values mixes canonical integers, integers that are not canonical or not in
// range, text and bytes.
func values() [][]byte {
	texts := []string{
		"0", "1", "10", "-5", "100", "9223372036854775807", "-9223372036854775808",
		"9223372036854775800", "-2000000000000005", "9223372036854775808", "-9223372036854775809", "007", "+1", "-0", " 1", "1\n", "1e3", "abc", "", "é\u2028<&>",
		"\x00\xff", "\xff",
	}
	out := make([][]byte, len(texts))
	for i, text := range texts {
		out[i] = []byte(text)
	}
	return out
}

func brinks() [][]byte {
	return [][]byte{[]byte("9223372036854775807"), []byte("9223372036854775800"), []byte("-9223372036854775808"), []byte("0")}
}

// deltas mixes small ones with those at the edges of what a double holds, of the
// limbs that the scripts count in (1e15), and of int64.
func deltas() []int64 {
	return []int64{
		0, 1, 1, -1, 5, 7, -10, 1e15, -1e15, -1e15 - 5, 1 << 53, 1<<53 + 1,
		1 << 62, -1 << 62, math.MaxInt64, math.MinInt64,
	}
}

func names() [][]byte {
	return [][]byte{[]byte("a"), []byte("b"), []byte("c"), {}, {0xff, 0x00}, []byte("a\x00b")}
}

func scores() []float64 {
	return []float64{
		0, math.Copysign(0, -1), 1, -1, 2.5, 0.1, 1e-7, 1e21, 1<<53 + 2,
		math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1),
	}
}
