package watch

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// Log is the region's Kafka as an observer reads it. LogOf adapts a *wal.Log.
type Log interface {
	Tail(ctx context.Context, cfg wal.TailConfig) (Reader, error)
}

// Reader is a tail; *wal.Reader is one.
type Reader interface {
	Poll(ctx context.Context, max int) (wal.Fetch, error)
	Close()
}

// View is the region's Redis as an observer reads it; *view.DB is one.
type View interface {
	Subscribe(ctx context.Context) (<-chan view.Applied, error)
	Position(ctx context.Context, topic string, partition int32, lanes ...lane.ID) (view.Position, error)
}

// Decoder turns records into events.
type Decoder interface {
	Decode(ctx context.Context, r event.Record) (event.Event, error)
}

// ObserverConfig says which region to watch and where to report. All but From
// and Logger are required.
type ObserverConfig struct {
	Region  geo.Region
	Topics  []string // of every origin
	Log     Log
	View    View
	Decoder Decoder
	Hub     *Hub
	Wall    func() time.Time
	From    wal.From // where to begin; zero is the start of the log
	Logger  *slog.Logger
}

const (
	rememberSeen  = 16384                  // events of a region that wait for their outcome
	seenBytes     = 32 << 20               // what they may hold: a view may be down for long
	rememberEarly = 16384                  // outcomes that wait for their event
	deriveAfter   = time.Second            // how long an outcome may take before the position is asked
	deriveEvery   = 250 * time.Millisecond // how often
	decodeWithin  = time.Second
	pollMax       = 2048
)

// Observer reports what happens to events in one region. It tails the region's
// Kafka (seen) and listens to what the region's materializers publish (applied).
// An outcome that was missed is derived from the view's position, as unknown.
type Observer struct {
	cfg ObserverConfig
	log *slog.Logger

	mu    sync.Mutex
	seen  *recent[api.Observation]
	early *recent[api.Observation]
}

// NewObserver prepares an observer; Run starts it.
func NewObserver(cfg ObserverConfig) *Observer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Observer{
		cfg: cfg, log: cfg.Logger.With("region", cfg.Region.Name),
		seen: newRecent[api.Observation](rememberSeen), early: newRecent[api.Observation](rememberEarly),
	}
	o.seen.weigh, o.seen.most = api.Observation.Size, seenBytes
	return o
}

// Run observes until ctx ends. Brokers or a Redis that cannot be reached are
// waited for; it returns nil.
func (o *Observer) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { o.listen(ctx) })
	parts.Go(func() { o.derive(ctx) })
	o.tail(ctx)
	parts.Wait()
	return nil
}

// tail reports records as they appear on the region's Kafka.
func (o *Observer) tail(ctx context.Context) {
	from := o.cfg.From
	for {
		reader, err := o.cfg.Log.Tail(ctx, wal.TailConfig{Topics: o.cfg.Topics, From: from})
		if err == nil {
			err = o.follow(ctx, reader)
			reader.Close()
			from = wal.AtEnd // after a loss or a lost connection only what is new matters
		}
		if ctx.Err() != nil {
			return
		}
		o.log.Debug("tail ended", "error", err)
		if !pause.For(ctx, time.Second) {
			return
		}
	}
}

func (o *Observer) follow(ctx context.Context, reader Reader) error {
	for {
		fetch, err := reader.Poll(ctx, pollMax)
		if err != nil {
			return err
		}
		o.describeAll(ctx, fetch.Records)
	}
}

// describeAll reports records. A registry that does not answer may hold them up
// once, not each of them.
func (o *Observer) describeAll(ctx context.Context, records []event.Record) {
	ctx, cancel := context.WithTimeout(ctx, decodeWithin)
	defer cancel()
	at := o.cfg.Wall().UnixMilli()
	for _, r := range records {
		o.sighted(o.describe(ctx, r, at))
	}
}

// describe makes the observation of a record. One that cannot be decoded, for
// ever or for now, has its key and the reason.
func (o *Observer) describe(ctx context.Context, r event.Record, at int64) api.Observation {
	ob := api.Observation{
		Kind: api.KindSeen, Region: o.cfg.Region.Name, AtMS: at, DelayMS: at - r.TimestampMS,
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
	}
	e, err := o.cfg.Decoder.Decode(ctx, r)
	if err != nil {
		// The observation outlives the fetch, whose buffer a key would keep.
		ob.Reason, ob.Event = err.Error(), event.Event{Key: bytes.Clone(r.Key[:min(len(r.Key), event.MaxKeyBytes)])}
		return ob
	}
	ob.Event = e
	return ob
}

// spot names a record on this region's Kafka.
type spot struct {
	part   wal.Partition
	offset int64
}

func spotOf(o api.Observation) spot {
	return spot{wal.Partition{Topic: o.Topic, Index: o.Partition}, o.Offset}
}

// sighted reports a record, and its outcome when that came first.
func (o *Observer) sighted(ob api.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cfg.Hub.Publish(ob)
	o.seen.put(spotOf(ob), ob)
	if outcome, ok := o.early.take(spotOf(ob)); ok {
		o.report(ob, outcome.Outcome, outcome.AtMS)
	}
}

// report publishes an outcome and forgets the record: what a rewound view does
// to it once more is not news.
func (o *Observer) report(seen api.Observation, outcome event.Outcome, at int64) {
	applied := seen
	applied.Kind, applied.Outcome, applied.AtMS = api.KindApplied, outcome, at
	applied.DelayMS = seen.DelayMS + at - seen.AtMS
	if outcome != event.Rejected {
		applied.Reason = ""
	}
	o.cfg.Hub.Publish(applied)
	o.seen.take(spotOf(seen))
}

// listen reports outcomes as the region's materializers publish them.
func (o *Observer) listen(ctx context.Context) {
	for {
		messages, err := o.cfg.View.Subscribe(ctx)
		if err == nil {
			for m := range messages {
				o.applied(m)
			}
		}
		if ctx.Err() != nil || !pause.For(ctx, time.Second) {
			return
		}
		o.log.Debug("subscription ended", "error", err)
	}
}

func (o *Observer) applied(m view.Applied) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range m.Events {
		at := spot{wal.Partition{Topic: m.Topic, Index: m.Partition}, a.Offset}
		if seen, ok := o.seen.get(at); ok {
			o.report(seen, a.Outcome, m.AtMS)
		} else {
			o.early.put(at, api.Observation{Outcome: a.Outcome, AtMS: m.AtMS})
		}
	}
}

// derive asks the view's positions for events whose outcome is overdue.
func (o *Observer) derive(ctx context.Context) {
	for pause.For(ctx, deriveEvery) {
		for part, spots := range o.overdue() {
			pos, err := o.cfg.View.Position(ctx, part.Topic, part.Index)
			if err != nil {
				break
			}
			o.passed(spots, pos.Offset)
		}
	}
}

// overdue returns the events that were seen long enough ago and have no outcome.
func (o *Observer) overdue() map[wal.Partition][]spot {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.cfg.Wall().Add(-deriveAfter).UnixMilli()
	parts := map[wal.Partition][]spot{}
	for at, ob := range o.seen.oldestFirst() {
		if ob.AtMS > before {
			break
		}
		parts[at.part] = append(parts[at.part], at)
	}
	return parts
}

// passed reports those of the events that lie below the view's position as
// applied, outcome unknown.
func (o *Observer) passed(spots []spot, position int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.cfg.Wall().UnixMilli()
	for _, at := range spots {
		if ob, ok := o.seen.get(at); ok && at.offset < position {
			o.report(ob, event.Unknown, now)
		}
	}
}

// LogOf adapts a Kafka log to the Log port.
func LogOf(l *wal.Log) Log { return walLog{l} }

type walLog struct{ *wal.Log }

func (l walLog) Tail(ctx context.Context, cfg wal.TailConfig) (Reader, error) {
	r, err := l.Log.Tail(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return r, nil
}
