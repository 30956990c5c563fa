package wal

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Starts returns the first offset that exists of every partition of the topics.
// A topic that does not exist is a *fail.Error NOT_FOUND.
func (l *Log) Starts(ctx context.Context, topics ...string) (map[Partition]int64, error) {
	listed, err := l.admin.ListStartOffsets(ctx, topics...)
	return l.offsets(listed, err, topics, "list log starts")
}

// Ends returns the next offset to be written of every partition of the topics.
func (l *Log) Ends(ctx context.Context, topics ...string) (map[Partition]int64, error) {
	listed, err := l.admin.ListEndOffsets(ctx, topics...)
	return l.offsets(listed, err, topics, "list log ends")
}

// OffsetsAt returns for every partition the first offset whose record timestamp
// is at least ms (Unix milliseconds), or the end when there is none. Everything
// before it has a smaller timestamp; what follows may be mixed.
func (l *Log) OffsetsAt(ctx context.Context, ms int64, topics ...string) (map[Partition]int64, error) {
	// Negative times are how the protocol spells "start", "end" and "greatest".
	listed, err := l.admin.ListOffsetsAfterMilli(ctx, max(0, ms), topics...)
	return l.offsets(listed, err, topics, "list offsets by time")
}

// MaxTimestamps returns the greatest record timestamp (Unix milliseconds) of
// every partition of the topic that has a record. It is the floor of a clock
// that starts.
func (l *Log) MaxTimestamps(ctx context.Context, topic string) (map[Partition]int64, error) {
	const doing = "list greatest timestamps"
	listed, err := l.admin.ListMaxTimestampOffsets(ctx, topic)
	if _, err := l.offsets(listed, err, []string{topic}, doing); err != nil {
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

// offsets is all or nothing: an answer that misses a partition would read as
// "nothing there".
func (l *Log) offsets(listed kadm.ListedOffsets, err error, topics []string, doing string) (map[Partition]int64, error) {
	if len(topics) == 0 {
		return map[Partition]int64{}, nil // the client would answer for every topic there is
	}
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, l.explain(err, doing)
	}
	m := map[Partition]int64{}
	listed.Each(func(o kadm.ListedOffset) { m[Partition{o.Topic, o.Partition}] = o.Offset })
	return m, nil
}

func sortPartitions(ps []Partition) {
	slices.SortFunc(ps, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
	})
}
