package wal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/fail"
)

const (
	defaultSession   = 6 * time.Second // the least a broker allows by default
	heartbeat        = time.Second
	rebalanceTimeout = 15 * time.Second
)

// GroupConfig says how to share topics between several readers.
type GroupConfig struct {
	Group  string
	Topics []string // co-partitioned: one member owns the same index of all topics

	// Start supplies where to read on in partitions just assigned; a
	// partition missing from the answer begins at the first record that exists (0
	// demands that the log is whole). It is also called after every reconnect to
	// the group. It should wait and retry by itself; ctx ends when the partitions
	// are taken away. An error ends the session, and the reader joins again.
	Start func(ctx context.Context, assigned []Partition) (map[Partition]Place, error)

	// OnAssigned is called before the first record of the partitions, after
	// Start. OnRevoked is called when they are gone, after Release or the next
	// Poll, and before another member gets them, except when the session was lost
	// (then lost is true and another member may already own them). Both may be nil,
	// must return quickly and may not call the reader.
	OnAssigned func(assigned []Partition)
	OnRevoked  func(revoked []Partition, lost bool)

	// Instance is a static member id that survives restarts: a process that was
	// killed takes its partitions back at once. Empty for a dynamic member.
	Instance string

	SessionTimeout time.Duration // default 6 s, the least a broker allows by default
}

// Join reads topics as a member of a group, with range balancing. It returns
// at once; joining happens behind the first Poll.
func (l *Log) Join(_ context.Context, cfg GroupConfig) (*Reader, error) {
	if cfg.Group == "" || len(cfg.Topics) == 0 || cfg.Start == nil {
		return nil, fail.New(fail.Internal, "join a group: group, topics and start are needed")
	}
	if cfg.SessionTimeout <= 0 {
		cfg.SessionTimeout = defaultSession
	}
	r := l.newReader(map[Partition]int64{}, true)
	m := &member{reader: r, cfg: cfg, ready: make(chan struct{})}
	defer close(m.ready)
	if err := r.start(m.options()); err != nil {
		return nil, err
	}
	return r, nil
}

// member is the group side of a reader: it answers the client's callbacks.
type member struct {
	reader *Reader
	cfg    GroupConfig
	ready  chan struct{} // closed once reader.client is set; callbacks wait for it
}

func (m *member) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(m.cfg.Group),
		kgo.ConsumeTopics(m.cfg.Topics...),
		// Range, not the sticky default: it alone gives one member the same index
		// of every topic, so that one worker sees all origins of a key.
		kgo.Balancers(kgo.RangeBalancer()),
		kgo.BlockRebalanceOnPoll(),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(m.cfg.SessionTimeout),
		kgo.HeartbeatInterval(min(heartbeat, m.cfg.SessionTimeout/3)),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.AdjustFetchOffsetsFn(m.assign),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) { m.revoke(revoked, false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { m.revoke(lost, true) }),
	}
	if m.cfg.Instance != "" {
		opts = append(opts, kgo.InstanceID(m.cfg.Instance))
	}
	return opts
}

// assign supplies the start of partitions just assigned. What was committed to
// Kafka (the offsets that come in) is not read: it may be ahead of the data.
func (m *member) assign(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-m.ready
	var assigned []Partition
	for topic, partitions := range offsets {
		for index := range partitions {
			assigned = append(assigned, Partition{topic, index})
		}
	}
	sortPartitions(assigned)
	starts, err := m.starts(ctx, assigned)
	if err != nil {
		return nil, fmt.Errorf("start %d partitions: %w", len(assigned), err)
	}
	m.own(starts)
	if m.cfg.OnAssigned != nil && len(assigned) > 0 {
		m.cfg.OnAssigned(assigned)
	}
	for p, place := range starts {
		offsets[p.Topic][p.Index] = place.forClient()
	}
	return offsets, nil
}

// starts asks the caller, and the log for what the caller does not know.
func (m *member) starts(ctx context.Context, assigned []Partition) (map[Partition]Place, error) {
	supplied, err := m.cfg.Start(ctx, slices.Clone(assigned))
	if err != nil {
		return nil, err
	}
	starts := map[Partition]Place{}
	var first map[Partition]int64
	for _, p := range assigned {
		place, ok := supplied[p]
		if !ok && first == nil {
			if first, err = m.reader.log.Starts(ctx, m.cfg.Topics...); err != nil {
				return nil, err
			}
		}
		if !ok {
			place = At(first[p])
		}
		starts[p] = place
	}
	return starts, nil
}

func (m *member) own(starts map[Partition]Place) {
	r := m.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, place := range starts {
		r.next[p] = place.Offset
	}
}

func (m *member) revoke(partitions map[string][]int32, lost bool) {
	<-m.ready
	r := m.reader
	var revoked, resume []Partition
	r.mu.Lock()
	for _, p := range fromTopics(partitions) {
		if _, owned := r.next[p]; !owned {
			continue // its Start never succeeded, so nobody was told about it
		}
		revoked = append(revoked, p)
		if r.stopped[p] || r.paused[p] {
			resume = append(resume, p)
		}
		delete(r.next, p)
		delete(r.moves, p)
		delete(r.running, p)
		delete(r.stopped, p)
		delete(r.paused, p)
	}
	r.mu.Unlock()
	r.client.ResumeFetchPartitions(byTopic(resume))
	if m.cfg.OnRevoked != nil && len(revoked) > 0 {
		m.cfg.OnRevoked(revoked, lost)
	}
}

// Commit stores positions (next offsets) in Kafka so that lag tools show them.
// Nothing in geokv reads them, and an error is not a fault: during a rebalance
// commits are refused. Only for group readers.
func (r *Reader) Commit(ctx context.Context, offsets map[Partition]int64) error {
	if len(offsets) == 0 {
		return nil
	}
	commit := map[string]map[int32]kgo.EpochOffset{}
	for p, offset := range offsets {
		if commit[p.Topic] == nil {
			commit[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		commit[p.Topic][p.Index] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	var failed error
	r.client.CommitOffsetsSync(ctx, commit, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil && failed == nil {
					failed = e
				}
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("commit %d positions: %w", len(offsets), failed)
	}
	return nil
}
