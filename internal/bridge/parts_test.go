package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/memkafka"
	"github.com/geokv/geokv/internal/lab/memredis"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
	"github.com/geokv/geokv/internal/wal"
)

// The ports are those of the real packages.
var (
	_ bridge.Log       = (*wal.Log)(nil)
	_ bridge.Codec     = (*avro.Codec)(nil)
	_ bridge.Guard     = (*view.DB)(nil)
	_ bridge.Positions = (*view.DB)(nil)
	_ bridge.Leases    = (*view.DB)(nil)
)

// parts is a region of real clients: Kafka's against an in-process broker,
// Redis' against one of two servers.
type parts struct {
	kafka *memkafka.Kafka
	log   *wal.Log
	db    *view.DB
	codec *avro.Codec
}

func newParts(t testing.TB, redisURL string) *parts {
	t.Helper()
	kafka, err := memkafka.Start(memkafka.Config{Topic: eu.Topic()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	log, err := wal.Open(wal.Config{Brokers: []string{kafka.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	if err := log.EnsureTopics(t.Context(), eu.Topic(), []string{eu.Topic()}, wal.TopicOptions{Replication: 1, MinISR: 1}); err != nil {
		t.Fatal(err)
	}
	db, err := view.Open(view.Config{URL: redisURL, DB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	settle(t, db)
	return &parts{kafka, log, db, avro.NewCodec(&fakeRegistry{}, "")}
}

func (p *parts) open(t testing.TB, change func(*bridge.Config)) *bridge.Bridge {
	t.Helper()
	cfg := bridge.Config{Region: eu, Log: p.log, Codec: p.codec, Guard: p.db, Positions: p.db, Leases: p.db}
	if change != nil {
		change(&cfg)
	}
	b, err := bridge.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// settle makes the lease table count as old.
func settle(t testing.TB, db *view.DB) {
	t.Helper()
	for {
		age, err := db.TableAge(t.Context(), time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if age == time.Millisecond {
			return
		}
	}
}

// apply brings a partition of the view up to the log.
func (p *parts) apply(t testing.TB, partition int32) {
	t.Helper()
	at, err := p.db.Position(t.Context(), eu.Topic(), partition)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := p.log.Ends(t.Context(), eu.Topic())
	if err != nil {
		t.Fatal(err)
	}
	from := wal.Partition{Topic: eu.Topic(), Index: partition}
	batch := view.NewBatch(time.Now().UnixMilli(), false)
	r := view.Range{Topic: eu.Topic(), Partition: partition, From: at.Offset, To: ends[from]}
	err = p.log.Scan(t.Context(), map[wal.Partition]int64{from: r.From}, map[wal.Partition]int64{from: r.To}, func(rec event.Record) error {
		e, err := p.codec.Decode(t.Context(), rec)
		if err == nil {
			r.HLC = e.HLC
			batch.Add(e)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	batch.Ranges = append(batch.Ranges, r)
	if _, err := p.db.Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func eachRedis(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("embedded", func(t *testing.T) { test(t, embeddedRedis(t)) })
	t.Run("real", func(t *testing.T) { test(t, redistest.Start(t).URL) })
}

func embeddedRedis(t testing.TB) string {
	t.Helper()
	s, err := memredis.Start(memredis.Config{Addr: "127.0.0.1:0", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.URL()
}

func TestOnRealParts(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		p := newParts(t, url)
		a, b := p.open(t, nil), p.open(t, nil)
		if a.State().Slot != 0 || b.State().Slot != 1 || len(a.State().Alarms) != 0 {
			t.Fatalf("slots %d and %d, alarms %+v", a.State().Slot, b.State().Slot, a.State().Alarms)
		}
		first, err := a.Write(t.Context(), op(t, "sadd k a"))
		if err != nil || first.Outcome != event.Durable || first.Offset != 0 {
			t.Fatalf("%+v (%v)", first, err)
		}
		p.apply(t, first.Partition)
		if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.WrongType {
			t.Errorf("INCR of a set: %v, want WRONGTYPE", err)
		}
		second, err := b.Write(t.Context(), op(t, "set k v"))
		if err != nil || !stampOf(second).After(stampOf(first)) {
			t.Errorf("a write after the view was read: %+v (%v), first %+v", second, err, first)
		}
		for range 2 {
			r, err := a.Write(t.Context(), withID(t, "set k once", "id-1"))
			if err != nil || r.Offset != 2 {
				t.Errorf("with an event id: %+v (%v), want offset 2", r, err)
			}
			a, b = b, a
		}
		for _, w := range []*bridge.Bridge{a, b} {
			if err := w.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		c := p.open(t, nil)
		if r, err := c.Write(t.Context(), op(t, "del k")); err != nil || c.State().Slot != 0 || !stampOf(r).After(stampOf(second)) {
			t.Errorf("after a restart: %+v (%v) in slot %d", r, err, c.State().Slot)
		}
	})
}

// A dead process's id is found in a real log.
func TestTakeOverOnRealParts(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		p := newParts(t, url)
		leases := &dyingLeases{Leases: p.db}
		dying := p.open(t, func(c *bridge.Config) { c.Leases = leases })
		leases.dead.Store(true)
		first, err := dying.Write(t.Context(), withID(t, "incr k", "id-1"))
		if err != nil || first.Outcome != event.Durable {
			t.Fatalf("%+v (%v)", first, err)
		}
		if err := p.db.ReleaseSlot(t.Context(), 0, dying.State().Holder); err != nil { // as if it had expired
			t.Fatal(err)
		}
		b := p.open(t, nil)
		if _, err := b.Write(t.Context(), op(t, "incr k")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			r, err := b.Write(t.Context(), withID(t, "incr k", "id-1"))
			if err != nil || r != first {
				t.Errorf("repeat: %+v (%v)\nwant    %+v", r, err, first)
			}
		}
	})
}

// dyingLeases loses the receipts of a process that is about to die.
type dyingLeases struct {
	bridge.Leases
	dead atomic.Bool
}

func (d *dyingLeases) StoreReceipt(ctx context.Context, id string, old, receipt []byte, ttl time.Duration) (bool, error) {
	if d.dead.Load() {
		return false, errors.New("the process is gone")
	}
	return d.Leases.StoreReceipt(ctx, id, old, receipt, ttl)
}

// The broker refuses a stamp from the future before it is in the log: the write
// has certainly failed, and its lane closes.
func TestBrokerRefusesAStampFromTheFuture(t *testing.T) {
	p := newParts(t, embeddedRedis(t))
	var ahead atomic.Int64
	b := p.open(t, func(c *bridge.Config) {
		c.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		c.Leases = &noClock{c.Leases} // no check: only the broker can tell
	})
	if r, err := b.Write(t.Context(), op(t, "incr k")); err != nil || r.Seq != 1 {
		t.Fatalf("%+v (%v)", r, err)
	}
	ahead.Store(int64(time.Hour))
	if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.Unavailable || !errors.Is(err, wal.ErrLost) {
		t.Errorf("an hour ahead: %v, want failed for certain", err)
	}
	ahead.Store(0)
	if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.Clock {
		t.Errorf("the clock is behind its own stamp: %v, want CLOCK", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := p.open(t, nil)
	if r, err := again.Write(t.Context(), op(t, "incr k")); err != nil || r.Offset != 1 || r.Seq != 1 {
		t.Errorf("a new process: %+v (%v), want the second record", r, err)
	}
}

type noClock struct{ bridge.Leases }

func (noClock) Time(context.Context) (time.Time, time.Duration, error) {
	return time.Time{}, 0, errors.New("no clock here")
}

// An outage of Kafka: unknown at the deadline, durable afterwards, no hole.
func TestKafkaOutageOnRealParts(t *testing.T) {
	p := newParts(t, embeddedRedis(t))
	b := p.open(t, func(c *bridge.Config) { c.Deadline = 300 * time.Millisecond })
	if _, err := b.Write(t.Context(), op(t, "incr k")); err != nil {
		t.Fatal(err)
	}
	p.kafka.Stop()
	late, err := b.Write(t.Context(), op(t, "incr k"))
	if err != nil || late.Outcome != event.FateUnknown || late.Seq != 2 {
		t.Fatalf("during the outage: %+v (%v), want unknown", late, err)
	}
	if err := p.kafka.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil { // waits for the late one
		t.Fatal(err)
	}
	c := p.open(t, func(c *bridge.Config) { c.Deadline = 20 * time.Second })
	r, err := c.Write(t.Context(), op(t, "incr k"))
	if err != nil || r.Offset != 2 || !stampOf(r).After(stampOf(late)) {
		t.Errorf("after it: %+v (%v), want offset 2", r, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("fakes/writers=%d", writers), func(b *testing.B) {
			g := newRig(b)
			bench(b, g.open(), writers)
		})
		b.Run(fmt.Sprintf("embedded/writers=%d", writers), func(b *testing.B) {
			bench(b, newParts(b, embeddedRedis(b)).open(b, nil), writers)
		})
	}
}

func bench(b *testing.B, w *bridge.Bridge, writers int) {
	operation := op(b, "set key some-value-of-usual-length")
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			own := operation
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				own.Key = fmt.Appendf(nil, "key:%d:%d", i, n%1000)
				if r, err := w.Write(context.Background(), own); err != nil || r.Outcome != event.Durable {
					b.Errorf("%+v (%v)", r, err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}
