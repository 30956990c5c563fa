package memkafka

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/geo"
)

// boundTimestamps makes the broker refuse, with INVALID_TIMESTAMP, batches of
// the region's own topic that hold a stamp later than the clock plus the bound.
// kfake accepts the topic's setting without enforcing it. Mirrored topics have
// no bound: a mirror must be able to copy whatever the origin took.
func (k *Kafka) boundTimestamps(cfg Config) {
	for p := range int32(geo.Partitions) {
		k.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Partitions: []int32{p},
			Err: kerr.InvalidTimestamp, Count: -1,
			When: func(r kmsg.Request) bool {
				latest := cfg.Wall().Add(cfg.Bound).UnixMilli()
				return newest(r.(*kmsg.ProduceRequest), cfg.Topic, p) > latest
			},
		})
	}
}

// newest is the greatest timestamp in the batch for a partition, in
// milliseconds, and 0 when the request has none for it.
func newest(r *kmsg.ProduceRequest, topic string, partition int32) int64 {
	for _, t := range r.Topics {
		if t.Topic != topic {
			continue
		}
		for _, p := range t.Partitions {
			if p.Partition == partition {
				return maxTimestamp(p.Records)
			}
		}
	}
	return 0
}

// maxTimestamp reads the field of a record batch's header, which precedes the
// records and is not compressed.
func maxTimestamp(batch []byte) int64 {
	const at = 35
	if len(batch) < at+8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(batch[at:]))
}
