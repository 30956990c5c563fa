package geo

import (
	"reflect"
	"testing"
)

func TestTopology(t *testing.T) {
	eleven := make([]Region, 11)
	for i := range eleven {
		eleven[i] = Region{string(rune('a' + i)), i}
	}
	for _, tc := range []struct {
		name    string
		regions []Region
		want    []string // names in index order; nil: refused
	}{
		{"default order", []Region{{"us", 0}, {"eu", 1}, {"ap", 2}}, []string{"us", "eu", "ap"}},
		{"sorted by index", []Region{{"ap", 2}, {"us", 0}, {"eu", 1}}, []string{"us", "eu", "ap"}},
		{"gaps in indices", []Region{{"b", 9}, {"a", 4}}, []string{"a", "b"}},
		{"one region", []Region{{"solo", 0}}, []string{"solo"}},
		{"ten regions", eleven[:10], []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}},
		{"none", nil, nil},
		{"eleven", eleven, nil},
		{"index 10", []Region{{"a", 10}}, nil},
		{"negative index", []Region{{"a", -1}}, nil},
		{"name kept for every region", []Region{{"all", 0}}, nil},
		{"name kept for meta hashes", []Region{{"meta", 0}}, nil},
		{"name kept for elements", []Region{{"zmeta", 0}}, nil},
		{"name twice", []Region{{"a", 0}, {"a", 1}}, nil},
		{"index twice", []Region{{"a", 0}, {"b", 0}}, nil},
		{"bad name", []Region{{"US", 0}}, nil},
	} {
		top, err := NewTopology(tc.regions...)
		if (err != nil) != (tc.want == nil) {
			t.Errorf("%s: error %v, want refused=%v", tc.name, err, tc.want == nil)
			continue
		}
		if err == nil && !reflect.DeepEqual(top.Names(), tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, top.Names(), tc.want)
		}
	}
}

func TestTopologyIsImmutable(t *testing.T) {
	in := []Region{{"us", 0}, {"eu", 1}}
	top, err := NewTopology(in...)
	if err != nil {
		t.Fatal(err)
	}
	in[0].Name = "xx"
	top.Regions()[0].Name = "yy"
	if r, ok := top.Lookup("us"); !ok || r.Index != 0 || top.Len() != 2 {
		t.Errorf("got %+v, %v: the topology changed", r, ok)
	}
	if _, ok := top.Lookup("xx"); ok {
		t.Error("finds a region that was never in it")
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"us": true, "a": true, "eu-west-1": true, "abcdefghijklmnop": true, "a-": true,
		"": false, "abcdefghijklmnopq": false, "1a": false, "-a": false, "Us": false,
		"a_b": false, "a.b": false, "us\n": false, "é": false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestTopicAndOrigin(t *testing.T) {
	for _, r := range Default().Regions() {
		if origin, ok := Origin(r.Topic()); !ok || origin != r.Name {
			t.Errorf("Origin(%q) = %q, %v", r.Topic(), origin, ok)
		}
	}
	for _, topic := range []string{"", ".events", "us", "us.event", "us.events.events", "US.events", "us.events-x", "us->eu.events"} {
		if origin, ok := Origin(topic); ok {
			t.Errorf("Origin(%q) = %q, want none", topic, origin)
		}
	}
	if got, want := Default().Topics(), []string{"us.events", "eu.events", "ap.events"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got topics %v, want %v", got, want)
	}
}

func TestFlowsAreEveryOrderedPair(t *testing.T) {
	var got []string
	for _, f := range Default().Flows() {
		got = append(got, f.String())
	}
	want := []string{"us->eu", "us->ap", "eu->us", "eu->ap", "ap->us", "ap->eu"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
