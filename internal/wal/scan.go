package wal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/pause"
)

// Scan reads from[p] (inclusive) to to[p] (exclusive) of every partition that to
// names, calls fn for each record in offset order per partition, and returns
// when all are read. A partition missing from from begins at its first record.
// It ends exactly, also when offsets are missing in between (compaction,
// transaction markers). It waits through outages until ctx ends. An error of fn
// ends the scan and is returned as it is; a range that is not in the log any
// more, or not yet, is a *DataLossError.
//
// It fetches by itself instead of through a consuming client, because only the
// answer of the broker says how far a batch without records reaches: a client
// that waits for record to-1 would wait for ever.
func (l *Log) Scan(ctx context.Context, from, to map[Partition]int64, fn func(event.Record) error) error {
	s, err := l.newScan(ctx, from, to)
	if err != nil {
		return err
	}
	for tries := 0; len(s.ranges) > 0; {
		progress, err := s.round(ctx, fn)
		switch {
		case err != nil:
			return err
		case progress:
			tries = 0
		default:
			tries++
			if !pause.For(ctx, backoff(tries)) {
				return l.explain(ctx.Err(), "scan the log")
			}
		}
	}
	return nil
}

type scan struct {
	log    *Log
	ranges map[Partition]*scanRange
	decomp kgo.Decompressor
	ids    map[string]kadm.TopicID // as first seen; another one is another topic
}

type scanRange struct {
	next, to int64
	short    int // answers in a row that the log ends before to
}

// shortAnswers is how often the broker must say that the log ends before the
// range does: right after an election its answer may lag.
const shortAnswers = 5

func (l *Log) newScan(ctx context.Context, from, to map[Partition]int64) (*scan, error) {
	s := &scan{
		log: l, ranges: map[Partition]*scanRange{}, ids: map[string]kadm.TopicID{},
		decomp: l.client.OptValue(kgo.WithDecompressor).(kgo.Decompressor), // bounded by MaxDecompressBatchBytes
	}
	var unknown []string
	for p, end := range to {
		start, ok := from[p]
		if !ok {
			unknown = append(unknown, p.Topic)
		}
		if !ok || start < end {
			s.ranges[p] = &scanRange{next: start, to: end}
		}
	}
	if len(unknown) == 0 {
		return s, nil
	}
	starts, err := l.Starts(ctx, unknown...)
	if err != nil {
		return nil, err
	}
	for p, r := range s.ranges {
		if _, ok := from[p]; !ok {
			if r.next = starts[p]; r.next >= r.to {
				delete(s.ranges, p)
			}
		}
	}
	return s, nil
}

// round asks every leader once for what is missing. progress is false when
// nothing moved, for whatever reason: the caller waits a little.
func (s *scan) round(ctx context.Context, fn func(event.Record) error) (progress bool, err error) {
	requests, err := s.requests(ctx)
	if err != nil {
		return false, err
	}
	for leader, req := range requests {
		resp, err := s.log.client.Broker(int(leader)).RetriableRequest(ctx, req)
		if err != nil {
			if ctx.Err() != nil || isRefusedLogin(err) || errors.Is(err, kgo.ErrClientClosed) {
				return false, s.log.explain(err, "scan the log")
			}
			s.log.cfg.Logger.Warn("scan: fetch failed; trying again", "broker", leader, "error", err)
			continue
		}
		moved, err := s.take(resp.(*kmsg.FetchResponse), fn)
		if err != nil {
			return false, err
		}
		progress = progress || moved
	}
	return progress, nil
}

// requests builds one fetch per leader of the ranges that are left.
func (s *scan) requests(ctx context.Context) (map[int32]*kmsg.FetchRequest, error) {
	left := map[string][]Partition{}
	for p := range s.ranges {
		left[p.Topic] = append(left[p.Topic], p)
	}
	details, err := s.log.admin.ListTopics(ctx, slices.Collect(maps.Keys(left))...)
	if err != nil {
		if ctx.Err() == nil && !isRefusedLogin(err) && !errors.Is(err, kgo.ErrClientClosed) {
			s.log.cfg.Logger.Warn("scan: no metadata; trying again", "error", err)
			return nil, nil
		}
		return nil, s.log.explain(err, "scan the log")
	}
	requests := map[int32]*kmsg.FetchRequest{}
	for topic, partitions := range left {
		d := details[topic]
		if err := s.identify(topic, d); err != nil {
			return nil, err
		}
		for leader, asked := range s.byLeader(d, partitions) {
			if requests[leader] == nil {
				requests[leader] = newFetch()
			}
			t := kmsg.FetchRequestTopic{Topic: topic, TopicID: d.ID, Partitions: asked}
			requests[leader].Topics = append(requests[leader].Topics, t)
		}
	}
	return requests, nil
}

// byLeader leaves out partitions that have no leader for the moment.
func (s *scan) byLeader(d kadm.TopicDetail, partitions []Partition) map[int32][]kmsg.FetchRequestTopicPartition {
	asked := map[int32][]kmsg.FetchRequestTopicPartition{}
	for _, p := range partitions {
		detail, known := d.Partitions[p.Index]
		if !known || detail.Leader < 0 {
			continue
		}
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition = p.Index
		rp.FetchOffset = s.ranges[p].next
		rp.PartitionMaxBytes = fetchMaxPartitionBytes
		asked[detail.Leader] = append(asked[detail.Leader], rp)
	}
	return asked
}

func newFetch() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(fetchMaxWait / time.Millisecond)
	req.MinBytes = 1
	req.MaxBytes = fetchMaxBytes
	req.SessionEpoch = -1 // no fetch session: every round asks for itself
	return req
}

// identify refuses a topic that is missing or changed its identity meanwhile.
func (s *scan) identify(topic string, d kadm.TopicDetail) error {
	switch first, seen := s.ids[topic]; {
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition) && seen:
		return &DataLossError{Partition: Partition{topic, -1}, Kind: Deleted, Position: -1, Err: d.Err}
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition), d.Err != nil && isRefusedLogin(d.Err):
		return s.log.explain(d.Err, "scan "+topic)
	case d.Err != nil:
		return nil // not now; the round makes no progress and is repeated
	case seen && first != d.ID:
		return &DataLossError{Partition: Partition{topic, -1}, Kind: Recreated, Position: -1, Err: kerr.UnknownTopicID}
	}
	s.ids[topic] = d.ID
	return nil
}

func (s *scan) take(resp *kmsg.FetchResponse, fn func(event.Record) error) (progress bool, err error) {
	for _, rt := range resp.Topics {
		topic := rt.Topic
		for name, id := range s.ids { // newer brokers answer by id only
			if topic == "" && id == rt.TopicID {
				topic = name
			}
		}
		for i := range rt.Partitions {
			moved, err := s.takePartition(Partition{topic, rt.Partitions[i].Partition}, &rt.Partitions[i], fn)
			if err != nil {
				return false, err
			}
			progress = progress || moved
		}
	}
	return progress, nil
}

func (s *scan) takePartition(p Partition, rp *kmsg.FetchResponseTopicPartition, fn func(event.Record) error) (progress bool, err error) {
	r := s.ranges[p]
	if r == nil {
		return false, nil
	}
	began := r.next
	got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: r.next, Topic: p.Topic, Partition: p.Index,
	}, rp, s.decomp, nil)
	for _, kr := range got.Records {
		if kr.Offset >= r.to {
			break
		}
		if err := fn(fromClient(kr)); err != nil {
			return false, err
		}
		r.next = kr.Offset + 1
	}
	if got.Err != nil {
		return r.next > began, s.judge(p, r, got.Err)
	}
	r.next = max(r.next, next) // past batches without records
	if r.next >= r.to {
		delete(s.ranges, p)
		return true, nil
	}
	return r.next > began, r.checkEnd(p, began, got.HighWatermark)
}

// judge returns nil for errors that pass.
func (s *scan) judge(p Partition, r *scanRange, err error) error {
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return &DataLossError{Partition: p, Kind: OutOfRange, Position: r.next, Err: err}
	case kerr.IsRetriable(err):
		return nil
	case isRefusedLogin(err):
		return s.log.explain(err, fmt.Sprintf("scan %s", p))
	default:
		return &DataLossError{Partition: p, Kind: Unreadable, Position: r.next, Err: err}
	}
}

// checkEnd counts answers in a row by which the log ends before the range does.
func (r *scanRange) checkEnd(p Partition, began, end int64) error {
	if r.next > began || end > r.next {
		r.short = 0
		return nil
	}
	if r.short++; r.short < shortAnswers {
		return nil
	}
	return &DataLossError{Partition: p, Kind: Truncated, Position: r.next,
		Err: fmt.Errorf("the log ends at %d, the range at %d", end, r.to)}
}
