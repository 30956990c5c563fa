package event_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// valid is an acceptable event; tests change one thing about it.
func valid(change func(*event.Event)) event.Event {
	e := event.Event{
		Version: event.FormatVersion, MinVersion: event.FormatVersion, ID: "01HX", Origin: "eu",
		HLC:  hlc.Timestamp{Physical: 1_800_000_000_000, Logical: 1024, Region: 1},
		Lane: lane.ID{Slot: 3, Incarnation: 1}, Seq: 1, Key: []byte("k"), Args: event.Del{},
	}
	change(&e)
	return e
}

// TestValidate lists each limit with the last value inside and the first
// outside of it. An empty reason means accepted.
func TestValidate(t *testing.T) {
	args := func(a event.Args) func(*event.Event) { return func(e *event.Event) { e.Args = a } }
	key := func(k string) func(*event.Event) { return func(e *event.Event) { e.Key = []byte(k) } }
	big, tooBig := make([]byte, event.MaxValueBytes), make([]byte, event.MaxValueBytes+1)
	list := func(n int) [][]byte { return make([][]byte, n) }
	pairs := func(n int) []event.FieldValue { return make([]event.FieldValue, n) }
	own := event.IDFromHLC(valid(func(*event.Event) {}).HLC)

	for _, tc := range []struct {
		name   string
		change func(*event.Event)
		reason string
	}{
		{"as it is", func(*event.Event) {}, ""},
		{"no arguments", args(nil), "missing argument"},

		{"empty key", key(""), "bad key"},
		{"longest key", key(strings.Repeat("k", 4096)), ""},
		{"key too long", key(strings.Repeat("k", 4097)), "bad key"},
		{"binary key", key("\xff\x00\n"), ""},
		{"reserved prefix", key("geokv:x"), "reserved key"},
		{"reserved suffix", key("x:meta"), "reserved key"},
		{"reserved counter", key("cnt:seq:us"), "reserved key"},
		{"reserved parked", key("x:~late"), "reserved key"},
		{"nearly reserved", key("geokv"), ""},

		{"no id", func(e *event.Event) { e.ID = "" }, "bad event id"},
		{"longest id", func(e *event.Event) { e.ID = strings.Repeat("i", 128) }, ""},
		{"id too long", func(e *event.Event) { e.ID = strings.Repeat("i", 129) }, "bad event id"},
		{"bad origin", func(e *event.Event) { e.Origin = "EU" }, "bad origin"},
		{"last region index", func(e *event.Event) { e.HLC.Region = 9 }, ""},
		{"region index 10", func(e *event.Event) { e.HLC.Region = 10 }, "bad origin"},
		{"time before 1970", func(e *event.Event) { e.HLC.Physical = -1 }, "bad stamp"},
		{"last time", func(e *event.Event) { e.HLC.Physical = hlc.MaxPhysical }, ""},
		{"time beyond 48 bits", func(e *event.Event) { e.HLC.Physical = hlc.MaxPhysical + 1 }, "bad stamp"},
		{"logical beyond 24 bits", func(e *event.Event) { e.HLC.Logical = hlc.MaxLogical + 1 }, "bad stamp"},
		{"the first millisecond of 1970", func(e *event.Event) { e.HLC = hlc.Timestamp{Logical: 5, Region: 1} }, "bad stamp"},
		{"no stamp", func(e *event.Event) { e.HLC = hlc.Timestamp{} }, "bad stamp"},
		{"last slot", func(e *event.Event) { e.Lane.Slot = 1023 }, ""},
		{"slot 1024", func(e *event.Event) { e.Lane.Slot = 1024 }, "bad lane"},
		{"incarnation 0", func(e *event.Event) { e.Lane.Incarnation = 0 }, "bad lane"},
		{"seq 0", func(e *event.Event) { e.Seq = 0 }, "bad seq"},
		{"last seq", func(e *event.Event) { e.Seq = math.MaxInt64 }, ""},

		{"largest value", args(event.Set{Value: big}), ""},
		{"value too large", args(event.Set{Value: tooBig}), "value too large"},
		{"last expiry", args(event.Set{ExpireAtMS: 1<<48 - 1}), ""},
		{"expiry beyond 48 bits", args(event.Set{ExpireAtMS: 1 << 48}), "bad expiry"},
		{"negative expiry", args(event.Set{ExpireAtMS: -1}), "bad expiry"},
		{"extreme deltas", args(event.Incr{Delta: math.MinInt64}), ""},

		{"no members", args(event.SAdd{}), "bad element count"},
		{"most members", args(event.SAdd{Members: list(1000)}), ""},
		{"too many members", args(event.SAdd{Members: list(1001)}), "bad element count"},
		{"member too large", args(event.SAdd{Members: [][]byte{tooBig}}), "value too large"},
		{"srem nothing", args(event.SRem{}), "bad element count"},
		{"srem too large", args(event.SRem{Members: [][]byte{tooBig}}), "value too large"},
		{"zrem nothing", args(event.ZRem{}), "bad element count"},
		{"zrem too many", args(event.ZRem{Members: list(1001)}), "bad element count"},
		{"hdel nothing", args(event.HDel{}), "bad element count"},
		{"hdel too large", args(event.HDel{Fields: [][]byte{tooBig}}), "value too large"},
		{"zadd nothing", args(event.ZAdd{}), "bad element count"},
		{"zadd too many", args(event.ZAdd{Members: make([]event.ScoredMember, 1001)}), "bad element count"},
		{"zadd infinity", args(event.ZAdd{Members: []event.ScoredMember{{Score: math.Inf(-1)}}}), ""},
		{"zadd NaN", args(event.ZAdd{Members: []event.ScoredMember{{Score: 1}, {Score: math.NaN()}}}), "bad score"},
		{"zadd too large", args(event.ZAdd{Members: []event.ScoredMember{{Member: tooBig}}}), "value too large"},
		{"hset nothing", args(event.HSet{}), "bad element count"},
		{"hset too many", args(event.HSet{Fields: pairs(1001)}), "bad element count"},
		{"hset field too large", args(event.HSet{Fields: []event.FieldValue{{Field: tooBig}}}), "value too large"},
		{"hset value too large", args(event.HSet{Fields: []event.FieldValue{{Value: tooBig}}}), "value too large"},
		{"xadd nothing", args(event.XAdd{}), "bad element count"},
		{"xadd most", args(event.XAdd{Fields: pairs(1000)}), ""},
		{"xadd too many", args(event.XAdd{Fields: pairs(1001)}), "bad element count"},
		{"xdel nothing", args(event.XDel{}), "bad element count"},
		{"xdel too many", args(event.XDel{IDs: make([]event.StreamID, 1001)}), "bad element count"},
		{"xdel just below", args(event.XDel{IDs: []event.StreamID{{MS: own.MS, Seq: own.Seq - 1}}}), ""},
		{"xdel itself", args(event.XDel{IDs: []event.StreamID{{}, own}}), "stream id from the future"},
		{"xdel the future", args(event.XDel{IDs: []event.StreamID{{MS: math.MaxUint64}}}), "stream id from the future"},
		{"xtrim the future", args(event.XTrim{MinID: event.StreamID{MS: math.MaxUint64, Seq: math.MaxUint64}}), ""},
	} {
		err := valid(tc.change).Validate()
		r := event.AsReject(err)
		switch {
		case tc.reason == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.reason != "" && (r == nil || r.Reason != tc.reason):
			t.Errorf("%s: got %v, want reject %q", tc.name, err, tc.reason)
		case r != nil && len(r.Error()) > 300 && !strings.Contains(tc.name, "key"):
			t.Errorf("%s: the reason quotes %d bytes", tc.name, len(r.Error()))
		}
	}
}

func TestOpsAreTheirArguments(t *testing.T) {
	want := []event.Args{event.Set{}, event.Del{}, event.Incr{}, event.SAdd{}, event.SRem{}, event.ZAdd{}, event.ZRem{},
		event.HSet{}, event.HDel{}, event.XAdd{}, event.XDel{}, event.XTrim{}}
	if len(event.Ops()) != len(want) {
		t.Fatalf("got %d operations, want %d", len(event.Ops()), len(want))
	}
	for i, op := range event.Ops() {
		if want[i].Op() != op {
			t.Errorf("operation %d is %s, its arguments say %s", i, op, want[i].Op())
		}
	}
}

func TestValidateKeyDoesNotChangeIt(t *testing.T) {
	key := []byte("a:b:c")
	if err := event.ValidateKey(key); err != nil || !bytes.Equal(key, []byte("a:b:c")) {
		t.Errorf("got %q, %v", key, err)
	}
}
