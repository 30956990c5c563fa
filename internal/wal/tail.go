package wal

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/fail"
)

// From says where partitions without an explicit start begin.
type From uint8

// The ends of a log.
const (
	AtStart From = iota // the first record that exists
	AtEnd               // after the last record that exists
)

// TailConfig says what to read without a group.
type TailConfig struct {
	Topics []string            // every partition of these
	Start  map[Partition]int64 // next offset wanted; wins over From
	From   From                // for partitions that Start does not name

	// Partitions limits the tail to these partitions when not empty; Topics is
	// then ignored. When Start names all of them no broker is asked, so that Tail
	// succeeds while Kafka is down.
	Partitions []Partition
}

// Tail reads topics directly, without a group. The returned reader has resolved
// its start offsets, so a record appended after Tail returned is not missed
// with AtEnd. Errors: *fail.Error NOT_FOUND for a topic that does not exist,
// otherwise as Ping.
func (l *Log) Tail(ctx context.Context, cfg TailConfig) (*Reader, error) {
	starts, err := l.resolveStarts(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if len(starts) == 0 {
		return nil, fail.New(fail.Usage, "tail the log: no topics")
	}
	consume := map[string]map[int32]kgo.Offset{}
	for p, offset := range starts {
		if consume[p.Topic] == nil {
			consume[p.Topic] = map[int32]kgo.Offset{}
		}
		consume[p.Topic][p.Index] = kgo.NewOffset().At(offset)
	}
	r := l.newReader(starts, false)
	if err := r.start([]kgo.Opt{kgo.ConsumePartitions(consume)}); err != nil {
		return nil, err
	}
	return r, nil
}

// resolveStarts turns the configuration into one offset per partition.
func (l *Log) resolveStarts(ctx context.Context, cfg TailConfig) (map[Partition]int64, error) {
	starts := map[Partition]int64{}
	ask := slices.Clone(cfg.Topics)
	if len(cfg.Partitions) > 0 {
		ask = nil
		for _, p := range cfg.Partitions {
			if offset, ok := cfg.Start[p]; ok {
				starts[p] = offset
			} else {
				ask = append(ask, p.Topic)
			}
		}
	}
	if len(ask) == 0 {
		return starts, nil
	}
	listed, err := l.list(ctx, cfg.From, ask)
	if err != nil {
		return nil, err
	}
	if len(cfg.Partitions) > 0 {
		maps.DeleteFunc(listed, func(p Partition, _ int64) bool { return !slices.Contains(cfg.Partitions, p) })
	}
	for p, offset := range listed {
		if wanted, ok := cfg.Start[p]; ok {
			offset = wanted
		}
		starts[p] = offset
	}
	for _, p := range cfg.Partitions {
		if _, ok := starts[p]; !ok {
			return nil, fail.New(fail.NotFound, "tail %s: no such partition", p).
				WithHint("event topics have 12 partitions on every cluster; geokv status -o json lists those of each")
		}
	}
	return starts, nil
}

func (l *Log) list(ctx context.Context, from From, topics []string) (map[Partition]int64, error) {
	if from == AtEnd {
		return l.Ends(ctx, topics...)
	}
	return l.Starts(ctx, topics...)
}
