package labtest

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/memredis"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// patience is how long, on the bubble's clock, the World waits for anything.
const patience = 30 * time.Minute

// Cut stops the mirror from one region to another.
func (w *World) Cut(from, to string) {
	w.T.Helper()
	w.check(w.Mirror.Cut(geo.Flow{From: from, To: to}))
}

// Heal lets it go on.
func (w *World) Heal(from, to string) {
	w.T.Helper()
	w.check(w.Mirror.Heal(geo.Flow{From: from, To: to}))
}

// Delay holds the mirror from one region to another back by d.
func (w *World) Delay(from, to string, d time.Duration) {
	w.T.Helper()
	w.check(w.Mirror.Delay(geo.Flow{From: from, To: to}, d))
}

// Isolate cuts every flow from and to a region.
func (w *World) Isolate(name string) {
	w.T.Helper()
	for _, f := range w.Topology.Flows() {
		if f.From == name || f.To == name {
			w.check(w.Mirror.Cut(f))
		}
	}
}

// HealAll heals every flow and ends every delay.
func (w *World) HealAll() {
	w.T.Helper()
	for _, f := range w.Topology.Flows() {
		w.check(w.Mirror.Heal(f))
		w.check(w.Mirror.Delay(f, 0))
	}
}

// StopKafka takes a region's Kafka away; its log stays.
func (w *World) StopKafka(name string) { w.T.Helper(); w.region(name).kafka.Stop() }

// StartKafka brings it back.
func (w *World) StartKafka(name string) {
	w.T.Helper()
	w.check(w.region(name).kafka.Restart(context.Background()))
}

// StopRedis ends a region's Redis with all its data, as a kill of an embedded
// one does.
func (w *World) StopRedis(name string) {
	w.T.Helper()
	r := w.region(name)
	r.mu.Lock()
	server := r.redis
	r.redis = nil
	r.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

// StartRedis starts an empty Redis for the region at the same address.
func (w *World) StartRedis(name string) {
	w.T.Helper()
	r := w.region(name)
	server, err := memredis.Start(memredis.Config{Secret: secret, Wall: r.wall})
	w.check(err)
	server.SetReady(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.redis = server
}

// Skew moves a region's clock to d ahead of the bubble's (behind, when
// negative): for its broker's bound, its Redis and whoever uses Wall.
func (w *World) Skew(name string, d time.Duration) {
	r := w.region(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew = d
}

// SkewBroker moves the clock of a region's broker alone to d ahead of the
// region's: it takes stamps that nobody else there believes.
func (w *World) SkewBroker(name string, d time.Duration) {
	r := w.region(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.early = d
}

// Await lets time pass until ok, and fails the test when half an hour was not
// enough.
func (w *World) Await(what string, ok func() bool) {
	w.T.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.T.Fatalf("%s: not in %v", what, patience)
		}
	}
}

// AwaitMirrored waits until every flow that is not cut has carried everything.
func (w *World) AwaitMirrored() {
	w.T.Helper()
	time.Sleep(2 * time.Second) // the lag that a flow knows is a second old
	w.Await("everything mirrored", func() bool {
		for _, s := range w.Mirror.States() {
			if s.State != api.FlowCut && (s.State != api.FlowUp || s.Lag != 0) {
				return false
			}
		}
		return true
	})
}

// AwaitApplied waits until everything is mirrored and the views of the given
// regions (all, when none is named) have applied their whole local logs.
func (w *World) AwaitApplied(names ...string) {
	w.T.Helper()
	w.AwaitMirrored()
	if len(names) == 0 {
		names = w.Topology.Names()
	}
	for _, name := range names {
		w.awaitView(name)
	}
}

func (w *World) awaitView(name string) {
	w.T.Helper()
	db := w.openView(name)
	defer db.Close()
	log, err := w.openLog(name)
	w.check(err)
	defer log.Close()
	ends, err := log.Ends(context.Background(), w.Topology.Topics()...)
	w.check(err)
	w.Await("view of "+name+" at the end of its logs", func() bool { return w.behind(db, ends) == 0 })
}

// behind counts the records that a view has not applied; -1 when it does not
// answer.
func (w *World) behind(db *view.DB, ends map[wal.Partition]int64) (n int64) {
	for _, topic := range w.Topology.Topics() {
		positions, err := db.Positions(context.Background(), topic, partitions()...)
		if err != nil {
			return -1
		}
		for _, p := range positions {
			n += ends[wal.Partition{Topic: topic, Index: p.Partition}] - p.Offset
		}
	}
	return n
}

func partitions() []int32 {
	all := make([]int32, geo.Partitions)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// View opens a region's view until the end of the test.
func (w *World) View(name string) *view.DB {
	w.T.Helper()
	db := w.openView(name)
	w.T.Cleanup(func() { db.Close() })
	return db
}

func (w *World) openView(name string) *view.DB {
	w.T.Helper()
	endpoint, _ := w.Cluster().Region(w.region(name).Name)
	db, err := view.Open(view.Config{URL: endpoint.RedisURL.Reveal(), DB: -1, Dial: w.DialRedis})
	w.check(err)
	return db
}
