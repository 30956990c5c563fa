package materializer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
	"github.com/geokv/geokv/internal/wal"
)

// site is a region with a real client on an in-process broker and a Redis.
type site struct {
	t     testing.TB
	kafka *kfake.Cluster
	log   *wal.Log
	db    *view.DB
	codec *jsonCodec
	now   int64
	redis string // URL
}

// onEngines runs a test on the embedded Redis and on a real one.
func onEngines(t *testing.T, test func(t *testing.T, s *site)) {
	t.Run("miniredis", func(t *testing.T) { test(t, newSite(t, "redis://"+miniredis.RunT(t).Addr())) })
	t.Run("redis", func(t *testing.T) { test(t, newSite(t, redistest.Start(t).URL)) })
}

func newSite(t testing.TB, redisURL string) *site {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(geo.Partitions, geo.Default().Topics()...),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	log, err := wal.Open(wal.Config{Brokers: kafka.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	db, err := view.Open(view.Config{URL: redisURL, DB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &site{t: t, kafka: kafka, log: log, db: db, codec: &jsonCodec{}, now: crdttest.DefaultNow, redis: redisURL}
}

// append writes events to their topics in the given order, across partitions.
func (s *site) append(events ...event.Event) {
	s.t.Helper()
	records := make([]event.Record, len(events))
	for i, e := range events {
		records[i] = encode(e)
	}
	if _, err := s.log.AppendSync(deadline(s.t), records...); err != nil {
		s.t.Fatal(err)
	}
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// run starts a materializer; stop ends it and waits.
func (s *site) run(v View, change func(*Config)) (m *Materializer, stop func()) {
	s.t.Helper()
	cfg := Config{
		Region: geo.Region{Name: "us"}, Topology: geo.Default(), Log: LogOf(s.log), View: v, Decoder: s.codec,
		Clock: hlc.NewClock(0, s.wall), History: LogHistory{s.log, s.codec}, Wall: s.wall, LogicalExpiry: true,
	}
	if change != nil {
		change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	})
	s.t.Cleanup(stop)
	return m, stop
}

func (s *site) wall() time.Time { return time.UnixMilli(s.now) }

// awaitEnd waits until the view stands at the end of the log.
func (s *site) awaitEnd(ms ...*Materializer) {
	s.t.Helper()
	ends, err := s.log.Ends(deadline(s.t), geo.Default().Topics()...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.awaitPositions(ends, ms...)
}

func (s *site) awaitPositions(ends map[wal.Partition]int64, ms ...*Materializer) {
	s.t.Helper()
	defer func() {
		for _, m := range ms {
			if s.t.Failed() {
				s.t.Logf("state %+v", m.State())
			}
		}
	}()
	polltest.Until(s.t, "positions at the ends", func() bool {
		for p, end := range ends {
			pos, err := s.db.Position(deadline(s.t), p.Topic, p.Index)
			if err != nil || pos.Offset != end {
				return false
			}
		}
		return true
	})
}

// wantFold compares view, lanes and positions with what the events alone say.
func (s *site) wantFold(events []event.Event) {
	s.t.Helper()
	model, keys := crdt.NewState(), map[string]bool{}
	lanes := map[wal.Partition]map[lane.ID]lane.Set{}
	for _, e := range events {
		model.Apply(e)
		keys[string(e.Key)] = true
		p := wal.Partition{Topic: geo.Topic(e.Origin), Index: geo.PartitionOf(e.Key)}
		if lanes[p] == nil {
			lanes[p] = map[lane.ID]lane.Set{}
		}
		lanes[p][e.Lane] = lanes[p][e.Lane].Add(e.Seq)
	}
	for key := range keys {
		got, err := s.db.Read(deadline(s.t), []byte(key), view.ReadOptions{Now: s.now})
		if err != nil {
			s.t.Fatal(err)
		}
		want := model.View([]byte(key), s.now)
		if !got.Equal(want) {
			s.t.Errorf("key %q:\n got %s\nwant %s", key, got.AppendCanonical(nil), want.AppendCanonical(nil))
		}
	}
	for p, want := range lanes {
		list, err := s.db.Positions(deadline(s.t), p.Topic, p.Index)
		if err != nil {
			s.t.Fatal(err)
		}
		if list[0].Torn() || len(list[0].Lanes) != len(want) {
			s.t.Errorf("%s: position %+v, want lanes %v", p, list[0], want)
		}
		for id, set := range want {
			if !list[0].Lanes[id].Equal(set) {
				s.t.Errorf("%s: lane %s holds %s, want %s", p, id, list[0].Lanes[id], set)
			}
		}
	}
}

// faultyView loses requests and replies, and now and then everything.
type faultyView struct {
	*view.DB
	mu      sync.Mutex
	rng     *rand.Rand
	flushes int // left
	cut     bool
	lost    int // replies lost after the batch took effect
}

var errCut = errors.New("i/o timeout")

func (v *faultyView) dice(percent int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.cut && v.rng.IntN(100) < percent
}

// calm ends the faults.
func (v *faultyView) calm() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cut = true
}

func (v *faultyView) Apply(ctx context.Context, b *view.Batch) ([]event.Outcome, error) {
	if v.dice(10) {
		return nil, errCut
	}
	if v.dice(3) && v.flushes > 0 {
		v.flushes--
		if err := v.DB.Flush(ctx); err != nil {
			return nil, err
		}
	}
	outcomes, err := v.DB.Apply(ctx, b)
	if err == nil && v.loses() {
		return nil, errCut
	}
	return outcomes, err
}

// loses says whether a reply is lost: the first is in any case.
func (v *faultyView) loses() bool {
	chance := v.dice(15)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cut || v.lost > 0 && !chance {
		return false
	}
	v.lost++
	return true
}

func (v *faultyView) Position(ctx context.Context, topic string, partition int32, lanes ...lane.ID) (view.Position, error) {
	if v.dice(3) {
		return view.Position{}, errCut
	}
	return v.DB.Position(ctx, topic, partition, lanes...)
}

// TestAnyDeliveryGivesTheSameView is the contract of the read path: whatever the
// order, the repetitions, the lost requests and replies, the restarts and the
// flushed views, the result is the fold of the set of events, and every event
// is in it once.
func TestAnyDeliveryGivesTheSameView(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if os.Getenv("GEOKV_LONG") != "" {
		for s := range uint64(40) {
			seeds = append(seeds, 100+s)
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			onEngines(t, func(t *testing.T, s *site) {
				rng := rand.New(rand.NewPCG(seed, 1))
				events := crdttest.Generate(rng, crdttest.Options{Events: 150})
				delivery := crdttest.Shuffle(rng, events)
				v := &faultyView{DB: s.db, rng: rng, flushes: 1}
				m, stop := s.run(v, func(c *Config) { c.CatchUpBytes = 1500 })
				for i, part := range crdttest.Batches(rand.New(rand.NewPCG(seed, 2)), delivery, 60) {
					s.append(part...)
					if i == 2 { // a restart in the middle
						stop()
						m, stop = s.run(v, nil)
					}
				}
				s.awaitEnd(m)
				v.calm()
				s.awaitEnd(m) // a flush may have come last
				s.wantFold(events)
				stop()
			})
		})
	}
}

// Without flushes and restarts every record is counted once.
func TestCountersOfADelivery(t *testing.T) {
	onEngines(t, func(t *testing.T, s *site) {
		rng := rand.New(rand.NewPCG(9, 1))
		events := crdttest.Generate(rng, crdttest.Options{Events: 120})
		delivery := crdttest.Shuffle(rng, events)
		v := &faultyView{DB: s.db, rng: rng}
		m, stop := s.run(v, func(c *Config) { c.CatchUpBytes = 800 })
		s.append(delivery...)
		s.awaitEnd(m)
		polltest.Until(t, "the last lost reply is cleared up", func() bool { return m.State().Counters.Consumed >= int64(len(delivery)) })
		stop()
		s.wantFold(events)
		c := m.State().Counters
		if c.Consumed != int64(len(delivery)) || c.Duplicate != int64(len(delivery)-len(events)) || c.Applied+c.Superseded != int64(len(events)) {
			t.Errorf("counters %+v, want %d consumed, %d duplicates", c, len(delivery), len(delivery)-len(events))
		}
		if v.lost == 0 {
			t.Error("no reply was lost: the fault was not injected")
		}
	})
}

// Late barriers below summed increments need the log.
func TestLateBarrierIsRepairedFromTheLog(t *testing.T) {
	onEngines(t, func(t *testing.T, s *site) {
		var events []event.Event
		add := func(origin string, region uint8, ms, seq int64, args event.Args) {
			events = append(events, event.Event{
				Version: 1, MinVersion: 1, ID: fmt.Sprint(origin, seq), Origin: origin,
				HLC:  hlc.Timestamp{Physical: s.now - 100_000 + ms, Region: region},
				Lane: seven, Seq: seq, Key: []byte("total"), Args: args,
			})
		}
		for i := range int64(300) { // far more than a ring remembers
			add("us", 0, i*10, i+1, event.Incr{Delta: i})
		}
		past := &countingHistory{History: LogHistory{s.log, s.codec}}
		m, stop := s.run(s.db, func(c *Config) { c.History = past })
		s.append(events...)
		s.awaitEnd(m)
		add("eu", 1, 505, 1, event.Set{Value: []byte("1000")})
		add("ap", 2, 905, 1, event.Del{})
		s.append(events[300:]...)
		s.awaitEnd(m)
		stop()
		s.wantFold(events)
		if past.asked == 0 {
			t.Error("the log was never asked: the barriers were not late")
		}
	})
}

type countingHistory struct {
	History
	asked int
}

func (h *countingHistory) Events(ctx context.Context, partition int32, below map[string]int64, keys []view.RepairKey, each func(event.Event)) error {
	h.asked++
	return h.History.Events(ctx, partition, below, keys, each)
}

// Redis is killed under traffic and comes back empty, twice.
func TestKilledRedisIsRebuiltFromTheLog(t *testing.T) {
	server := redistest.Start(t)
	s := newSite(t, server.URL)
	events := crdttest.Generate(rand.New(rand.NewPCG(7, 1)), crdttest.Options{Events: 300})
	m, stop := s.run(s.db, func(c *Config) { c.CatchUpBytes = 2000 })
	for part := range slices.Chunk(events, 100) {
		s.append(part...)
		polltest.Until(t, "something was applied", func() bool { return m.State().Counters.Consumed > 0 })
		server.Kill()
		polltest.Until(t, "redis is back", func() bool { return server.Run(t) })
	}
	s.awaitEnd(m)
	stop()
	s.wantFold(events)
}

func TestTwoMaterializersShareAndTakeOver(t *testing.T) {
	s := newSite(t, "redis://"+miniredis.RunT(t).Addr())
	rng := rand.New(rand.NewPCG(5, 1))
	events := crdttest.Generate(rng, crdttest.Options{Events: 240, Keys: manyKeys(24)})
	parts := slices.Collect(slices.Chunk(events, 60))

	first, stopFirst := s.run(s.db, nil)
	s.append(parts[0]...)
	s.awaitEnd(first)
	second, stopSecond := s.run(s.db, nil)
	s.append(parts[1]...)
	polltest.Until(t, "the second owns partitions", func() bool { return len(second.State().Partitions) > 0 })
	s.append(parts[2]...)
	s.awaitEnd(first, second)
	for _, p := range second.State().Partitions {
		if blockedOf(first.State(), wal.Partition{Topic: p.Topic, Index: p.Partition}) != "not owned" {
			t.Errorf("%s/%d is owned by both", p.Topic, p.Partition)
		}
	}
	stopFirst()
	s.append(parts[3]...)
	s.awaitEnd(second)
	stopSecond()
	s.wantFold(events)
	a, b := first.State().Counters, second.State().Counters
	if got := a.Applied + a.Superseded + b.Applied + b.Superseded; got != int64(len(events)) {
		t.Errorf("%d events applied by %+v and %+v, want %d", got, a, b, len(events))
	}
}

func manyKeys(n int) (keys [][]byte) {
	for i := range n {
		keys = append(keys, fmt.Append(nil, "key:", i))
	}
	return keys
}

// Two materializers outside any group apply the same partitions at once: the
// position is the fence, so each event takes effect once.
func TestTwoOwnersOfEveryPartition(t *testing.T) {
	onEngines(t, func(t *testing.T, s *site) {
		rng := rand.New(rand.NewPCG(6, 1))
		events := crdttest.Generate(rng, crdttest.Options{Events: 200})
		delivery := crdttest.Shuffle(rng, events)
		one, stopOne := s.run(s.db, func(c *Config) { c.Group = "one"; c.CatchUpBytes = 500 })
		two, stopTwo := s.run(s.db, func(c *Config) { c.Group = "two"; c.CatchUpBytes = 700 })
		for part := range slices.Chunk(delivery, 40) {
			s.append(part...)
		}
		s.awaitEnd(one, two)
		stopOne()
		stopTwo()
		s.wantFold(events)
		a, b := one.State().Counters, two.State().Counters
		if got := a.Applied + a.Superseded + b.Applied + b.Superseded; got != int64(len(events)) {
			t.Errorf("%d events took effect by %+v and %+v, want %d", got, a, b, len(events))
		}
	})
}
