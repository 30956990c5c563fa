// Package labtest is a geo-distributed cluster on a clock of its own, for tests:
// every region's Kafka and Redis and the mirrors between them run inside a
// testing/synctest bubble, connected by pipes in memory. Time passes only while
// everything waits, and then at once: a partition of ten minutes takes a second,
// and no test sleeps for real.
//
// Tests that use it are built with `-tags synctests`, which gives the Kafka
// client mutexes that a bubble understands.
package labtest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/memkafka"
	"github.com/geokv/geokv/internal/lab/memredis"
	"github.com/geokv/geokv/internal/mirror"
	"github.com/geokv/geokv/internal/wal"
)

const secret = "labtest"

// World is a running cluster without bridges and materializers; those run on
// its endpoints, with its dialers and its clocks.
type World struct {
	T        *testing.T
	Topology geo.Topology
	Mirror   *mirror.Mirror

	lan     kfake.VirtualNetwork
	regions map[string]*region
	stop    context.CancelFunc
	running sync.WaitGroup
}

type region struct {
	geo.Region
	kafka *memkafka.Kafka

	mu    sync.Mutex
	skew  time.Duration    // of every clock of the region
	early time.Duration    // of its broker's, beyond that
	redis *memredis.Server // nil while stopped
	conns map[net.Conn]struct{}
}

// Run calls test in a bubble with a fresh World, topics made and mirrors
// running, and takes everything down afterwards. Whatever the test starts on
// the World must have ended when it returns, or by w.T.Cleanup.
func Run(t *testing.T, topology geo.Topology, test func(t *testing.T, w *World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &World{T: t, Topology: topology, regions: map[string]*region{}}
		t.Cleanup(w.close) // after the cleanups that the test registers
		for _, r := range topology.Regions() {
			w.startRegion(r)
		}
		w.Mirror = mirror.New(mirror.Config{Topology: topology, Open: w.openLog})
		ctx, stop := context.WithCancel(context.Background())
		w.stop = stop
		w.running.Go(func() { w.Mirror.Run(ctx) })
		test(t, w)
	})
}

func (w *World) startRegion(r geo.Region) {
	w.T.Helper()
	reg := &region{Region: r, conns: map[net.Conn]struct{}{}}
	w.regions[r.Name] = reg
	var err error
	reg.kafka, err = memkafka.Start(memkafka.Config{
		Topic: r.Topic(), Addr: fmt.Sprintf("127.0.0.1:%d", 9000+r.Index), Listen: w.lan.Listen, Wall: reg.brokerWall,
	})
	w.check(err)
	w.StartRedis(r.Name)
	log, err := w.openLog(r.Name)
	w.check(err)
	defer log.Close()
	w.check(log.EnsureTopics(context.Background(), r.Topic(), w.Topology.Topics(), wal.TopicOptions{Replication: 1}))
}

func (w *World) close() {
	if w.stop != nil {
		w.stop()
		w.running.Wait()
	}
	for _, r := range w.regions {
		w.StopRedis(r.Name)
		if r.kafka != nil {
			r.kafka.Close()
		}
	}
	// The Redis library's probe of a server that was away sleeps a second before
	// it sees that its client is closed.
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

func (w *World) check(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

func (w *World) region(name string) *region {
	w.T.Helper()
	r, ok := w.regions[name]
	if !ok {
		w.T.Fatalf("no region %q", name)
	}
	return r
}

// Cluster describes the endpoints as a configuration does; the registry is left
// to the process (config.Registry without a URL).
func (w *World) Cluster() config.Cluster {
	c := config.Cluster{Topology: w.Topology}
	for _, r := range w.Topology.Regions() {
		addr := redisAddr(r)
		c.Regions = append(c.Regions, config.RegionEndpoint{
			Region: r, Brokers: []string{w.region(r.Name).kafka.Addr()},
			RedisURL: config.URL(fmt.Sprintf("redis://%s:%s@%s/0", memredis.User, secret, addr)), RedisAddr: addr,
		})
	}
	return c
}

func redisAddr(r geo.Region) string { return fmt.Sprintf("127.0.0.1:%d", 6000+r.Index) }

// DialKafka connects to a region's Kafka by its address.
func (w *World) DialKafka(ctx context.Context, network, addr string) (net.Conn, error) {
	return w.lan.DialContext(ctx, network, addr)
}

// DialRedis connects to a region's Redis by its address.
func (w *World) DialRedis(_ context.Context, _, addr string) (net.Conn, error) {
	for _, r := range w.regions {
		if redisAddr(r.Region) == addr {
			return r.dialRedis()
		}
	}
	return nil, fmt.Errorf("no redis at %s", addr)
}

func (r *region) dialRedis() (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.redis == nil {
		return nil, fmt.Errorf("connect to redis of %s: connection refused", r.Name)
	}
	return r.redis.Dial()
}

// openLog opens a region's log; the caller closes it.
func (w *World) openLog(name string) (*wal.Log, error) {
	return wal.Open(wal.Config{Brokers: []string{w.regions[name].kafka.Addr()}, Dial: w.DialKafka})
}

// Log opens a region's log until the end of the test.
func (w *World) Log(name string) *wal.Log {
	w.T.Helper()
	w.region(name)
	log, err := w.openLog(name)
	w.check(err)
	w.T.Cleanup(log.Close)
	return log
}

// Kafka is a region's broker, for faults at protocol level.
func (w *World) Kafka(name string) *memkafka.Kafka { return w.region(name).kafka }

// Redis is a region's Redis, nil while it is stopped.
func (w *World) Redis(name string) *memredis.Server {
	r := w.region(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.redis
}

// Wall is a region's clock: the bubble's, moved by Skew.
func (w *World) Wall(name string) func() time.Time { return w.region(name).wall }

func (r *region) brokerWall() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.skew + r.early)
}

func (r *region) wall() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.skew)
}
