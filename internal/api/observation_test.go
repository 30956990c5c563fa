package api

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

func TestObservationSurvivesTheWire(t *testing.T) {
	decoded := Observation{
		ID: 7, Kind: KindApplied, Region: "ap", AtMS: 1700000000123, DelayMS: -3,
		Topic: "eu.events", Partition: 4, Offset: 99, Outcome: event.Superseded,
		Event: event.Event{
			Version: event.FormatVersion, MinVersion: event.FormatVersion, ID: "01J", Origin: "eu",
			HLC:  hlc.Timestamp{Physical: 1700000000126, Logical: 5, Region: 1},
			Lane: lane.ID{Slot: 3, Incarnation: 1700000000000000}, Seq: 12,
			Key: []byte{0xff, 'k'}, Args: event.Incr{Delta: -1},
		},
	}
	undecoded := Observation{Kind: KindSeen, Region: "us", Topic: "us.events", Reason: "bad magic", Event: event.Event{Key: []byte("k\xfe")}}
	for _, want := range []Observation{decoded, undecoded} {
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Observation
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v (wire: %s)", got, want, data)
		}
	}
}

func TestObservationOfAnUnknownOperationKeepsItsKey(t *testing.T) {
	const newer = `{"id":9,"kind":"seen","region":"us","added":1,"event":{"event_id":"x","origin_region":"eu","region_idx":1,
		"hlc":{"physical_ms":1,"logical":0,"region":"eu"},"slot":1,"incarnation":1,"seq":1,"key":"k","op":"GEOADD","payload":{}}}`
	var got Observation
	if err := json.Unmarshal([]byte(newer), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != 9 || got.Decoded() || string(got.Event.Key) != "k" {
		t.Errorf("got %+v, want id 9, undecoded, key k", got)
	}
}
