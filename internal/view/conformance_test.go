package view

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
)

// TestVectors applies each published vector in random orders and cuts.
func TestVectors(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		for _, v := range loadVectors(t) {
			t.Run(v.Name, func(t *testing.T) {
				for seed := range uint64(6) {
					flush(t, db)
					rng := seeded(seed)
					f := newFeed(t, db)
					f.now, f.noFold = v.Now, seed%2 == 1
					order := v.Events
					if seed > 0 {
						order = crdttest.Shuffle(rng, v.Events)
					}
					for _, part := range crdttest.Batches(rng, order, len(order)) {
						f.apply(part...)
					}
					want := canonical([]crdt.View{v.View})
					if v.View.Empty() {
						want = ""
					}
					if got := canonical(f.views(v.Now)); got != want {
						t.Fatalf("seed %d\n got %s\nwant %s\norder:\n%s", seed, got, want, describe(order))
					}
				}
			})
		}
	})
}

// TestRandomHistories compares whole views with the model's, over orders,
// duplicates, batch cuts and folding.
func TestRandomHistories(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		rounds := uint64(15)
		if e.real {
			rounds = 80
		}
		if testing.Short() {
			rounds = 20
		}
		db := openDB(t, e.url)
		repairs := 0
		for seed := range rounds {
			repairs += compareHistory(t, db, seed, crdttest.Options{})
			if t.Failed() {
				return
			}
		}
		t.Logf("%d histories, %d repairs", rounds, repairs)
	})
}

func compareHistory(t *testing.T, db *DB, seed uint64, o crdttest.Options) (repairs int) {
	t.Helper()
	rng := seeded(seed)
	events := crdttest.Generate(rng, o)
	now, logical := crdttest.DefaultNow, true
	if o.NowMS != 0 {
		now, logical = o.NowMS, false
	}
	want := canonical(crdt.Fold(events, now))
	for permutation := range 3 {
		flush(t, db)
		f := newFeed(t, db)
		f.now, f.logical, f.noFold = now, logical, rng.IntN(2) == 0
		order := crdttest.Shuffle(rng, events)
		if permutation == 2 {
			order = crdttest.Interleave(rng, events)
		}
		most := []int{1, 7, 60, len(order)}[rng.IntN(4)]
		for _, part := range crdttest.Batches(rng, order, most) {
			f.apply(part...)
		}
		repairs += f.repairs
		if got := canonical(f.views(now)); got != want {
			t.Errorf("seed %d permutation %d (most %d, noFold %v)\n got %s\nwant %s\norder:\n%s",
				seed, permutation, most, f.noFold, got, want, describe(order))
			return repairs
		}
		if checkSidecars(t, db, events); t.Failed() {
			t.Errorf("seed %d permutation %d (most %d, noFold %v)\norder:\n%s", seed, permutation, most, f.noFold, describe(order))
			return repairs
		}
	}
	return repairs
}

// TestNativeExpiry compares the same with expiries that the server carries out:
// what is over at the time of writing must be gone, must not come back, and the
// rest must carry the exact time.
func TestNativeExpiry(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		rounds := uint64(8)
		if e.real {
			rounds = 40
		}
		db := openDB(t, e.url)
		server, _, err := db.Time(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for seed := range rounds {
			o := crdttest.Options{
				NowMS: server.Add(time.Hour).UnixMilli(), // so that nothing expires while the test runs
				Keys:  [][]byte{[]byte("a"), []byte("b")},
				Ops:   []event.Op{event.OpSet, event.OpSet, event.OpIncr, event.OpIncr, event.OpIncr, event.OpSAdd, event.OpDel},
			}
			compareHistory(t, db, 3000+seed, o)
			compareTTLs(t, db, e.real, "a", "b")
			if t.Failed() {
				return
			}
		}
	})
}

// compareTTLs checks that the native time to live is meta exp, wherever the
// string lives.
func compareTTLs(t *testing.T, db *DB, exact bool, keys ...string) {
	t.Helper()
	ctx := context.Background()
	for _, key := range keys {
		meta := db.clients.read.HGetAll(ctx, key+metaSuffix).Val()
		name := key
		if meta["t"] != "r" {
			name += ":~r"
		}
		want := int64(-1)
		switch n := db.clients.read.Exists(ctx, name).Val(); {
		case n == 0:
			continue
		case meta["exp"] != "" && meta["af"] == "":
			want, _ = strconv.ParseInt(meta["exp"], 10, 64)
		}
		got, err := db.clients.read.Do(ctx, "PEXPIRETIME", name).Int64()
		if err != nil {
			t.Fatal(err)
		}
		if !exact && want > 0 { // the embedded server keeps durations, not times
			if drift := got - want; drift >= 0 && drift < 60_000 || want > 1<<47 {
				got = want
			}
		}
		if got != want {
			t.Errorf("%q expires natively at %d, meta says %d", name, got, want)
		}
	}
}

// TestCounters drives few keys with hundreds of increments, so that rings
// overflow, sums are built and late barriers need repair.
func TestCounters(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		rounds := uint64(2)
		if e.real {
			rounds = 12
		}
		db := openDB(t, e.url)
		repairs := 0
		for seed := range rounds {
			repairs += compareHistory(t, db, 1000+seed, crdttest.Options{
				Events: 500, Keys: [][]byte{[]byte("n")}, SpanMS: 2000,
				Ops: append(slices.Repeat([]event.Op{event.OpIncr}, 250), event.OpSet, event.OpSet, event.OpDel),
			})
			if t.Failed() {
				return
			}
		}
		if repairs == 0 && e.real {
			t.Fatal("no history needed a repair: the test has lost its purpose")
		}
		t.Logf("%d histories, %d repairs", rounds, repairs)
	})
}

// TestStreams drives few keys with entries in any order, deletions, trims and barriers.
func TestStreams(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		rounds := uint64(3)
		if e.real {
			rounds = 15
		}
		db := openDB(t, e.url)
		for seed := range rounds {
			compareHistory(t, db, 2000+seed, crdttest.Options{
				Events: 150, Keys: [][]byte{[]byte("s")}, SpanMS: 1000,
				Ops: append(slices.Repeat([]event.Op{event.OpXAdd}, 30), event.OpDel, event.OpXDel, event.OpXDel, event.OpXTrim, event.OpIncr),
			})
			if t.Failed() {
				return
			}
		}
	})
}
