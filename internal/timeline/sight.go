// Package timeline joins observations, which come one at a time and in any
// order, into what became of each event in each region. Readers of the stream
// of observations (the command line, the terminal interface) share it.
package timeline

import (
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/lane"
)

// Key is the delivery identity of an event: the same on every cluster. A record
// that could not be decoded has none, so it is known by its offset in one
// region.
type Key struct {
	Topic     string
	Partition int32
	Lane      lane.ID
	Seq       int64
	Region    string // set only for a record that could not be decoded
}

// KeyOf returns the identity of the observed event.
func KeyOf(o api.Observation) Key {
	if !o.Decoded() {
		return Key{Topic: o.Topic, Partition: o.Partition, Region: o.Region, Seq: o.Offset}
	}
	return Key{Topic: o.Topic, Partition: o.Partition, Lane: o.Event.Lane, Seq: o.Event.Seq}
}

// Sight is what is known about one event in one region. Times are wall
// milliseconds, 0 while it has not happened there; delays are such a time minus
// the event's stamp.
type Sight struct {
	SeenAtMS       int64
	SeenDelayMS    int64
	AppliedAtMS    int64
	AppliedDelayMS int64
	Offset         int64         // on the region's own Kafka
	Outcome        event.Outcome // the first telling one; empty until applied
	Duplicates     int           // re-deliveries that were filtered out
}

// Seen holds for what was applied too: the report that it was seen may have come
// before anybody listened.
func (s Sight) Seen() bool { return s.SeenAtMS != 0 || s.Applied() }

// Applied reports whether the region's materializer has dealt with the event.
func (s Sight) Applied() bool { return s.AppliedAtMS != 0 }

// DelayMS is the time until the event was applied, or seen while it is not.
func (s Sight) DelayMS() int64 {
	if s.Applied() {
		return s.AppliedDelayMS
	}
	return s.SeenDelayMS
}

// Add takes in one observation. It keeps the first time of each kind; an outcome
// that tells what happened replaces one that does not: unknown, or duplicate
// when the first delivery was not observed.
func (s *Sight) Add(o api.Observation) {
	s.Offset = o.Offset
	if o.Kind == api.KindSeen {
		if s.SeenAtMS == 0 {
			s.SeenAtMS, s.SeenDelayMS = o.AtMS, o.DelayMS
		}
		return
	}
	if o.Outcome == event.Duplicate {
		s.Duplicates++
	}
	if s.AppliedAtMS == 0 {
		s.AppliedAtMS, s.AppliedDelayMS, s.Outcome = o.AtMS, o.DelayMS, o.Outcome
	} else if telling(o.Outcome) && !telling(s.Outcome) {
		s.Outcome = o.Outcome
	}
}

func telling(o event.Outcome) bool {
	return o == event.Applied || o == event.Superseded || o == event.Rejected
}
