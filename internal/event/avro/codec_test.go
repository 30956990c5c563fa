package avro

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// samples is one valid event per operation, and the awkward values of each.
func samples() map[string]event.Event {
	args := map[string]event.Args{
		"set":           event.Set{Value: []byte("v1")},
		"set-expiring":  event.Set{Value: []byte{0, 0xff, '\n'}, ExpireAtMS: 1<<48 - 1},
		"set-empty":     event.Set{Value: []byte{}},
		"del":           event.Del{},
		"incr":          event.Incr{Delta: 1},
		"incr-min":      event.Incr{Delta: math.MinInt64},
		"incr-max":      event.Incr{Delta: math.MaxInt64},
		"sadd":          event.SAdd{Members: [][]byte{[]byte("a"), {}, {0xfe}}},
		"srem":          event.SRem{Members: [][]byte{[]byte("a")}},
		"zadd":          event.ZAdd{Members: []event.ScoredMember{{Member: []byte("m"), Score: 0.1}, {Member: []byte("n"), Score: math.Inf(-1)}}},
		"zrem":          event.ZRem{Members: [][]byte{[]byte("m")}},
		"hset":          event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("v")}}},
		"hdel":          event.HDel{Fields: [][]byte{[]byte("f"), []byte("g")}},
		"xadd":          event.XAdd{Fields: []event.FieldValue{{Field: []byte("b"), Value: []byte("1")}, {Field: []byte("a"), Value: []byte{}}}},
		"xdel":          event.XDel{IDs: []event.StreamID{{MS: 1700000000000, Seq: 10241}}},
		"xtrim":         event.XTrim{MinID: event.StreamID{MS: 1700000000001, Seq: 0}},
		"xtrim-largest": event.XTrim{MinID: event.StreamID{MS: math.MaxUint64, Seq: math.MaxUint64}},
	}
	out := map[string]event.Event{}
	for name, a := range args {
		out[name] = eventOf("key:"+name, a)
	}
	return out
}

func eventOf(key string, args event.Args) event.Event {
	return event.Event{
		Version: event.FormatVersion, MinVersion: event.FormatVersion,
		ID: "01J0000000000000000000ABCD", Origin: "eu",
		HLC:  hlc.Timestamp{Physical: 1700000000123, Logical: 5<<10 | 7, Region: 1},
		Lane: lane.ID{Slot: 7, Incarnation: 1700000000000001}, Seq: 42,
		Key: []byte(key), Args: args,
	}
}

func recordOf(e event.Event, value []byte) event.Record {
	return event.Record{
		Topic: geo.Topic(e.Origin), Partition: geo.PartitionOf(e.Key), Offset: -1,
		Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
	}
}

func newTestCodec(t testing.TB) *Codec {
	t.Helper()
	c := NewCodec(NewShippedRegistry(), "")
	if err := c.Prepare(context.Background(), "us.events", "eu.events", "ap.events"); err != nil {
		t.Fatal(err)
	}
	return c
}

func mustEncode(t testing.TB, c *Codec, e event.Event) event.Record {
	t.Helper()
	value, err := c.Encode(geo.Topic(e.Origin), e)
	if err != nil {
		t.Fatal(err)
	}
	return recordOf(e, value)
}

func TestRoundTrip(t *testing.T) {
	c := newTestCodec(t)
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			got, err := c.Decode(t.Context(), mustEncode(t, c, e))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, e) {
				t.Errorf("decoded\n%+v\nwant\n%+v", got, e)
			}
		})
	}
}

func TestEveryOpHasASample(t *testing.T) {
	seen := map[event.Op]bool{}
	for _, e := range samples() {
		seen[e.Op()] = true
	}
	for _, op := range event.Ops() {
		if !seen[op] || !knownOp([]byte(op)) {
			t.Errorf("%s: sample %v, known to the decoder %v", op, seen[op], knownOp([]byte(op)))
		}
	}
	if knownOp([]byte("APPEND")) || knownOp(nil) {
		t.Error("an unknown operation counts as known")
	}
}

func TestLargestEventsRoundTrip(t *testing.T) {
	c := newTestCodec(t)
	big := func(n int, b byte) []byte { return []byte(strings.Repeat(string(rune(b)), n)) }
	members := make([][]byte, event.MaxElements)
	fields := make([]event.FieldValue, event.MaxElements)
	ids := make([]event.StreamID, event.MaxElements)
	for i := range members {
		members[i] = big(900, 'm')
		fields[i] = event.FieldValue{Field: big(400, 'f'), Value: big(500, 'v')}
		ids[i] = event.StreamID{MS: uint64(i), Seq: uint64(i)}
	}
	for name, args := range map[string]event.Args{
		"value":    event.Set{Value: big(event.MaxValueBytes, 'v')},
		"members":  event.SAdd{Members: members},
		"fields":   event.XAdd{Fields: fields},
		"ids":      event.XDel{IDs: ids},
		"long key": event.Del{},
	} {
		e := eventOf("k", args)
		if name == "long key" {
			e.Key = big(event.MaxKeyBytes, 'k')
		}
		got, err := c.Decode(t.Context(), mustEncode(t, c, e))
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: not equal after a round trip (%v)", name, err)
		}
	}
}

func TestNegativeZeroScoreBecomesZero(t *testing.T) {
	c := newTestCodec(t)
	e := eventOf("z", event.ZAdd{Members: []event.ScoredMember{{Member: []byte("m"), Score: math.Copysign(0, -1)}}})
	got, err := c.Decode(t.Context(), mustEncode(t, c, e))
	if err != nil {
		t.Fatal(err)
	}
	if math.Signbit(got.Args.(event.ZAdd).Members[0].Score) {
		t.Error("score is -0 after a round trip")
	}
}

func TestDecodedEventSharesNoMemoryWithTheRecord(t *testing.T) {
	c := newTestCodec(t)
	for name, e := range samples() {
		r := mustEncode(t, c, e)
		r.Key = append([]byte(nil), r.Key...)
		got, err := c.Decode(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		clear(r.Value)
		clear(r.Key)
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s: changed together with the record's bytes", name)
		}
	}
}
