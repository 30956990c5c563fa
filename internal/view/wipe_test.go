package view

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/geo"
)

// spreadKeys are keys in every partition; half of them could be the stem of
// another's sidecars.
func spreadKeys() (keys []string) {
	for i := range 30 {
		keys = append(keys, fmt.Sprint("key:", i), fmt.Sprintf("key:%d:seq", i))
	}
	return keys
}

// spread fills partitions 0 to 11 with random keys, each event in the partition
// of its key, and leaves long work and a foreign key in every one.
func spread(t *testing.T, db *DB) {
	t.Helper()
	ctx := context.Background()
	var keys [][]byte
	for _, key := range spreadKeys() {
		keys = append(keys, []byte(key))
	}
	offsets := map[int32]int64{}
	for _, e := range crdttest.Generate(seeded(5), crdttest.Options{Events: 400, Keys: keys}) {
		p := geo.PartitionOf(e.Key)
		b := NewBatch(testNow, true)
		b.Add(e)
		b.Ranges = []Range{{Topic: testTopic, Partition: p, From: offsets[p], To: offsets[p] + 1}}
		if offsets[p]++; p%2 == 0 {
			b.Ranges = append(b.Ranges, Range{Topic: "eu.events", Partition: p, From: offsets[p] - 1, To: offsets[p]})
		}
		mustApply(t, db, b)
	}
	for p := range int32(geo.Partitions) {
		db.clients.apply.HSet(ctx, dirtyKey(p), "i:x", "in")
		db.clients.apply.XAdd(ctx, xaddArgs(dirtyKey(p)+":late:x"))
	}
	db.clients.apply.Set(ctx, "foreign", "1", 0)
}

// left maps each partition to the names in it; -1 is what belongs to none.
func left(t *testing.T, db *DB) map[int32][]string {
	out := map[int32][]string{}
	for _, name := range allNames(t, db) {
		p := int32(-1)
		switch {
		case strings.HasPrefix(name, "geokv:"):
			for _, word := range strings.Split(name, ":") {
				fmt.Sscan(word, &p)
			}
		case name != "foreign":
			owner, ok := ownerAmong(spreadKeys(), name)
			if !ok {
				t.Errorf("%q belongs to no key", name)
			}
			p = geo.PartitionOf([]byte(owner))
		}
		out[p] = append(out[p], name)
	}
	return out
}

// A wipe takes one partition with everything and touches no other, is refused
// while the partition is whole, and leaves the partition torn when it is cut
// off, wherever that happens.
func TestWipePartition(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		spread(t, db)
		before := left(t, db)
		if len(before) != geo.Partitions+1 {
			t.Fatalf("%d partitions hold something", len(before))
		}
		const p = 1 // and not 10 or 11
		if err := db.WipePartition(ctx, p, testTopic, "eu.events"); !errors.Is(err, ErrStale) {
			t.Fatalf("a whole partition: %v", err)
		}
		db.clients.apply.HIncrBy(ctx, posKey(testTopic, p), "b", 1)
		for cut := 1; ; cut++ {
			stopped, cancel := context.WithCancel(ctx)
			hook := &cutAfter{n: cut, cancel: cancel}
			db.clients.apply.AddHook(hook)
			err := db.WipePartition(stopped, p, testTopic, "eu.events")
			hook.n = -1
			cancel()
			if err == nil {
				break
			}
			pos, err := db.Positions(ctx, testTopic, p)
			if err != nil || !pos[0].Torn() {
				t.Fatalf("cut at %d: position %+v, %v", cut, pos, err)
			}
			var corrupt *CorruptError
			for _, topic := range []string{testTopic, "eu.events"} {
				b := NewBatch(testNow, true)
				b.Ranges = []Range{{Topic: topic, Partition: p}}
				if _, err := db.Apply(ctx, b); cut > 1 && !errors.As(err, &corrupt) {
					t.Fatalf("cut at %d: a batch of %s is answered %v", cut, topic, err)
				}
			}
		}
		after := left(t, db)
		if len(after[p]) > 0 {
			t.Errorf("left: %q", after[p])
		}
		for q, names := range before {
			if q != p && fmt.Sprint(names) != fmt.Sprint(after[q]) {
				t.Errorf("partition %d held %q, holds %q", q, names, after[q])
			}
		}
		mustApply(t, db, func() *Batch {
			b := NewBatch(testNow, true)
			b.Ranges = []Range{{Topic: testTopic, Partition: p, From: 0, To: 1}}
			return b
		}())
	})
}

// Of two that wipe, the one that came first stops: it must not remove what was
// read again after the other had finished.
func TestWipeIsTakenOver(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		key := keyIn(1)
		b := NewBatch(testNow, true)
		b.Ranges = []Range{{Topic: testTopic, Partition: 1, From: 0, To: 1}}
		b.Add(ev(0, -9, key, set("v")))
		mustApply(t, db, b)
		db.clients.apply.HIncrBy(ctx, posKey(testTopic, 1), "b", 1)
		first := &wipe{db: db, partition: 1, positions: []string{posKey(testTopic, 1)}, token: "-5"}
		if err := first.step(ctx, "tear", dirtyKey(1)); err != nil {
			t.Fatal(err)
		}
		if err := db.WipePartition(ctx, 1, testTopic); err != nil {
			t.Fatal(err)
		}
		mustApply(t, db, b)
		for _, step := range []string{"drop", "end"} {
			if err := first.step(ctx, step, key, key+metaSuffix); !errors.Is(err, ErrStale) {
				t.Fatalf("%s after the other had finished: %v", step, err)
			}
		}
		if got := readString(t, db, key); got != "v" {
			t.Fatalf("the key holds %q", got)
		}
	})
}

func keyIn(partition int32) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("k", i); geo.PartitionOf([]byte(key)) == partition {
			return key
		}
	}
}

func xaddArgs(stream string) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: stream, ID: "1-1", Values: []string{"f", "v"}}
}

// cutAfter ends a context after n commands.
type cutAfter struct {
	n      int
	cancel context.CancelFunc
}

func (c *cutAfter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *cutAfter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if c.n--; c.n == 0 {
			c.cancel()
		}
		return err
	}
}

func (c *cutAfter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
