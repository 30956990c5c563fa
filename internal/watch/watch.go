// Package watch shows every event travelling through the regions: one observer
// per region reports when a record is on that region's Kafka (seen) and what
// applying it to that region's view did (applied), a hub fans the reports out
// to any number of readers, and a timeline joins them back into one row per
// event.
//
// Watching is best effort and never slows the data path down: a reader that is
// too slow loses the oldest observations and is told how many.
package watch

import (
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/lane"
)

// EventKey is the delivery identity of an event: the same on every cluster. A
// record that could not be decoded has none, so it is known by its offset in
// one region.
type EventKey struct {
	Topic     string
	Partition int32
	Lane      lane.ID
	Seq       int64
	Region    string // set only for a record that could not be decoded
}

// KeyOf returns the identity of the observed event.
func KeyOf(o api.Observation) EventKey {
	if !o.Decoded() {
		return EventKey{Topic: o.Topic, Partition: o.Partition, Region: o.Region, Seq: o.Offset}
	}
	return EventKey{Topic: o.Topic, Partition: o.Partition, Lane: o.Event.Lane, Seq: o.Event.Seq}
}
