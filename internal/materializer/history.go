package materializer

import (
	"context"
	"errors"
	"fmt"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// History finds past events of keys in the logs of one partition.
//
// Events hands over, for every key, each accepted event with a stamp >= its
// Since that lies below the given offset (exclusive) of its topic, and perhaps
// others of the key, or one twice. It must be exact: ErrHistoryGone when the log
// no longer reaches that far, any other error when it cannot tell for now.
type History interface {
	Events(ctx context.Context, partition int32, below map[string]int64, keys []view.RepairKey, each func(event.Event)) error
}

// ErrHistoryGone says that records which a repair needs were deleted.
var ErrHistoryGone = errors.New("the log does not reach back far enough")

// ScanLog is the part of a log that LogHistory reads; *wal.Log is one.
type ScanLog interface {
	Starts(ctx context.Context, topics ...string) (map[wal.Partition]int64, error)
	OffsetsAt(ctx context.Context, ms int64, topics ...string) (map[wal.Partition]int64, error)
	Scan(ctx context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error
}

// LogHistory is the History of a live log. A log with deleted records answers
// only for times after its first record.
type LogHistory struct {
	Log     ScanLog
	Decoder Decoder
}

// Events scans each topic once, from the earliest Since.
func (h LogHistory) Events(ctx context.Context, partition int32, below map[string]int64, keys []view.RepairKey, each func(event.Event)) error {
	wanted := make(map[string]struct{}, len(keys))
	oldest := int64(hlc.MaxPhysical)
	for _, k := range keys {
		wanted[string(k.Key)] = struct{}{}
		oldest = min(oldest, k.Since.Physical)
	}
	from, to, err := h.bounds(ctx, partition, below, oldest)
	if err != nil {
		return err
	}
	err = h.Log.Scan(ctx, from, to, func(r event.Record) error {
		if _, ok := wanted[string(r.Key)]; !ok {
			return nil
		}
		e, err := h.Decoder.Decode(ctx, r)
		switch {
		case event.AsReject(err) != nil:
			return nil
		case err != nil:
			return fmt.Errorf("decode %s/%d at offset %d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		each(e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan partition %d: %w", partition, err)
	}
	return nil
}

// bounds answers which records may carry a stamp of at least ms, below the
// given offsets.
func (h LogHistory) bounds(ctx context.Context, partition int32, below map[string]int64, ms int64) (from, to map[wal.Partition]int64, err error) {
	topics := make([]string, 0, len(below))
	for topic := range below {
		topics = append(topics, topic)
	}
	starts, err := h.Log.Starts(ctx, topics...)
	if err != nil {
		return nil, nil, err
	}
	at, err := h.Log.OffsetsAt(ctx, ms, topics...)
	if err != nil {
		return nil, nil, err
	}
	from, to = map[wal.Partition]int64{}, map[wal.Partition]int64{}
	for topic, end := range below {
		p := wal.Partition{Topic: topic, Index: partition}
		if starts[p] > 0 && at[p] <= starts[p] {
			return nil, nil, fmt.Errorf("%s begins at offset %d, records since %d ms are needed: %w", p, starts[p], ms, ErrHistoryGone)
		}
		if at[p] < end {
			from[p], to[p] = at[p], end
		}
	}
	return from, to, nil
}
