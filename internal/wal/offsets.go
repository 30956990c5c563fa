package wal

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/geokv/geokv/internal/pause"
)

// Starts returns the first offset that exists of every partition of the topics.
// A topic that does not exist is a *fail.Error NOT_FOUND.
func (l *Log) Starts(ctx context.Context, topics ...string) (map[Partition]int64, error) {
	listed, err := l.listOffsets(ctx, topics, "list log starts", func() (kadm.ListedOffsets, error) {
		return l.admin.ListStartOffsets(ctx, topics...)
	})
	return offsetsOf(listed), err
}

// Ends returns the next offset to be written of every partition of the topics.
func (l *Log) Ends(ctx context.Context, topics ...string) (map[Partition]int64, error) {
	listed, err := l.listOffsets(ctx, topics, "list log ends", func() (kadm.ListedOffsets, error) {
		return l.admin.ListEndOffsets(ctx, topics...)
	})
	return offsetsOf(listed), err
}

// OffsetsAt returns for every partition the first offset whose record timestamp
// is at least ms (Unix milliseconds), or the end when there is none. Everything
// before it has a smaller timestamp; what follows may be mixed.
func (l *Log) OffsetsAt(ctx context.Context, ms int64, topics ...string) (map[Partition]int64, error) {
	// Negative times are how the protocol spells "start", "end" and "greatest".
	listed, err := l.listOffsets(ctx, topics, "list offsets by time", func() (kadm.ListedOffsets, error) {
		return l.admin.ListOffsetsAfterMilli(ctx, max(0, ms), topics...)
	})
	return offsetsOf(listed), err
}

// MaxTimestamps returns the greatest record timestamp (Unix milliseconds) of
// every partition of the topic that has a record. It is the floor of a clock
// that starts.
func (l *Log) MaxTimestamps(ctx context.Context, topic string) (map[Partition]int64, error) {
	listed, err := l.listOffsets(ctx, []string{topic}, "list greatest timestamps", func() (kadm.ListedOffsets, error) {
		return l.admin.ListMaxTimestampOffsets(ctx, topic)
	})
	if err != nil {
		return nil, err
	}
	stamps := map[Partition]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if o.Timestamp >= 0 && o.Offset >= 0 {
			stamps[Partition{o.Topic, o.Partition}] = o.Timestamp
		}
	})
	return stamps, nil
}

// electionTries is how often a listing is repeated while a leader is elected:
// for about four seconds.
const electionTries = 10

// listOffsets lists until every partition has an answer. It is all or nothing:
// an answer that misses a partition would read as "nothing there".
func (l *Log) listOffsets(ctx context.Context, topics []string, doing string, list func() (kadm.ListedOffsets, error)) (kadm.ListedOffsets, error) {
	if len(topics) == 0 {
		return nil, nil // the client would answer for every topic there is
	}
	for tries := 1; ; tries++ {
		listed, err := list()
		if err == nil {
			err = listed.Error()
		}
		if err == nil {
			return listed, nil
		}
		missing := errors.Is(err, kerr.UnknownTopicOrPartition)
		if missing || !kerr.IsRetriable(err) || tries == electionTries || !pause.For(ctx, backoff(tries)) {
			return nil, l.explain(err, doing)
		}
	}
}

func offsetsOf(listed kadm.ListedOffsets) map[Partition]int64 {
	m := map[Partition]int64{}
	listed.Each(func(o kadm.ListedOffset) { m[Partition{o.Topic, o.Partition}] = o.Offset })
	return m
}

func sortPartitions(ps []Partition) {
	slices.SortFunc(ps, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
	})
}
