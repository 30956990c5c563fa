package api

import (
	"encoding/json"

	"github.com/geokv/geokv/internal/event"
)

// Kind says what was observed.
type Kind string

// The kinds of observation.
const (
	KindSeen    Kind = "seen"    // the record is on the region's Kafka
	KindApplied Kind = "applied" // the region's materializer has dealt with it
)

// Observation is one fact about one event in one region.
type Observation struct {
	ID        uint64        // position in the server's stream, from 1; 0 before it has one
	Kind      Kind          //
	Region    string        // where it was observed
	AtMS      int64         // wall clock of the observer, Unix milliseconds
	DelayMS   int64         // AtMS minus the event's physical time; may be negative under clock skew
	Topic     string        // the event's origin topic
	Partition int32         //
	Offset    int64         // on this region's own Kafka; offsets differ between regions
	Outcome   event.Outcome // of a KindApplied observation; empty otherwise
	Reason    string        // why a record was rejected; empty otherwise

	// Event is the decoded event. A record that could not be decoded has only
	// its key: Event.Args is nil, and the JSON carries "key" instead of "event".
	Event event.Event
}

// Decoded reports whether the record was understood, so that Event is whole.
func (o Observation) Decoded() bool { return o.Event.Args != nil }

// Size is about how many bytes the observation holds in memory.
func (o Observation) Size() int {
	const fixed = 512
	return fixed + len(o.Event.Key) + event.Size(o.Event.Args)
}

type observationJSON struct {
	ID        uint64        `json:"id,omitempty"`
	Kind      Kind          `json:"kind"`
	Region    string        `json:"region"`
	AtMS      int64         `json:"at_ms"`
	DelayMS   int64         `json:"delay_ms"`
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	Offset    int64         `json:"offset"`
	Outcome   event.Outcome `json:"outcome,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Event     *event.Event  `json:"event,omitempty"`
	Key       *event.Bytes  `json:"key,omitempty"`
}

// MarshalJSON writes the shape of docs/json.md.
func (o Observation) MarshalJSON() ([]byte, error) {
	j := observationJSON{
		ID: o.ID, Kind: o.Kind, Region: o.Region, AtMS: o.AtMS, DelayMS: o.DelayMS,
		Topic: o.Topic, Partition: o.Partition, Offset: o.Offset, Outcome: o.Outcome, Reason: o.Reason,
	}
	if o.Decoded() {
		j.Event = &o.Event
	} else {
		key := event.Bytes(o.Event.Key)
		j.Key = &key
	}
	return event.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes. Unknown fields are ignored, and
// an event of an operation this version does not know leaves only its key, so
// that an older reader can follow a newer server.
func (o *Observation) UnmarshalJSON(data []byte) error {
	j := struct {
		*observationJSON
		Event json.RawMessage `json:"event"` // shadows: decoded apart
	}{observationJSON: &observationJSON{}}
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*o = Observation{
		ID: j.ID, Kind: j.Kind, Region: j.Region, AtMS: j.AtMS, DelayMS: j.DelayMS,
		Topic: j.Topic, Partition: j.Partition, Offset: j.Offset, Outcome: j.Outcome, Reason: j.Reason,
	}
	if j.Key != nil {
		o.Event.Key = *j.Key
	}
	if len(j.Event) == 0 {
		return nil
	}
	if err := json.Unmarshal(j.Event, &o.Event); err != nil {
		var key struct {
			Key event.Bytes `json:"key"`
		}
		if json.Unmarshal(j.Event, &key) != nil {
			return err
		}
		o.Event = event.Event{Key: key.Key}
	}
	return nil
}
