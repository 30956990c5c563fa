package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

var eu = geo.Region{Name: "eu", Index: 1}

// fault is what the fake log does with one record.
type fault int

const (
	stored      fault = iota
	lost              // not in the log, and said so
	storedMute        // in the log, fate reported as unknown
	droppedMute       // not in the log, fate reported as unknown
)

// fakeLog is a log in memory with the contract of wal.Log: order of calls per
// partition, and after an error every record queued behind it fails as well.
type fakeLog struct {
	mu      sync.Mutex
	records map[int32][]event.Record
	queue   []queued
	hold    bool                     // keep records queued until it is lifted
	full    bool                     // refuse to take anything
	down    bool                     // reads fail
	fate    func(event.Record) fault // nil: all stored
	failed  []event.Record           // records that are not in the log, or said not to be
}

type queued struct {
	r    event.Record
	done func(int64, error)
}

func newFakeLog() *fakeLog { return &fakeLog{records: map[int32][]event.Record{}} }

func (l *fakeLog) Append(r event.Record, done func(int64, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return wal.ErrFull
	}
	l.queue = append(l.queue, queued{r, done})
	if !l.hold {
		l.drain()
	}
	return nil
}

// drain decides fates in order; answers come from other goroutines.
func (l *fakeLog) drain() {
	broken := map[int32]error{}
	for _, q := range l.queue {
		if err := broken[q.r.Partition]; err != nil {
			l.failed = append(l.failed, q.r)
			go q.done(-1, err)
			continue
		}
		what := stored
		if l.fate != nil {
			what = l.fate(q.r)
		}
		offset := int64(len(l.records[q.r.Partition]))
		if what == stored || what == storedMute {
			q.r.Offset = offset
			l.records[q.r.Partition] = append(l.records[q.r.Partition], q.r)
		}
		var err error
		switch what {
		case lost:
			err = fmt.Errorf("refused: %w", wal.ErrLost)
		case storedMute, droppedMute:
			err = fmt.Errorf("gave up: %w", wal.ErrUnknown)
		}
		if err != nil {
			offset, broken[q.r.Partition] = -1, err
			l.failed = append(l.failed, q.r)
		}
		go q.done(offset, err)
	}
	l.queue = nil
}

func (l *fakeLog) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	if !l.hold {
		l.drain()
	}
}

func (l *fakeLog) MaxTimestamps(context.Context, string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("kafka is down")
	}
	out := map[wal.Partition]int64{}
	for p, rs := range l.records {
		for _, r := range rs {
			at := wal.Partition{Topic: r.Topic, Index: p}
			out[at] = max(out[at], r.TimestampMS)
		}
	}
	return out, nil
}

func (l *fakeLog) OffsetsAt(_ context.Context, ms int64, topics ...string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[wal.Partition]int64{}
	for p := range int32(geo.Partitions) {
		at := wal.Partition{Topic: topics[0], Index: p}
		for out[at] < int64(len(l.records[p])) && l.records[p][out[at]].TimestampMS < ms {
			out[at]++
		}
	}
	return out, nil
}

func (l *fakeLog) Ends(_ context.Context, topics ...string) (map[wal.Partition]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("kafka is down")
	}
	out := map[wal.Partition]int64{}
	for p := range int32(geo.Partitions) {
		out[wal.Partition{Topic: topics[0], Index: p}] = int64(len(l.records[p]))
	}
	return out, nil
}

func (l *fakeLog) Scan(_ context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error {
	for p, end := range to {
		for o := from[p]; o < end; o++ {
			l.mu.Lock()
			r := l.records[p.Index][o]
			l.mu.Unlock()
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// events decodes everything in the log, partition by partition.
func (l *fakeLog) events(t testing.TB, codec *avro.Codec) map[int32][]event.Event {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[int32][]event.Event{}
	for p, rs := range l.records {
		for _, r := range rs {
			e, err := codec.Decode(context.Background(), r)
			if err != nil {
				t.Fatalf("record %d/%d: %v", p, r.Offset, err)
			}
			out[p] = append(out[p], e)
		}
	}
	return out
}

// fakeRedis is a view and a lease table in memory.
type fakeRedis struct {
	mu        sync.Mutex
	heads     map[string]view.KeyHead
	positions map[string]hlc.Timestamp // by topic
	table     map[string]tableEntry
	down      bool          // every call fails
	hang      bool          // every call waits for its context
	noReads   bool          // the view may not be read; the table may
	mute      int           // the next so many table writes take effect, but the answer is lost
	skew      time.Duration // of this server's clock
	rtt       time.Duration
}

type tableEntry struct {
	value   string
	expires time.Time
}

var errDown = errors.New("redis is down")

func newFakeRedis() *fakeRedis {
	r := &fakeRedis{heads: map[string]view.KeyHead{}, positions: map[string]hlc.Timestamp{}, table: map[string]tableEntry{}}
	r.table["run"] = tableEntry{"1", time.Now().AddDate(1, 0, 0)} // the table is old
	return r
}

// loseTable is a FLUSHALL, or a restart without a snapshot.
func (r *fakeRedis) loseTable() { r.set(func() { clear(r.table) }) }

func (r *fakeRedis) TableAge(ctx context.Context, upTo time.Duration) (time.Duration, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if r.get("run") == "" {
		r.table["run"] = tableEntry{"1", time.Now().AddDate(1, 0, 0)}
		r.table["young"] = tableEntry{"1", time.Now().Add(upTo)}
	}
	return upTo - max(0, time.Until(r.table["young"].expires)), nil
}

func (r *fakeRedis) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// call locks for one command; the returned func unlocks.
func (r *fakeRedis) call(ctx context.Context) (func(), error) {
	r.mu.Lock()
	if r.hang {
		r.mu.Unlock()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.down || ctx.Err() != nil {
		r.mu.Unlock()
		return nil, errDown
	}
	return r.mu.Unlock, nil
}

func (r *fakeRedis) get(name string) string {
	e, ok := r.table[name]
	if !ok || !time.Now().Before(e.expires) {
		return ""
	}
	return e.value
}

func (r *fakeRedis) put(name, value string, ttl time.Duration) error {
	r.table[name] = tableEntry{value, time.Now().Add(ttl)}
	if r.mute > 0 {
		r.mute--
		return errors.New("the answer was lost")
	}
	return nil
}

// change swaps old for new under name, if old stands there; "" is free.
func (r *fakeRedis) change(ctx context.Context, name, old, new string, ttl time.Duration) (bool, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if r.get(name) != old {
		return false, nil
	}
	if new == "" {
		delete(r.table, name)
		return true, nil
	}
	return true, r.put(name, new, ttl)
}

func slotName(slot uint16) string { return fmt.Sprintf("slot:%d", slot) }

func (r *fakeRedis) AcquireSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	return r.change(ctx, slotName(slot), "", holder, ttl)
}

func (r *fakeRedis) RenewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	return r.change(ctx, slotName(slot), holder, holder, ttl)
}

func (r *fakeRedis) ReleaseSlot(ctx context.Context, slot uint16, holder string) error {
	_, err := r.change(ctx, slotName(slot), holder, "", 0)
	return err
}

func (r *fakeRedis) SlotHolder(ctx context.Context, slot uint16) (string, error) {
	return r.LookupText(ctx, slotName(slot))
}

func (r *fakeRedis) LookupText(ctx context.Context, name string) (string, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	return r.get(name), nil
}

func (r *fakeRedis) ReserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) ([]byte, bool, error) {
	reserved, err := r.change(ctx, "eid:"+id, "", string(reservation), ttl)
	if reserved || err != nil {
		return nil, reserved, err
	}
	existing, err := r.LookupText(ctx, "eid:"+id)
	return []byte(existing), false, err
}

func (r *fakeRedis) StoreReceipt(ctx context.Context, id string, reservation, receipt []byte, ttl time.Duration) (bool, error) {
	return r.change(ctx, "eid:"+id, string(reservation), string(receipt), ttl)
}

func (r *fakeRedis) ReleaseID(ctx context.Context, id string, reservation []byte) error {
	_, err := r.change(ctx, "eid:"+id, string(reservation), "", 0)
	return err
}

func (r *fakeRedis) Time(ctx context.Context) (time.Time, time.Duration, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return time.Time{}, 0, err
	}
	defer unlock()
	return time.Now().Add(r.skew), r.rtt, nil
}

func (r *fakeRedis) Newest(ctx context.Context, key []byte) (view.KeyHead, error) {
	unlock, err := r.read(ctx)
	if err != nil {
		return view.KeyHead{}, err
	}
	defer unlock()
	return r.heads[string(key)], nil
}

func (r *fakeRedis) Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error) {
	unlock, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []view.Position
	for _, p := range partitions {
		out = append(out, view.Position{Topic: topic, Partition: p, HLC: r.positions[topic]})
	}
	return out, nil
}

// read is call of a command that reads the view.
func (r *fakeRedis) read(ctx context.Context) (func(), error) {
	unlock, err := r.call(ctx)
	if err == nil && r.noReads {
		unlock()
		return nil, errors.New("NOPERM")
	}
	return unlock, err
}

// fakeRegistry knows one schema.
type fakeRegistry struct {
	mu   sync.Mutex
	text string
	down bool
}

func (r *fakeRegistry) Schema(context.Context, int) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text, nil
}

func (r *fakeRegistry) Register(_ context.Context, _, schema string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return 0, errors.New("registry is down")
	}
	r.text = schema
	return 1, nil
}

// rig is one region: its log, its Redis and as many bridges as a test opens.
type rig struct {
	t     testing.TB
	log   *fakeLog
	redis *fakeRedis
	codec *avro.Codec

	mu   sync.Mutex
	skew time.Duration // of the wall clock of every bridge
}

func newRig(t testing.TB) *rig {
	return &rig{t: t, log: newFakeLog(), redis: newFakeRedis(), codec: avro.NewCodec(&fakeRegistry{}, "")}
}

// wall is a clock that the test moves by skew.
func (g *rig) wall() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Add(g.skew)
}

func (g *rig) setClock(skew time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.skew = skew
}

func (g *rig) open() *bridge.Bridge { return g.openWith(nil) }

func (g *rig) openWith(change func(*bridge.Config)) *bridge.Bridge {
	g.t.Helper()
	cfg := bridge.Config{
		Region: eu, Topics: []string{"us.events", "eu.events"},
		Log: g.log, Codec: g.codec, Guard: g.redis, Positions: g.redis, Leases: g.redis, Wall: g.wall,
	}
	if change != nil {
		change(&cfg)
	}
	b, err := bridge.Open(g.t.Context(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// run keeps the bridge tended until stop is called.
func (g *rig) run(b *bridge.Bridge) (stop func()) {
	ctx, cancel := context.WithCancel(g.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func op(t testing.TB, line string) event.Operation {
	t.Helper()
	words, err := event.SplitWords(line)
	if err != nil {
		t.Fatal(err)
	}
	o, err := event.ParseCommand(words)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (g *rig) write(b *bridge.Bridge, line string) event.Receipt {
	g.t.Helper()
	r, err := b.Write(g.t.Context(), op(g.t, line))
	if err != nil {
		g.t.Fatalf("%s: %v", line, err)
	}
	return r
}

func alarmed(b *bridge.Bridge, code string) bool {
	for _, a := range b.State().Alarms {
		if a.Code == code {
			return true
		}
	}
	return false
}

func stampOf(r event.Receipt) hlc.Timestamp {
	return hlc.Timestamp{Physical: r.HLC.PhysicalMS, Logical: r.HLC.Logical, Region: uint8(eu.Index)}
}
