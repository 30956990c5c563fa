// Package materializer folds a region's logs into its view: poll, decode,
// filter, apply.
//
// It reads every event topic of the local Kafka as a member of a group. One
// worker owns one partition index and applies that partition of all origins
// together, in the order of their stamps. The position lives in the view, next
// to the data, and every batch is a compare-and-set on it; so a crash between
// apply and reply, a second owner of a partition, a view that was flushed or
// restored from an old snapshot only ever lead to "read the position again".
//
// A record is skipped for one reason only: it can never be accepted, anywhere
// (REJECT, a pure function of its bytes). Whatever may pass with time (a schema
// nobody answers for, an operation from the future, a view that refuses writes)
// makes its partition wait.
package materializer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// Log is the local Kafka as the materializer reads it. LogOf adapts a *wal.Log.
type Log interface {
	Join(ctx context.Context, cfg wal.GroupConfig) (Reader, error)
	Starts(ctx context.Context, topics ...string) (map[wal.Partition]int64, error)
	Ends(ctx context.Context, topics ...string) (map[wal.Partition]int64, error)
	// Scan reads a range of the log; see wal.Log.Scan.
	Scan(ctx context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error
}

// Reader is a group reader; *wal.Reader is one and documents the calls.
type Reader interface {
	Poll(ctx context.Context, max int) (wal.Fetch, error)
	Seek(places map[wal.Partition]wal.Place)
	Pause(partitions ...wal.Partition)
	Resume(partitions ...wal.Partition)
	Commit(ctx context.Context, offsets map[wal.Partition]int64) error
	Close()
}

// View is the local Redis; *view.DB is one.
type View interface {
	// Position reads offset, marks, newest stamp and the named lanes in one step.
	Position(ctx context.Context, topic string, partition int32, lanes ...lane.ID) (view.Position, error)
	// Offsets returns how far every partition of the topics has been applied.
	Offsets(ctx context.Context, topics ...string) (map[string][]int64, error)
	// Apply runs one batch; see view.DB.Apply for its errors. Any other error
	// means that nobody knows whether the batch took effect.
	Apply(ctx context.Context, batch *view.Batch) ([]event.Outcome, error)
	// Resume finishes long work that a batch of the partition left behind.
	Resume(ctx context.Context, partition int32) error
	// Publish tells observers what was applied, best effort.
	Publish(ctx context.Context, m view.Applied) error
	// Check answers whether this Redis may hold a view at all.
	Check(ctx context.Context) error
	// ForeignKeys returns up to n keys that geokv did not write.
	ForeignKeys(ctx context.Context, n int) ([][]byte, error)
	// WipePartition empties a torn partition; see view.DB.WipePartition.
	WipePartition(ctx context.Context, partition int32, topics ...string) error
	// The mark of a view that is not whole, which outlives the process.
	MarkRebuilding(ctx context.Context) error
	EndRebuilding(ctx context.Context) error
	Rebuilding(ctx context.Context) (bool, error)
}

// Decoder turns records into events. An error with a *event.RejectError in its
// chain is final and depends on the record alone; any other error may pass.
type Decoder interface {
	Decode(ctx context.Context, r event.Record) (event.Event, error)
}

// Clock learns every stamp that is read. It answers false for a stamp that is
// too far in the future to follow. *hlc.Clock is one.
type Clock interface {
	Witness(t hlc.Timestamp) bool
}

// Config says what to read and where to apply it. Region, Topology, Log, View,
// Decoder, Clock, History and Wall are required.
type Config struct {
	Region     geo.Region
	Topology   geo.Topology
	Log        Log
	View       View
	Decoder    Decoder
	Clock      Clock
	History    History
	Quarantine Quarantine // nil: rejected records are only kept in the ring of State
	Wall       func() time.Time
	Logger     *slog.Logger // nil discards

	Group    string // default geokv.<region>.view
	Instance string // static group member; empty for a dynamic one

	// OnCorrupt is told, once per episode, that a partition of the view holds a
	// torn batch. The materializer rebuilds it by itself as far as the log
	// reaches. It must not block.
	OnCorrupt func(partition int32, err error)

	// LogicalExpiry stores expiries without native TTLs, so that the view can be
	// read as of any instant: for rebuilds that are compared, and for tests.
	LogicalExpiry bool

	// FreshView says that the view begins empty with the process: it is not whole
	// before it is rebuilt, wherever it stands when it is first looked at.
	FreshView bool

	// CatchUpBytes bounds how much log a worker folds into one batch; default
	// 16 MiB.
	CatchUpBytes int
}

// Materializer applies one region's logs to its view.
type Materializer struct {
	cfg     Config
	log     *slog.Logger
	workers []*worker
	stats   *stats
	health  *health
	mark    *mark

	mu        sync.Mutex
	interrupt context.CancelFunc // ends the poll that is waiting; nil between polls
	attention bool               // a worker wants a seek, a pause or a resume
}

// New prepares a materializer; Run starts it.
func New(cfg Config) (*Materializer, error) {
	switch {
	case cfg.Log == nil, cfg.View == nil, cfg.Decoder == nil, cfg.Clock == nil, cfg.History == nil, cfg.Wall == nil:
		return nil, errors.New("configure materializer: log, view, decoder, clock, history and wall clock are required")
	case cfg.Topology.Len() == 0:
		return nil, errors.New("configure materializer: empty topology")
	}
	if cfg.Group == "" {
		cfg.Group = "geokv." + cfg.Region.Name + ".view"
	}
	if cfg.CatchUpBytes <= 0 {
		cfg.CatchUpBytes = 16 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Materializer{
		cfg: cfg, log: cfg.Logger.With("region", cfg.Region.Name),
		stats: newStats(cfg.Wall), health: newHealth(cfg.View),
	}
	m.mark = newMark(cfg.View, m.stats)
	for p := range int32(geo.Partitions) {
		m.workers = append(m.workers, newWorker(m, p))
	}
	return m, nil
}

// Run applies until ctx ends; each worker then finishes the batch it has sent.
// It returns nil, or an error when it can never go on (credentials, a closed
// log). A partition that lost data stops alone, with an alarm.
func (m *Materializer) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m.trustStanding(ctx)
	reader, err := m.join(ctx)
	if err != nil {
		return err
	}
	defer reader.Close()
	var parts sync.WaitGroup
	for _, w := range m.workers {
		parts.Go(func() { w.run(ctx) })
	}
	parts.Go(func() { m.followProgress(ctx) })
	parts.Go(func() { m.watchForeignKeys(ctx) })
	parts.Go(func() { m.commitForLagTools(ctx, reader) })
	err = m.feed(ctx, reader)
	stop(err)
	parts.Wait()
	return err
}

func (m *Materializer) join(ctx context.Context) (Reader, error) {
	reader, err := m.cfg.Log.Join(ctx, wal.GroupConfig{
		Group: m.cfg.Group, Topics: m.cfg.Topology.Topics(), Instance: m.cfg.Instance,
		Start: m.startAt, OnRevoked: m.revoked,
	})
	if err != nil {
		return nil, fmt.Errorf("join group %s: %w", m.cfg.Group, err)
	}
	return reader, nil
}

// commitForLagTools mirrors the positions to Kafka, where only lag tools read
// them. Failures do not matter.
func (m *Materializer) commitForLagTools(ctx context.Context, reader Reader) {
	committed := map[wal.Partition]int64{}
	for pause.For(ctx, 5*time.Second) {
		moved := map[wal.Partition]int64{}
		for _, p := range m.State().Partitions {
			if part := (wal.Partition{Topic: p.Topic, Index: p.Partition}); committed[part] != p.Position {
				moved[part] = p.Position
			}
		}
		if len(moved) == 0 {
			continue
		}
		if err := reader.Commit(ctx, moved); err != nil {
			m.log.Debug("commit positions for lag tools", "error", err)
			continue
		}
		for p, offset := range moved {
			committed[p] = offset
		}
	}
}

// LogOf adapts a Kafka log to the Log port.
func LogOf(l *wal.Log) Log { return walLog{l} }

type walLog struct{ *wal.Log }

func (l walLog) Join(ctx context.Context, cfg wal.GroupConfig) (Reader, error) {
	r, err := l.Log.Join(ctx, cfg)
	if err != nil {
		return nil, err // not a non-nil interface around a nil reader
	}
	return r, nil
}
