package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view/redistest"
)

// ev makes an event; at is milliseconds before testNow when negative.
func ev(region int, at int64, key string, args event.Args) event.Event {
	name := []string{"us", "eu", "ap"}[region]
	return event.Event{ID: fmt.Sprintf("%s%d%s", name, at, key), Origin: name, Key: []byte(key), Args: args,
		HLC:  hlc.Timestamp{Physical: testNow + at, Logical: 1, Region: uint8(region)},
		Lane: lane.ID{Slot: 1, Incarnation: 1}, Seq: at + 1_000_000}
}

func set(v string) event.Set { return event.Set{Value: []byte(v)} }

func incr(n int64) event.Incr { return event.Incr{Delta: n} }

func sadd(members ...string) event.SAdd { return event.SAdd{Members: split(members)} }

func split(texts []string) (out [][]byte) {
	for _, s := range texts {
		out = append(out, []byte(s))
	}
	return out
}

// batchAt makes a batch of one range.
func batchAt(from, to int64, events ...event.Event) *Batch {
	b := NewBatch(testNow, true)
	for _, e := range events {
		b.Add(e)
	}
	b.Ranges = []Range{{Topic: testTopic, From: from, To: to}}
	return b
}

func mustApply(t *testing.T, db *DB, b *Batch) []event.Outcome {
	t.Helper()
	out, err := db.Apply(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readString(t *testing.T, db *DB, key string) string {
	t.Helper()
	v, err := db.Read(context.Background(), []byte(key), ReadOptions{Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	return string(v.String)
}

// snapshot is everything in the database, to prove that nothing was written.
func snapshot(t *testing.T, db *DB) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	for _, name := range allNames(t, db) {
		kind := db.clients.read.Type(ctx, name).Val()
		fmt.Fprintf(&b, "%q %s ", name, kind)
		switch kind {
		case "string":
			fmt.Fprintln(&b, db.clients.read.Get(ctx, name).Val())
		case "hash":
			fmt.Fprintln(&b, db.clients.read.HGetAll(ctx, name).Val())
		}
	}
	return b.String()
}

func TestPositionMovesWithTheData(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		id := lane.ID{Slot: 3, Incarnation: 17}
		b := batchAt(0, 5, ev(0, -9, "k", set("v")))
		b.Ranges[0].Lanes = map[lane.ID]lane.Set{id: lane.SetOf(lane.Interval{Lo: 1, Hi: 5})}
		b.Ranges[0].HLC = hlc.Timestamp{Physical: testNow - 9, Logical: 1}
		b.Ranges = append(b.Ranges, Range{Topic: "eu.events", From: 0, To: 2})
		if got := mustApply(t, db, b); !slices.Equal(got, []event.Outcome{event.Applied}) {
			t.Fatalf("outcomes %v", got)
		}
		p, err := db.Position(ctx, testTopic, 0, id, lane.ID{Slot: 9, Incarnation: 9})
		if err != nil {
			t.Fatal(err)
		}
		if p.Offset != 5 || p.Torn() || p.Marks[0] != 1 || p.HLC != b.Ranges[0].HLC || len(p.Lanes) != 1 || p.Lanes[id].String() != "1-5" {
			t.Fatalf("position %+v", p)
		}
		all, err := db.Positions(ctx, "eu.events", 0, 1)
		if err != nil || all[0].Offset != 2 || all[1].Offset != 0 {
			t.Fatalf("positions %+v, %v", all, err)
		}
		// a smaller stamp does not lower the position's
		b = batchAt(5, 6)
		b.Ranges[0].HLC = hlc.Timestamp{Physical: 5}
		mustApply(t, db, b)
		if p, _ = db.Position(ctx, testTopic, 0); p.HLC.Physical != testNow-9 {
			t.Fatalf("greatest stamp fell to %v", p.HLC)
		}
	})
}

// A batch that does not start at the position has no effect, so zombies and
// resent batches cannot apply twice (D10).
func TestStaleBatchesChangeNothing(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		mustApply(t, db, batchAt(0, 1, ev(0, -9, "n", incr(1))))
		before := snapshot(t, db)
		for _, from := range []int64{0, 2} {
			if _, err := db.Apply(ctx, batchAt(from, 3, ev(0, -8, "n", incr(1)))); !errors.Is(err, ErrStale) {
				t.Fatalf("from %d: %v", from, err)
			}
		}
		if after := snapshot(t, db); after != before {
			t.Fatalf("before\n%s\nafter\n%s", before, after)
		}
	})
}

func TestHoldStopsApplies(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		if err := db.clients.apply.Set(ctx, holdKey, "1", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Apply(ctx, batchAt(0, 1, ev(0, -9, "k", set("v")))); !errors.Is(err, ErrHold) {
			t.Fatal(err)
		}
		if err := db.clients.apply.Del(ctx, holdKey).Err(); err != nil {
			t.Fatal(err)
		}
		mustApply(t, db, batchAt(0, 1, ev(0, -9, "k", set("v"))))
	})
}

func TestTornBatchIsCorrupt(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		mustApply(t, db, batchAt(0, 1, ev(0, -9, "k", set("v"))))
		db.clients.apply.HIncrBy(ctx, posKey(testTopic, 0), "b", 1)
		before := snapshot(t, db)
		var corrupt *CorruptError
		if _, err := db.Apply(ctx, batchAt(1, 2, ev(0, -8, "k", set("w")))); !errors.As(err, &corrupt) || corrupt.Topic != testTopic {
			t.Fatal(err)
		}
		if after := snapshot(t, db); after != before {
			t.Fatalf("before\n%s\nafter\n%s", before, after)
		}
	})
}

func TestFlushedScriptsAreLoadedAgain(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		for i := range int64(5) {
			if err := db.clients.apply.ScriptFlush(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			mustApply(t, db, batchAt(i, i+1, ev(0, -9+i, "n", incr(1))))
			db.clients.apply.ScriptFlush(ctx)
			if got, err := db.ReadMany(ctx, [][]byte{[]byte("n"), []byte("none")}, ReadOptions{Now: testNow}); err != nil || string(got[0].String) != fmt.Sprint(i+1) {
				t.Fatalf("%v %v", got, err)
			}
		}
	})
}

// Refusals of the server leave no trace: the first write of the script fails.
func TestServerThatRefusesWrites(t *testing.T) {
	ctx := context.Background()
	states := []struct {
		name       string
		on, off    []any
		wantStates []string
	}{
		{"replica", []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}, []string{"READONLY", "MASTERDOWN"}},
		{"full", []any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}, []string{"OOM"}},
		{"too few replicas", []any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}, []string{"NOREPLICAS"}},
	}
	db := openDB(t, redistest.Start(t).URL)
	mustApply(t, db, batchAt(0, 1, ev(0, -9, "n", incr(1))))
	before := snapshot(t, db)
	for _, s := range states {
		if err := db.clients.read.Do(ctx, s.on...).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := db.Apply(ctx, batchAt(1, 2, ev(0, -8, "n", incr(1)), ev(0, -7, "s", sadd("a"))))
		var blocked *BlockedError
		if !errors.As(err, &blocked) || !slices.Contains(s.wantStates, blocked.State) {
			t.Errorf("%s: %v", s.name, err)
		}
		if err := db.clients.read.Do(ctx, s.off...).Err(); err != nil {
			t.Fatal(err)
		}
		if after := snapshot(t, db); after != before {
			t.Errorf("%s\nbefore\n%s\nafter\n%s", s.name, before, after)
		}
	}
	mustApply(t, db, batchAt(1, 2, ev(0, -8, "n", incr(1))))
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	ctx := context.Background()
	onEngines(t, func(t *testing.T, e engine) {
		if err := openDB(t, e.url).Check(ctx); err != nil {
			t.Fatal(err)
		}
	})
	db := openDB(t, redistest.Start(t).URL)
	db.clients.read.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru")
	if err := db.Check(ctx); fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Fatal(err)
	}
	gone := openDB(t, "redis://user:secret@127.0.0.1:1")
	if err := gone.Check(ctx); fail.CodeOf(err) != fail.Unavailable || strings.Contains(err.Error(), "secret") {
		t.Fatal(err)
	}
}

// A repair is asked for before anything is written, and the install makes the
// counter exact.
func TestRepairBeforeTheFirstWrite(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		var log []event.Event
		for i := range int64(100) {
			log = append(log, ev(0, -1000+i, "n", incr(1)))
		}
		for i, part := range slices.Collect(slices.Chunk(log, 10)) {
			mustApply(t, db, batchAt(int64(10*i), int64(10*i+10), part...))
		}
		late := ev(1, -981, "n", set("1000")) // newer than 20 increments, older than fold
		other := ev(1, -5, "other", sadd("a"))
		before := snapshot(t, db)
		b := batchAt(100, 102, late, other)
		var repair *RepairError
		if _, err := db.Apply(ctx, b); !errors.As(err, &repair) || len(repair.Keys) != 1 ||
			repair.Keys[0].Since != late.HLC || string(repair.Keys[0].Key) != "n" {
			t.Fatal(err)
		}
		if after := snapshot(t, db); after != before {
			t.Fatalf("before\n%s\nafter\n%s", before, after)
		}
		b.Installs = recount(t, repair.Keys, append(log, late))
		if got := mustApply(t, db, b); !slices.Equal(got, []event.Outcome{event.Applied, event.Applied}) {
			t.Fatalf("outcomes %v", got)
		}
		// the set lies one stamp above the 20th increment's millisecond
		if got := readString(t, db, "n"); got != "1080" {
			t.Fatalf("counter %s, want 1080", got)
		}
		checkSidecars(t, db, append(log, late, other))
	})
}

func TestLeases(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		check := func(what string, got bool, err error, want bool) {
			t.Helper()
			if err != nil || got != want {
				t.Fatalf("%s: %v %v, want %v", what, got, err, want)
			}
		}
		ok, err := db.AcquireSlot(ctx, 7, "a", time.Minute)
		check("acquire", ok, err, true)
		ok, err = db.AcquireSlot(ctx, 7, "b", time.Minute)
		check("acquire a held one", ok, err, false)
		ok, err = db.RenewSlot(ctx, 7, "b", time.Minute)
		check("renew another's", ok, err, false)
		ok, err = db.RenewSlot(ctx, 7, "a", time.Minute)
		check("renew", ok, err, true)
		if err := db.ReleaseSlot(ctx, 7, "b"); err != nil {
			t.Fatal(err)
		}
		if holder, err := db.SlotHolder(ctx, 7); holder != "a" || err != nil {
			t.Fatal(holder, err)
		}
		if err := db.Flush(ctx); err != nil { // a rebuild must not touch leases
			t.Fatal(err)
		}
		if err := db.ReleaseSlot(ctx, 7, "a"); err != nil {
			t.Fatal(err)
		}
		if holder, err := db.SlotHolder(ctx, 7); holder != "" || err != nil {
			t.Fatal(holder, err)
		}

		existing, ok, err := db.ReserveID(ctx, "id-1", []byte("pending by a"), time.Minute)
		check("reserve", ok && existing == nil, err, true)
		existing, ok, err = db.ReserveID(ctx, "id-1", []byte("pending by b"), time.Minute)
		check("reserve again", ok, err, false)
		if string(existing) != "pending by a" {
			t.Fatalf("existing %q", existing)
		}
		ok, err = db.StoreReceipt(ctx, "id-1", []byte("pending by b"), []byte("r"), time.Minute)
		check("store over another's", ok, err, false)
		ok, err = db.StoreReceipt(ctx, "id-1", []byte("pending by a"), []byte("receipt"), time.Minute)
		check("store", ok, err, true)
		if err := db.ReleaseID(ctx, "id-1", []byte("pending by a")); err != nil {
			t.Fatal(err)
		}
		if got, err := db.LookupID(ctx, "id-1"); string(got) != "receipt" || err != nil {
			t.Fatalf("%q %v", got, err)
		}
		if got, err := db.LookupID(ctx, "id-2"); got != nil || err != nil {
			t.Fatalf("%q %v", got, err)
		}
	})
}

func TestPublishSubscribe(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		ctx, cancel := context.WithCancel(context.Background())
		messages, err := db.Subscribe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		db.clients.read.Publish(ctx, ObsChannel, "not ours")
		sent := Applied{Region: "eu", Topic: testTopic, Partition: 3, AtMS: 5,
			Events: []AppliedOutcome{{7, event.Applied}, {8, event.Duplicate}, {9, event.Rejected}}}
		if err := db.Publish(ctx, sent); err != nil {
			t.Fatal(err)
		}
		got := <-messages
		if got.Topic != sent.Topic || !slices.Equal(got.Events, sent.Events) {
			t.Fatalf("got %+v", got)
		}
		cancel()
		for range messages {
		}
	})
}

func TestScanShowsUserKeysOnly(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		mustApply(t, db, batchAt(0, 6,
			ev(0, -9, "a:1", sadd("m")), ev(0, -8, "a:1", incr(1)), ev(0, -7, "a:1", event.HSet{Fields: []event.FieldValue{{Field: []byte("f")}}}),
			ev(0, -6, "a:2", event.XAdd{Fields: []event.FieldValue{{Field: []byte("f")}}}), ev(0, -5, "b", set("v")), ev(0, -4, "a:3", event.Del{})))
		db.clients.apply.Set(ctx, "foreign", "x", 0)
		scanAll := func(match string) (all []string) {
			for cursor := uint64(0); ; {
				keys, next, err := db.Scan(ctx, cursor, match, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range keys {
					all = append(all, string(k))
				}
				if cursor = next; cursor == 0 {
					slices.Sort(all)
					return slices.Compact(all)
				}
			}
		}
		if got := scanAll(""); !slices.Equal(got, []string{"a:1", "a:2", "b"}) {
			t.Fatalf("all: %v", got)
		}
		if got := scanAll("a:*"); !slices.Equal(got, []string{"a:1", "a:2"}) {
			t.Fatalf("a:*: %v", got)
		}
		if n, err := db.KeyCount(ctx); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		if got, err := db.ForeignKeys(ctx, 5); err != nil || len(got) != 1 || !bytes.Equal(got[0], []byte("foreign")) {
			t.Fatalf("foreign %q %v", got, err)
		}
	})
}

// A reply that says no among others that come together is not passed over.
func TestEveryReplyOfAPipelineCounts(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		for broken := range int32(3) {
			flush(t, db)
			db.clients.apply.Set(ctx, posKey(testTopic, broken), "a foreign hand", 0)
			if p, err := db.Positions(ctx, testTopic, 0, 1, 2); err == nil {
				t.Errorf("position %d cannot be read, got %+v", broken, p)
			}
			keys := [][]byte{[]byte("k0"), []byte("k1"), []byte("k2")}
			db.clients.apply.Set(ctx, string(keys[broken])+metaSuffix, "a foreign hand", 0)
			if v, err := db.ReadMany(ctx, keys, ReadOptions{Now: testNow}); err == nil {
				t.Errorf("key %d cannot be read, got %+v", broken, v)
			}
		}
	})
}
