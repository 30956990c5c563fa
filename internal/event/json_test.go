package event_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
)

// envelope wraps an op and payload into an event that is otherwise in order.
func envelope(op, payload string) string {
	return `{"event_id":"e1","origin_region":"eu","region_idx":1,"hlc":{"physical_ms":1800000000000,"logical":1024,"region":"eu"},` +
		`"slot":0,"incarnation":5,"seq":1,"key":"k","op":"` + op + `","payload":` + payload + `}`
}

// TestEventJSONBothWays holds each payload shape to its canonical text.
func TestEventJSONBothWays(t *testing.T) {
	for _, tc := range []struct {
		op, payload string
		want        event.Args
	}{
		{"SET", `{"value":"v"}`, event.Set{Value: []byte("v")}},
		{"SET", `{"value":"","expire_at_ms":281474976710655}`, event.Set{Value: []byte{}, ExpireAtMS: 1<<48 - 1}},
		{"SET", `{"value":{"base64":"AP8="}}`, event.Set{Value: []byte{0, 0xff}}},
		{"SET", `{"value":"<é&\u2028\"\\>"}`, event.Set{Value: []byte("<é&\u2028\"\\>")}},
		{"DEL", `null`, event.Del{}},
		{"INCR", `{"delta":"-9223372036854775808"}`, event.Incr{Delta: math.MinInt64}},
		{"SADD", `{"members":["a","",{"base64":"/wA="}]}`, event.SAdd{Members: [][]byte{[]byte("a"), {}, {0xff, 0}}}},
		{"SREM", `{"members":["a"]}`, event.SRem{Members: [][]byte{[]byte("a")}}},
		{"ZADD", `{"members":[{"member":"a","score":2.5},{"member":"b","score":"-inf"},{"member":"c","score":"inf"},{"member":"d","score":0}]}`,
			event.ZAdd{Members: []event.ScoredMember{{Member: []byte("a"), Score: 2.5}, {Member: []byte("b"), Score: math.Inf(-1)},
				{Member: []byte("c"), Score: math.Inf(1)}, {Member: []byte("d"), Score: 0}}}},
		{"ZREM", `{"members":["a"]}`, event.ZRem{Members: [][]byte{[]byte("a")}}},
		{"HSET", `{"fields":[{"field":"f","value":"1"},{"field":"","value":""}]}`,
			event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("1")}, {Field: []byte{}, Value: []byte{}}}}},
		{"HDEL", `{"fields":["f"]}`, event.HDel{Fields: [][]byte{[]byte("f")}}},
		{"XADD", `{"fields":[["b","1"],["a","2"],["b","3"]]}`,
			event.XAdd{Fields: []event.FieldValue{{Field: []byte("b"), Value: []byte("1")}, {Field: []byte("a"), Value: []byte("2")}, {Field: []byte("b"), Value: []byte("3")}}}},
		{"XDEL", `{"ids":["0-0","1799999999999-18446744073709551615"]}`,
			event.XDel{IDs: []event.StreamID{{}, {MS: 1799999999999, Seq: math.MaxUint64}}}},
		{"XTRIM", `{"minid":"18446744073709551615-0"}`, event.XTrim{MinID: event.StreamID{MS: math.MaxUint64}}},
	} {
		text := envelope(tc.op, tc.payload)
		var e event.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !reflect.DeepEqual(e.Args, tc.want) {
			t.Errorf("%s: got %#v, want %#v", tc.payload, e.Args, tc.want)
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", tc.payload, err)
		}
		if back, err := event.Marshal(e); err != nil || string(back) != text {
			t.Errorf("got %s, %v\nwant %s", back, err, text)
		}
	}
}

// TestEventJSONReadsOtherForms lists input that is accepted though it is not
// what would be written.
func TestEventJSONReadsOtherForms(t *testing.T) {
	for in, want := range map[string]string{
		envelope("INCR", `{"delta":5}`):                                                     envelope("INCR", `{"delta":"5"}`),
		envelope("INCR", `{"delta":9223372036854775807}`):                                   envelope("INCR", `{"delta":"9223372036854775807"}`),
		envelope("SET", `{"value":{"base64":"YWJj"}}`):                                      envelope("SET", `{"value":"abc"}`),
		envelope("SET", `{"value":"\ud83d\ude00"}`):                                         envelope("SET", `{"value":"😀"}`),
		envelope("SET", `{"value":"\\ud83d"}`):                                              envelope("SET", `{"value":"\\ud83d"}`),
		envelope("ZADD", `{"members":[{"member":"a","score":-0}]}`):                         envelope("ZADD", `{"members":[{"member":"a","score":0}]}`),
		envelope("ZADD", `{"members":[{"member":"a","score":-0.0e5}]}`):                     envelope("ZADD", `{"members":[{"member":"a","score":0}]}`),
		envelope("ZADD", `{"members":[{"member":"a","score":1.0}]}`):                        envelope("ZADD", `{"members":[{"member":"a","score":1}]}`),
		envelope("ZADD", `{"members":[{"member":"a","score":"+inf"}]}`):                     envelope("ZADD", `{"members":[{"member":"a","score":"inf"}]}`),
		envelope("XTRIM", `{"minid":"7"}`):                                                  envelope("XTRIM", `{"minid":"7-0"}`),
		strings.Replace(envelope("DEL", `null`), `"key":"k"`, `"key":{"base64":"aw=="}`, 1): envelope("DEL", `null`),
		strings.Replace(envelope("DEL", `null`), `,"payload":null`, ``, 1):                  envelope("DEL", `null`),
	} {
		var e event.Event
		if err := json.Unmarshal([]byte(in), &e); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, err := event.Marshal(e); err != nil || string(got) != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", in, got, err, want)
		}
	}
}

// TestEventJSONRefuses lists input that must not be read, and whether that is a
// judgement on the content (a reject) or bad JSON.
func TestEventJSONRefuses(t *testing.T) {
	for _, tc := range []struct {
		text   string
		reject string // reason; empty: not a reject
	}{
		{envelope("SET", `null`), "missing argument"},
		{envelope("SET", `{}`), "missing argument"},
		{envelope("SET", `{"value":null}`), "bad payload"},
		{envelope("SET", `{"value":1}`), "bad payload"},
		{envelope("SET", `{"value":{}}`), "bad payload"},
		{envelope("SET", `{"value":{"base64":"*"}}`), "bad payload"},
		{envelope("SET", `{"value":{"base64":"AA==","x":1}}`), "bad payload"},
		{envelope("SET", `{"value":"\ud800"}`), "bad payload"},
		{envelope("SET", `{"value":"\udc00\ud800"}`), "bad payload"},
		{envelope("SET", `{"value":"\ud800\u0041"}`), "bad payload"},
		{envelope("SET", `{"value":"v","expire_at_ms":0}`), "bad expiry"},
		{envelope("SET", `{"value":"v","expire_at_ms":-1}`), "bad expiry"},
		{envelope("SET", `{"value":"v","expire_at_ms":1.5}`), "bad payload"},
		{envelope("SET", `{"value":"v","ttl":1}`), "bad payload"},
		{envelope("DEL", `{}`), "bad payload"},
		{envelope("INCR", `{}`), "missing argument"},
		{envelope("INCR", `{"delta":null}`), "missing argument"},
		{envelope("INCR", `{"delta":1.5}`), "bad delta"},
		{envelope("INCR", `{"delta":1e3}`), "bad delta"},
		{envelope("INCR", `{"delta":9223372036854775808}`), "bad delta"},
		{envelope("INCR", `{"delta":"x"}`), "bad delta"},
		{envelope("INCR", `{"delta":true}`), "bad delta"},
		{envelope("SADD", `{"members":[null]}`), "bad payload"},
		{envelope("SADD", `{"members":"a"}`), "bad payload"},
		{envelope("ZADD", `{"members":[{"member":"a"}]}`), "missing argument"},
		{envelope("ZADD", `{"members":[{"score":1}]}`), "missing argument"},
		{envelope("ZADD", `{"members":[null]}`), "missing argument"},
		{envelope("ZADD", `{"members":[{"member":"a","score":"nan"}]}`), "bad score"},
		{envelope("ZADD", `{"members":[{"member":"a","score":"0x1"}]}`), "bad score"},
		{envelope("ZADD", `{"members":[{"member":"a","score":"1"}]}`), "bad score"},
		{envelope("ZADD", `{"members":[{"member":"a","score":1e400}]}`), "bad score"},
		{envelope("HSET", `{"fields":[{"field":"a"}]}`), "missing argument"},
		{envelope("HSET", `{"fields":[{"value":"a"}]}`), "missing argument"},
		{envelope("HSET", `{"fields":[["a","b"]]}`), "bad payload"},
		{envelope("XADD", `{"fields":[["a"]]}`), "odd fields"},
		{envelope("XADD", `{"fields":[["a","b","c"]]}`), "odd fields"},
		{envelope("XADD", `{"fields":[null]}`), "odd fields"},
		{envelope("XDEL", `{"ids":["x"]}`), "bad stream id"},
		{envelope("XDEL", `{"ids":["01-0"]}`), "bad stream id"},
		{envelope("XTRIM", `{}`), "bad stream id"},
		{envelope("XTRIM", `{"minid":"18446744073709551616"}`), "bad stream id"},
		{strings.Replace(envelope("DEL", `null`), `"region":"eu"`, `"region":"us"`, 1), "bad origin"},
		{strings.Replace(envelope("DEL", `null`), `"region_idx":1`, `"region_idx":256`, 1), "bad origin"},
		{strings.Replace(envelope("DEL", `null`), `"region_idx":1`, `"region_idx":-1`, 1), "bad origin"},
		{strings.Replace(envelope("DEL", `null`), `"region_idx":1,`, ``, 1), "missing argument"},
		{strings.Replace(envelope("DEL", `null`), `"slot":0,`, ``, 1), "missing argument"},
		{strings.Replace(envelope("DEL", `null`), `"seq":1`, `"seq":1,"extra":1`, 1), ""},
		{strings.Replace(envelope("DEL", `null`), `"seq":1`, `"seq":"1"`, 1), ""},
		{strings.Replace(envelope("SET", `{"value":"v"}`), `"v"`, "\"\xff\"", 1), ""},
		{`{`, ""}, {`[]`, ""},
	} {
		var e event.Event
		err := json.Unmarshal([]byte(tc.text), &e)
		r := event.AsReject(err)
		switch {
		case err == nil:
			t.Errorf("%s: read as %#v", tc.text, e.Args)
		case tc.reject == "" && r != nil:
			t.Errorf("%s: got reject %v, want a JSON error", tc.text, r)
		case tc.reject != "" && (r == nil || r.Reason != tc.reject):
			t.Errorf("%s: got %v, want reject %q", tc.text, err, tc.reject)
		}
	}
	var unknown *event.UnknownOpError
	if err := json.Unmarshal([]byte(envelope("HINCRBY", `{}`)), &event.Event{}); !errors.As(err, &unknown) || event.AsReject(err) != nil {
		t.Errorf("an unknown operation: got %v, want UnknownOpError and no reject", err)
	}
}

func TestUnmarshalStrictRefusesTrailingData(t *testing.T) {
	for _, text := range []string{`{} {}`, `{}}`, `{}]`, `{} x`, `{},`} {
		var v struct{}
		if err := event.UnmarshalStrict([]byte(text), &v); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	var v struct{}
	if err := event.UnmarshalStrict([]byte(" {}\n "), &v); err != nil {
		t.Errorf("white space: %v", err)
	}
}

func TestGeneratedEventsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for _, e := range crdttest.Generate(rng, crdttest.Options{Events: 30}) {
			text, err := event.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var back event.Event
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			again, err := event.Marshal(back)
			if err != nil || string(again) != string(text) {
				t.Fatalf("%s\nreads back as\n%s, %v", text, again, err)
			}
			if err := back.Validate(); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	})
}

func TestScoreText(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", 0.1: "0.1", 2.5: "2.5", 1e-6: "0.000001", 1e-7: "1e-07", 1e20: "100000000000000000000", 1e21: "1e+21",
		1 << 53: "9007199254740992", math.MaxFloat64: "1.7976931348623157e+308", 5e-324: "5e-324",
		math.Inf(1): "inf", math.Inf(-1): "-inf",
	} {
		if got := event.FormatScore(f); got != want {
			t.Errorf("FormatScore(%g) = %s, want %s", f, got, want)
		}
	}
	if got := event.FormatScore(math.Copysign(0, -1)); got != "0" {
		t.Errorf("-0 is written %s", got)
	}
	if f, err := event.ParseScore("-0"); err != nil || math.Signbit(f) {
		t.Errorf("-0 is read as %g, %v", f, err)
	}
	for _, text := range []string{"", "nan", "NaN", "-nan", "0x1p4", "1_000", "1e400", "one", " 1", "1 "} {
		if f, err := event.ParseScore(text); err == nil || event.AsReject(err) == nil {
			t.Errorf("ParseScore(%q) = %g, %v, want a reject", text, f, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "score")
		if back, err := event.ParseScore(event.FormatScore(f)); err != nil || back != f {
			t.Fatalf("%v reads back as %v, %v", f, back, err)
		}
		text, err := json.Marshal(event.Score(f))
		if err != nil || !json.Valid(text) {
			t.Fatalf("%v is %s in JSON, %v", f, text, err)
		}
	})
}

func TestBytesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := event.Bytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back event.Bytes
		if err := json.Unmarshal(text, &back); err != nil || string(back) != string(b) {
			t.Fatalf("%q is %s and reads back as %q, %v", b, text, back, err)
		}
	})
}

// FuzzEventUnmarshalJSON: whatever is read can be written, reads back as the
// same, and is judged without a panic.
func FuzzEventUnmarshalJSON(f *testing.F) {
	for _, e := range crdttest.Generate(rand.New(rand.NewPCG(1, 1)), crdttest.Options{Events: 40}) {
		text, err := event.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(envelope("SET", `{"value":"\ud83d\ude00\\\ud800","expire_at_ms":1}`)))
	f.Add([]byte(envelope("ZADD", `{"members":[{"member":"a","score":-0}]}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e event.Event
		if json.Unmarshal(data, &e) != nil {
			return
		}
		text, err := event.Marshal(e)
		if err != nil {
			t.Fatalf("%s was read but cannot be written: %v", data, err)
		}
		var back event.Event
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s does not read back: %v", text, err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Fatalf("%s reads back as %#v, want %#v", text, back, e)
		}
		if (e.Validate() == nil) != (back.Validate() == nil) {
			t.Fatalf("%s is judged differently after a round trip", text)
		}
	})
}
