package event_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

func TestParseCommand(t *testing.T) {
	tests := []struct{ in, want string }{
		{`set k v`, `{"op":"SET","key":"k","value":"v"}`},
		{`SET k "hello world" ex 5`, `{"op":"SET","key":"k","value":"hello world","ttl_ms":5000}`},
		{`set k v PX 5000`, `{"op":"SET","key":"k","value":"v","ttl_ms":5000}`},
		{`set k v EXAT 1700000000`, `{"op":"SET","key":"k","value":"v","expire_at_ms":1700000000000}`},
		{`set k v PXAT 1700000000123`, `{"op":"SET","key":"k","value":"v","expire_at_ms":1700000000123}`},
		{`set k ''`, `{"op":"SET","key":"k","value":""}`},
		{`del k`, `{"op":"DEL","key":"k"}`},
		{`incr k`, `{"op":"INCR","key":"k","delta":"1"}`},
		{`incr sales:total 3`, `{"op":"INCR","key":"sales:total","delta":"3"}`},
		{`incrby k -3`, `{"op":"INCR","key":"k","delta":"-3"}`},
		{`decr k`, `{"op":"INCR","key":"k","delta":"-1"}`},
		{`decrby k 4`, `{"op":"INCR","key":"k","delta":"-4"}`},
		{`sadd k a b`, `{"op":"SADD","key":"k","members":["a","b"]}`},
		{`srem k a`, `{"op":"SREM","key":"k","members":["a"]}`},
		{`zadd board 10 ann -inf bob`, `{"op":"ZADD","key":"board","members":[{"member":"ann","score":10},{"member":"bob","score":"-inf"}]}`},
		{`zrem k a b`, `{"op":"ZREM","key":"k","members":["a","b"]}`},
		{`hset k f v g w`, `{"op":"HSET","key":"k","fields":[["f","v"],["g","w"]]}`},
		{`hdel k f`, `{"op":"HDEL","key":"k","fields":["f"]}`},
		{`xadd feed * sku laptop`, `{"op":"XADD","key":"feed","fields":[["sku","laptop"]]}`},
		{`xdel feed 5-1 6-2`, `{"op":"XDEL","key":"feed","ids":["5-1","6-2"]}`},
		{`xtrim feed minid 5-1`, `{"op":"XTRIM","key":"feed","minid":"5-1"}`},
		{`xtrim feed MINID = 5`, `{"op":"XTRIM","key":"feed","minid":"5-0"}`},
		{`set k $'\xff\n'`, `{"op":"SET","key":"k","value":{"base64":"/wo="}}`},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			words, err := event.SplitWords(test.in)
			if err != nil {
				t.Fatal(err)
			}
			o, err := event.ParseCommand(words)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := json.Marshal(o); string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			sameCommand(t, o)
		})
	}
}

func TestParseCommandRefusals(t *testing.T) {
	tests := []struct{ in, says string }{
		{``, "empty"},
		{`frobnicate k`, "not an operation"},
		{`expire k 5`, "SET key value EX"},
		{`incrbyfloat k 1.5`, "exact integers"},
		{`lpush k a`, "stream"},
		{`get k`, "a read"},
		{`set`, "key"},
		{`set k`, "value is missing"},
		{`set k v NX`, "SET NX"},
		{`set k v XX`, "SET XX"},
		{`set k v KEEPTTL`, "KEEPTTL"},
		{`set k v GET`, "SET GET"},
		{`set k hello world`, "quote"},
		{`set k v EX`, "EX is missing"},
		{`set k v EX 0`, "out of range"},
		{`set k v EX 9223372036854775807`, "out of range"},
		{`set k v EX 1 PX 1`, "twice"},
		{`set k v PX soon`, "soon"},
		{`del a b`, "one key"},
		{`incr k 1.5`, "1.5"},
		{`incrby k`, "delta is missing"},
		{`decrby k -9223372036854775808`, "no negative"},
		{`sadd k`, "member is missing"},
		{`zadd k NX 1 a`, "ZADD NX"},
		{`zadd k gt 1 a`, "ZADD GT"},
		{`zadd k LT 1 a`, "ZADD LT"},
		{`zadd k ch 1 a`, "ZADD CH"},
		{`zadd k incr 1 a`, "ZADD INCR"},
		{`zadd k one a`, "one"},
		{`zadd k 1`, "member"},
		{`zadd k nan a`, "nan"},
		{`hset k f`, "value"},
		{`xadd k 5-1 a b`, "5-1"},
		{`xadd k NOMKSTREAM * a b`, "NOMKSTREAM"},
		{`xadd k MAXLEN 5 * a b`, "MAXLEN"},
		{`xadd k *`, "field"},
		{`xdel k`, "id"},
		{`xdel k x`, "stream id"},
		{`xtrim k MAXLEN 5`, "MAXLEN"},
		{`xtrim k MINID ~ 5`, "XTRIM ~"},
		{`xtrim k MINID 5 LIMIT 3`, "LIMIT"},
		{`set a:meta v`, "a:meta"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			words, err := event.SplitWords(test.in)
			if err != nil {
				t.Fatal(err)
			}
			_, err = event.ParseCommand(words)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an error that says %q", err, test.says)
			}
			if fail.CodeOf(err) != fail.Usage || fail.HintOf(err) == "" {
				t.Errorf("%v: code %s hint %q, want USAGE and a hint", err, fail.CodeOf(err), fail.HintOf(err))
			}
		})
	}
	for _, in := range []string{`set k "v`, `set k 'v`, `set k $'v`} {
		if _, err := event.SplitWords(in); fail.CodeOf(err) != fail.Usage {
			t.Errorf("%s: got %v, want a usage error about the quote", in, err)
		}
	}
}

// The usage of every operation begins with a command that is that operation.
func TestEveryOperationHasAUsage(t *testing.T) {
	for _, op := range event.Ops() {
		if !strings.HasPrefix(event.Usage(op), string(op)+" key") {
			t.Errorf("%s: usage %q", op, event.Usage(op))
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add("set k v EX 5")
	f.Add("zadd k 1e300 a 0x1 b")
	f.Add(`xadd k * "a\x00" $'\'' c\ d e`)
	f.Add("xtrim k MINID = 5-0")
	f.Fuzz(func(t *testing.T, line string) {
		words, err := event.SplitWords(line)
		if err != nil {
			return
		}
		o, err := event.ParseCommand(words)
		if err != nil {
			if fail.CodeOf(err) != fail.Usage {
				t.Fatalf("%q: %v is not a usage error", line, err)
			}
			return
		}
		sameCommand(t, o)
	})
}

func FuzzQuoteWords(f *testing.F) {
	f.Add("a", "it's", "\xff\x00\\")
	f.Add("", "*", "$'x'")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		want := []string{a, b, c}
		got, err := event.SplitWords(event.QuoteWords(want))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q became %q (%v) by way of %s", want, got, err, event.QuoteWords(want))
		}
	})
}
