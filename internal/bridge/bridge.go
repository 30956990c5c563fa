// Package bridge is the write path of one region: it checks an operation,
// stamps it, gives it its place in a lane and appends it to the region's own
// log, and says honestly what became of it.
//
// A write ends in one of three ways. Durable: a receipt. Certainly failed: a
// *fail.Error, and nothing is or will be in the log. Unknown: a receipt with
// outcome "unknown"; the record is still on its way and may become durable.
//
// What it promises beyond that: stamps rise strictly, over restarts and clock
// steps, and never run more than hlc.MaxAhead ahead of the wall; a write after a
// read of the same key wins; within a lane and partition the sequence numbers of
// acknowledged writes have no holes; a repeated event id counts once.
package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/geokv/geokv/internal/alarm"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/wal"
)

// Config says what a bridge writes to and learns from. Log, Codec, Guard,
// Positions, Leases and Region are required.
type Config struct {
	Region geo.Region
	Topics []string // every event topic of the cluster, for the floor of the clock; own topic if empty

	Log       Log
	Codec     Codec
	Guard     Guard
	Positions Positions
	Leases    Leases

	// Alone says that the caller has just started the region's Redis, empty, with
	// nobody else writing: no other bridge can trust a lease that was lost with
	// an earlier one. It spares the first slot its wait.
	Alone bool

	Wall         func() time.Time // default time.Now
	Deadline     time.Duration    // after which an answer is "unknown"; default 5 s
	GuardTimeout time.Duration    // for reading a key's head; default 1 s
	Logger       *slog.Logger     // default: discards
}

// Bridge writes for one region. It is safe for concurrent use.
type Bridge struct {
	cfg    Config
	log    *slog.Logger
	topic  string
	holder string // names this process in leases and reservations

	clock  *hlc.Clock
	check  clockCheck
	ids    idSource
	alarms *alarm.Book
	counts counters

	starting gate // one start or slot change at a time
	ready    atomic.Bool

	mu     sync.Mutex // the lane lock: stamp, seq and hand-over to the log are one step
	lane   *openLane
	closed bool

	slots    slotLease
	attempts attempts
	trails   trails
	inflight sync.WaitGroup // records handed to the log and what follows their fate
}

// Open makes a bridge and tries to start it: register the schema, find the
// floor of the clock, lease a slot, check the wall clock. What is out of reach
// now is tried again by Run and by every write; until then writes are refused
// as UNAVAILABLE. The error, of code USAGE, is about the configuration.
func Open(ctx context.Context, cfg Config) (*Bridge, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	b := &Bridge{cfg: cfg, log: cfg.Logger, topic: cfg.Region.Topic()}
	b.starting, b.check.asking = newGate(), newGate()
	b.clock = hlc.NewClock(cfg.Region.Index, cfg.Wall)
	b.check.begin(cfg.Wall)
	b.alarms = alarm.NewBook(cfg.Wall)
	b.ids.init()
	b.attempts.byID = map[string]*attempt{}
	b.trails.of = map[wal.Partition]*trail{}
	b.slots.held = noSlot
	b.holder = b.ids.next(cfg.Wall())
	if err := b.start(ctx); fail.CodeOf(err) == fail.Usage && err != nil {
		return nil, err
	} else if err != nil {
		b.log.Warn("bridge cannot start yet", "region", cfg.Region.Name, "error", err)
	}
	return b, nil
}

func (c *Config) complete() error {
	for what, missing := range map[string]bool{
		"Log": c.Log == nil, "Codec": c.Codec == nil, "Guard": c.Guard == nil,
		"Positions": c.Positions == nil, "Leases": c.Leases == nil, "Region": !geo.ValidName(c.Region.Name),
	} {
		if missing {
			return fail.New(fail.Internal, "open bridge: no %s", what)
		}
	}
	if len(c.Topics) == 0 {
		c.Topics = []string{c.Region.Topic()}
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Deadline <= 0 {
		c.Deadline = 5 * time.Second
	}
	if c.GuardTimeout <= 0 {
		c.GuardTimeout = time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Write appends one operation and waits for its fate until the deadline. See
// the package comment for the three outcomes. With an event id the operation
// counts once, however often it is repeated to this region within ten minutes.
func (b *Bridge) Write(ctx context.Context, op event.Operation) (event.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Deadline)
	defer cancel()
	receipt, err := b.write(ctx, op)
	b.counts.answered(receipt, err)
	return receipt, err
}

func (b *Bridge) write(ctx context.Context, op event.Operation) (event.Receipt, error) {
	if err := b.accept(ctx, op); err != nil {
		return event.Receipt{}, err
	}
	if op.EventID != "" {
		return b.writeOnce(ctx, op)
	}
	p, err := b.submit(ctx, op, b.ids.next(b.cfg.Wall()), nil)
	if err != nil {
		return event.Receipt{}, err
	}
	return p.wait(ctx)
}

// accept checks what can be refused before anything is read or taken.
func (b *Bridge) accept(ctx context.Context, op event.Operation) error {
	if op.Region != "" && op.Region != b.cfg.Region.Name {
		return fail.New(fail.Usage, "write to region %s: this is the bridge of %s", op.Region, b.cfg.Region.Name)
	}
	if err := op.Validate(); err != nil {
		return refused(err)
	}
	return b.start(ctx)
}

// submit reads the key's head, then stamps and appends. settle, if not nil,
// learns the record's fate, however late.
func (b *Bridge) submit(ctx context.Context, op event.Operation, id string, settle func(*pending)) (*pending, error) {
	if err := b.guard(ctx, op); err != nil {
		return nil, err
	}
	if err := b.trustClock(ctx); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fail.Wrap(fail.Timeout, ctx.Err(), "write to %s: the time was up before the write began", b.cfg.Region.Name).
			WithHint("nothing was written; retry")
	}
	return b.append(op, id, settle)
}

// Plan returns the event that Write would append now and its partition. No
// sequence number is taken and nothing is appended; a later write gets another
// stamp.
func (b *Bridge) Plan(ctx context.Context, op event.Operation) (event.Event, int32, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Deadline)
	defer cancel()
	if err := b.accept(ctx, op); err != nil {
		return event.Event{}, 0, err
	}
	if err := b.guard(ctx, op); err != nil {
		return event.Event{}, 0, err
	}
	if err := b.trustClock(ctx); err != nil {
		return event.Event{}, 0, err
	}
	id := op.EventID
	if id == "" {
		id = b.ids.next(b.cfg.Wall())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return event.Event{}, 0, b.closing()
	}
	e, record, err := b.prepare(op, id)
	return e, record.Partition, err
}

// Witness merges a stamp that was read elsewhere, from a record or a client's
// token, so that later writes are later than it. A stamp too far ahead of the
// wall is not followed: false, and an alarm counts it.
func (b *Bridge) Witness(t hlc.Timestamp) bool {
	if b.clock.Witness(t) {
		return true
	}
	b.ahead(t, "a stamp "+t.String()+" read from a log or a client is in the future and was not followed")
	return false
}

// Run keeps the slot leased and the clock checked until ctx ends. It returns
// ctx's error.
func (b *Bridge) Run(ctx context.Context) error {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if ctx.Err() == nil { // both may have happened
				b.tend(ctx)
			}
		}
	}
}

func (b *Bridge) tend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	if err := b.start(ctx); err != nil {
		b.log.Warn("bridge cannot start yet", "region", b.cfg.Region.Name, "error", err)
		return
	}
	b.checkClock(ctx)
	b.keepSlot(ctx)
	b.tendAttempts(ctx)
	b.lookAgain(ctx)
	b.trails.forget(b.cfg.Wall())
}

// Close refuses new writes, waits until the fate of every record is known or
// ctx ends, and gives the slot back, within GuardTimeout. The error is ctx's.
// When records are left open the lease is not given back but expires: until then
// a repeated event id waits for them instead of being appended a second time.
func (b *Bridge) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	settled := make(chan struct{})
	go func() {
		b.inflight.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-ctx.Done():
		if b.counts.pending.Load() > 0 {
			return fail.Wrap(fail.Timeout, ctx.Err(), "close bridge of %s: records are still on their way", b.cfg.Region.Name)
		}
		<-settled // every fate is known; only receipts are being stored, in bounded time
	}
	b.releaseSlot(context.WithoutCancel(ctx))
	return nil
}

// refused turns what makes an event unacceptable into the user's error.
func refused(err error) error {
	if r := event.AsReject(err); r != nil {
		return fail.Wrap(fail.Rejected, err, "refuse the operation")
	}
	return err
}
