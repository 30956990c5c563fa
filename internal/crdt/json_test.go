package crdt

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
)

func TestViewJSONShapes(t *testing.T) {
	pair := func(f, v string) event.FieldValue { return event.FieldValue{Field: []byte(f), Value: []byte(v)} }
	for want, v := range map[string]View{
		`{"key":"k","type":"none"}`:                {Key: []byte("k")},
		`{"key":{"base64":"/w=="},"type":"none"}`:  {Key: []byte{0xff}},
		`{"key":"<k>","type":"string","value":""}`: {Key: []byte("<k>"), Value: Value{Type: String}},
		`{"key":"k","type":"string","value":{"base64":"AP8="},"expire_at_ms":7}`: {
			Key: []byte("k"), Value: Value{Type: String, String: []byte{0, 0xff}}, ExpireAtMS: 7},
		`{"key":"k","type":"set","value":["a",{"base64":"/w=="}]}`: {
			Key: []byte("k"), Value: Value{Type: Set, Members: [][]byte{[]byte("a"), {0xff}}}},
		`{"key":"k","type":"zset","value":[{"member":"n","score":"-inf"},{"member":"z","score":0},{"member":"m","score":0.1},{"member":"p","score":"inf"}]}`: {
			Key: []byte("k"), Value: Value{Type: ZSet, Scored: []event.ScoredMember{{Member: []byte("n"), Score: math.Inf(-1)},
				{Member: []byte("z"), Score: math.Copysign(0, -1)}, {Member: []byte("m"), Score: 0.1}, {Member: []byte("p"), Score: math.Inf(1)}}}},
		`{"key":"k","type":"hash","value":[{"field":"f","value":"1"}],"parked":{"string":"5","set":["m"]}}`: {
			Key: []byte("k"), Value: Value{Type: Hash, Fields: []event.FieldValue{pair("f", "1")}},
			Parked: []Value{{Type: String, String: []byte("5")}, {Type: Set, Members: [][]byte{[]byte("m")}}}},
		`{"key":"k","type":"none","parked":{"stream":[{"id":"7-1","fields":[["n","1"],["n","2"]]}]}}`: {
			Key: []byte("k"), Parked: []Value{{Type: Stream, Entries: []Entry{{event.StreamID{MS: 7, Seq: 1}, []event.FieldValue{pair("n", "1"), pair("n", "2")}}}}}},
	} {
		if got := string(v.AppendCanonical(nil)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		var back View
		if err := json.Unmarshal([]byte(want), &back); err != nil || !back.Equal(v) {
			t.Errorf("%s reads back as %s, %v", want, back.AppendCanonical(nil), err)
		}
		if back.Empty() != (v.Type == None && v.Parked == nil) {
			t.Errorf("%s: empty is %v", want, back.Empty())
		}
	}
}

func TestViewJSONRefuses(t *testing.T) {
	for _, text := range []string{
		`{"key":"k","type":"list","value":[]}`, `{"key":"k"}`, `{"key":"k","type":"none","value":""}`, `{"key":"k","type":"set"}`,
		`{"key":"k","type":"string","value":null}`, `{"key":"k","type":"string","value":5}`, `{"key":"k","type":"set","value":"a"}`,
		`{"key":"k","type":"zset","value":[{"member":"a"}]}`, `{"key":"k","type":"stream","value":[{"id":"x","fields":[]}]}`,
		`{"key":"k","type":"none","parked":{"none":1}}`, `{"key":"k","type":"none","extra":1}`, `[]`,
	} {
		var v View
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s is read as %s", text, v.AppendCanonical(nil))
		}
	}
}

func TestGeneratedViewsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, _, now := history(t)
		v := fold(events).View(testKey, now)
		text := v.AppendCanonical(nil)
		var back View
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !back.Equal(v) || back.Digest() != v.Digest() || back.Empty() != v.Empty() {
			t.Fatalf("%s reads back as %s", text, back.AppendCanonical(nil))
		}
	})
}

func TestDigestTellsViewsApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	events := crdttest.Generate(rng, crdttest.Options{Events: 100})
	views := Fold(events, crdttest.DefaultNow)
	all := Digest(slices.Values(views))
	if all == Digest(slices.Values(views[1:])) {
		t.Error("a missing view does not change the digest")
	}
	views[0].ExpireAtMS++
	if all == Digest(slices.Values(views)) {
		t.Error("another expiry does not change the digest")
	}
}

func TestStateOfUnknownKey(t *testing.T) {
	s := NewState()
	if v := s.View([]byte("k"), 0); !v.Empty() || string(v.Key) != "k" || s.Key([]byte("k")) != nil || s.Len() != 0 {
		t.Errorf("got %+v", v)
	}
	for v := range s.Views(0) {
		t.Errorf("prints %s", v.AppendCanonical(nil))
	}
}

// Stopping early is allowed.
func TestViewsMayBeLeft(t *testing.T) {
	s := NewState()
	for _, e := range crdttest.Generate(rand.New(rand.NewPCG(2, 2)), crdttest.Options{Events: 200}) {
		s.Apply(e)
	}
	n := 0
	for range s.Views(crdttest.DefaultNow) {
		n++
		break
	}
	if n != 1 || s.Len() != 4 {
		t.Errorf("got %d views of %d keys", n, s.Len())
	}
}
