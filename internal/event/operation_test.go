package event_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

func TestOperationReadsEveryForm(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"set", `{"op":"set","key":"k","value":"v"}`, `{"op":"SET","key":"k","value":"v"}`},
		{"set with region and id", `{"region":"eu","op":"SET","key":"k","value":"v","ttl_ms":5000,"event_id":"a-1"}`,
			`{"region":"eu","op":"SET","key":"k","value":"v","ttl_ms":5000,"event_id":"a-1"}`},
		{"set a number", `{"op":"SET","key":"k","value":100}`, `{"op":"SET","key":"k","value":"100"}`},
		{"set a decimal keeps its digits", `{"op":"SET","key":"k","value":1.50}`, `{"op":"SET","key":"k","value":"1.50"}`},
		{"set bytes", `{"op":"SET","key":{"base64":"/w=="},"value":{"base64":"AP8="}}`, `{"op":"SET","key":{"base64":"/w=="},"value":{"base64":"AP8="}}`},
		{"set empty", `{"op":"SET","key":"k","value":""}`, `{"op":"SET","key":"k","value":""}`},
		{"ttl as text", `{"op":"SET","key":"k","value":"v","ttl_ms":"7"}`, `{"op":"SET","key":"k","value":"v","ttl_ms":7}`},
		{"expiry", `{"op":"SET","key":"k","value":"v","expire_at_ms":7}`, `{"op":"SET","key":"k","value":"v","expire_at_ms":7}`},
		{"null is absent", `{"op":"DEL","key":"k","value":null,"members":null}`, `{"op":"DEL","key":"k"}`},
		{"incr by default", `{"op":"INCR","key":"k"}`, `{"op":"INCR","key":"k","delta":"1"}`},
		{"incr number", `{"op":"Incr","key":"k","delta":-7}`, `{"op":"INCR","key":"k","delta":"-7"}`},
		{"incr text", `{"op":"INCR","key":"k","delta":"9223372036854775807"}`, `{"op":"INCR","key":"k","delta":"9223372036854775807"}`},
		{"incr zero", `{"op":"INCR","key":"k","delta":0}`, `{"op":"INCR","key":"k","delta":"0"}`},
		{"sadd one", `{"op":"SADD","key":"k","member":"a"}`, `{"op":"SADD","key":"k","members":["a"]}`},
		{"sadd many", `{"op":"SADD","key":"k","members":["a",2,{"base64":"/w=="}]}`, `{"op":"SADD","key":"k","members":["a","2",{"base64":"/w=="}]}`},
		{"srem", `{"op":"SREM","key":"k","members":["a"]}`, `{"op":"SREM","key":"k","members":["a"]}`},
		{"zadd one", `{"op":"ZADD","key":"k","member":"a","score":"-inf"}`, `{"op":"ZADD","key":"k","members":[{"member":"a","score":"-inf"}]}`},
		{"zadd many", `{"op":"ZADD","key":"k","members":[{"member":"a","score":1.5},{"member":"b","score":"2"}]}`,
			`{"op":"ZADD","key":"k","members":[{"member":"a","score":1.5},{"member":"b","score":2}]}`},
		{"zadd strings share a score", `{"op":"ZADD","key":"k","members":["a",{"base64":"/w=="}],"score":3}`,
			`{"op":"ZADD","key":"k","members":[{"member":"a","score":3},{"member":{"base64":"/w=="},"score":3}]}`},
		{"zadd minus zero", `{"op":"ZADD","key":"k","member":"a","score":-0}`, `{"op":"ZADD","key":"k","members":[{"member":"a","score":0}]}`},
		{"zrem", `{"op":"ZREM","key":"k","member":"a"}`, `{"op":"ZREM","key":"k","members":["a"]}`},
		{"hset one", `{"op":"HSET","key":"k","field":"f","value":1}`, `{"op":"HSET","key":"k","fields":[["f","1"]]}`},
		{"hset pairs", `{"op":"HSET","key":"k","fields":[["f","v"],["g",2]]}`, `{"op":"HSET","key":"k","fields":[["f","v"],["g","2"]]}`},
		{"hset named", `{"op":"HSET","key":"k","fields":[{"field":"f","value":"v"}]}`, `{"op":"HSET","key":"k","fields":[["f","v"]]}`},
		{"hset object keeps order", `{"op":"HSET","key":"k","fields":{"z":"1","a":"2","base64":"AA=="}}`,
			`{"op":"HSET","key":"k","fields":[["z","1"],["a","2"],["base64","AA=="]]}`},
		{"hdel", `{"op":"HDEL","key":"k","fields":["f","g"]}`, `{"op":"HDEL","key":"k","fields":["f","g"]}`},
		{"hdel one", `{"op":"HDEL","key":"k","field":"f"}`, `{"op":"HDEL","key":"k","fields":["f"]}`},
		{"xadd", `{"op":"XADD","key":"k","id":"*","fields":[["a","1"],["a","2"]]}`, `{"op":"XADD","key":"k","fields":[["a","1"],["a","2"]]}`},
		{"xdel", `{"op":"XDEL","key":"k","ids":["5-1","6"]}`, `{"op":"XDEL","key":"k","ids":["5-1","6-0"]}`},
		{"xdel one", `{"op":"XDEL","key":"k","id":"5-1"}`, `{"op":"XDEL","key":"k","ids":["5-1"]}`},
		{"xtrim", `{"op":"XTRIM","key":"k","minid":"5"}`, `{"op":"XTRIM","key":"k","minid":"5-0"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var o event.Operation
			if err := json.Unmarshal([]byte(test.in), &o); err != nil {
				t.Fatal(err)
			}
			if err := o.Validate(); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(o)
			if err != nil || string(got) != test.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, test.want)
			}
		})
	}
}

// Every refusal names the argument that is wrong.
func TestOperationRefusals(t *testing.T) {
	tests := []struct{ in, names string }{
		{`{"op":"EXPIRE","key":"k"}`, "EXPIRE"},
		{`{"op":"SET","key":"k"}`, "value"},
		{`{"op":"SET","key":"","value":"v"}`, "key"},
		{`{"op":"SET","key":"a:meta","value":"v"}`, "a:meta"},
		{`{"op":"SET","key":"k","value":1e3}`, "value"},
		{`{"op":"SET","key":"k","value":true}`, "value"},
		{`{"op":"SET","key":"k","value":"v","ttl_ms":0}`, "ttl_ms"},
		{`{"op":"SET","key":"k","value":"v","ttl_ms":1.5}`, "ttl_ms"},
		{`{"op":"SET","key":"k","value":"v","ttl_ms":281474976710656}`, "ttl_ms"},
		{`{"op":"SET","key":"k","value":"v","ttl_ms":1,"expire_at_ms":1}`, "ttl_ms"},
		{`{"op":"SET","key":"k","value":"v","delta":1}`, "delta"},
		{`{"op":"DEL","key":"k","value":"v"}`, "value"},
		{`{"op":"INCR","key":"k","delta":1.0}`, "delta"},
		{`{"op":"INCR","key":"k","delta":"9223372036854775808"}`, "delta"},
		{`{"op":"SADD","key":"k"}`, "member"},
		{`{"op":"SADD","key":"k","members":[]}`, "members"},
		{`{"op":"SADD","key":"k","members":"a"}`, "members"},
		{`{"op":"SADD","key":"k","member":"a","members":["b"]}`, "members"},
		{`{"op":"ZADD","key":"k","member":"a"}`, "score"},
		{`{"op":"ZADD","key":"k","member":"a","score":"nan"}`, "score"},
		{`{"op":"ZADD","key":"k","members":[{"member":"a","score":"x"}]}`, "members[0]"},
		{`{"op":"HSET","key":"k","value":"v"}`, "field"},
		{`{"op":"HSET","key":"k","field":"f"}`, "value"},
		{`{"op":"HSET","key":"k","fields":["f","v"]}`, "fields"},
		{`{"op":"HSET","key":"k","fields":[["f"]]}`, "fields"},
		{`{"op":"HDEL","key":"k","fields":[["f","v"]]}`, "field"},
		{`{"op":"XADD","key":"k","id":"5-1","fields":[["a","b"]]}`, "5-1"},
		{`{"op":"XDEL","key":"k","ids":["x"]}`, "id"},
		{`{"op":"XDEL","key":"k"}`, "id"},
		{`{"op":"XTRIM","key":"k"}`, "minid"},
		{`{"op":"SET","key":"k","value":"v","event_id":"a\nb"}`, "event_id"},
		{`{"op":"SET","key":"k","value":"v","event_id":"` + strings.Repeat("x", 129) + `"}`, "event_id"},
	}
	for _, test := range tests {
		t.Run(test.in[:min(60, len(test.in))], func(t *testing.T) {
			var o event.Operation
			err := json.Unmarshal([]byte(test.in), &o)
			if err == nil {
				err = o.Validate()
			}
			if event.AsReject(err) == nil || !strings.Contains(err.Error(), test.names) {
				t.Errorf("got %v, want a reject that names %q", err, test.names)
			}
		})
	}
	for _, in := range []string{`{"op":"SET","key":"k","value":"v","colour":1}`, `{"op":"SET","key":"\ud800","value":"v"}`, `[]`, `{"op":"SET"`} {
		if err := json.Unmarshal([]byte(in), new(event.Operation)); err == nil {
			t.Errorf("%s: accepted", in)
		}
	}
}

func TestArgsAtFixesTheExpiry(t *testing.T) {
	o := event.Operation{Key: []byte("k"), Args: event.Set{Value: []byte("v")}, TTLMS: 500}
	args, err := o.ArgsAt(1000)
	if err != nil || args.(event.Set).ExpireAtMS != 1500 {
		t.Errorf("got %+v (%v), want expiry 1500", args, err)
	}
	o.TTLMS = 1<<48 - 1000
	if _, err := o.ArgsAt(1000); event.AsReject(err) == nil {
		t.Errorf("got %v, want a reject for an expiry at 2^48", err)
	}
	o.TTLMS--
	if args, err := o.ArgsAt(1000); err != nil || args.(event.Set).ExpireAtMS != 1<<48-1 {
		t.Errorf("got %+v (%v), want the last expiry there is", args, err)
	}
	z := event.Operation{Key: []byte("k"), Args: event.ZAdd{Members: []event.ScoredMember{{Member: []byte("a"), Score: math.Copysign(0, -1)}}}}
	if args, err := z.ArgsAt(1); err != nil || math.Signbit(args.(event.ZAdd).Members[0].Score) {
		t.Errorf("got %+v (%v), want the score -0 written as 0", args, err)
	}
}

func FuzzOperationJSON(f *testing.F) {
	f.Add(`{"op":"SET","key":"k","value":"v","ttl_ms":5}`)
	f.Add(`{"op":"ZADD","key":"k","members":[{"member":"a","score":1e300}],"score":2}`)
	f.Add(`{"op":"XADD","key":{"base64":"AA=="},"fields":{"a":1,"a":{"base64":"/w=="}}}`)
	f.Add(`{"op":"xdel","key":"k","ids":["1-1"],"event_id":"é"}`)
	f.Fuzz(func(t *testing.T, in string) {
		var o event.Operation
		if err := json.Unmarshal([]byte(in), &o); err != nil || o.Validate() != nil {
			return
		}
		first, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		var again event.Operation
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s does not read back: %v", first, err)
		}
		if second, _ := json.Marshal(again); string(second) != string(first) {
			t.Fatalf("%s became %s", first, second)
		}
		if _, err := o.ArgsAt(1); err != nil && event.AsReject(err) == nil {
			t.Fatalf("%s: %v, want a reject", in, err)
		}
		sameCommand(t, o)
	})
}

// sameCommand checks that an operation survives the way through its command,
// a shell-like line and back.
func sameCommand(t *testing.T, o event.Operation) {
	t.Helper()
	words, err := event.SplitWords(event.QuoteWords(o.Command()))
	if err != nil {
		t.Fatalf("%q: %v", o.Command(), err)
	}
	again, err := event.ParseCommand(words)
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	again.Region, again.EventID = o.Region, o.EventID
	got, _ := json.Marshal(again)
	want, _ := json.Marshal(o)
	if string(got) != string(want) {
		t.Fatalf("%q became\n%s, want\n%s", words, got, want)
	}
}

// An empty id would silently not be one.
func TestAnEmptyEventIDIsRefused(t *testing.T) {
	var op event.Operation
	err := json.Unmarshal([]byte(`{"op":"INCR","key":"k","event_id":""}`), &op)
	if err == nil || !strings.Contains(err.Error(), "event_id is empty") {
		t.Errorf("error %v, want that event_id is empty", err)
	}
}
