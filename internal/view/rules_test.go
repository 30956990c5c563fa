package view

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view/redistest"
)

// inOrders applies the events in the given order, in reverse, each by itself
// and all in one batch, and compares with the model every time.
func inOrders(t *testing.T, db *DB, events ...event.Event) crdt.View {
	t.Helper()
	reversed := make([]event.Event, len(events))
	for i, e := range events {
		reversed[len(events)-1-i] = e
	}
	var last crdt.View
	for _, order := range [][]event.Event{events, reversed} {
		for _, size := range []int{1, len(order)} {
			flush(t, db)
			f := newFeed(t, db)
			for i := 0; i < len(order); i += size {
				f.apply(order[i:min(i+size, len(order))]...)
			}
			compareWithModel(t, db, order)
			last, _ = db.Read(context.Background(), events[0].Key, ReadOptions{Now: testNow})
		}
	}
	return last
}

func wantString(t *testing.T, v crdt.View, want string) {
	t.Helper()
	if string(v.String) != want || (v.Type == crdt.String) != (want != "") {
		t.Errorf("got %s, want %q", canonical([]crdt.View{v}), want)
	}
}

// D1: two increments in one millisecond differ in the logical part only, which
// a stamp read as one double would lose.
func TestD1IncrementsOfOneMillisecondBothCount(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		a, b := ev(0, -5, "n", incr(1)), ev(0, -5, "n", incr(1))
		b.HLC.Logical, b.Seq = 1<<10|1, a.Seq+1
		wantString(t, inOrders(t, openDB(t, e.url), a, b), "2")
	})
}

// Sums are kept in two limbs of 15 digits: one that ends in a limb of nothing is
// a number all the same, whatever its sign.
func TestSumsThatEndALimb(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		for want, events := range map[string][]event.Event{
			"-1000000000000000": {ev(0, -5, "n", incr(-1e15))},
			"-1000000000000007": {ev(0, -5, "n", incr(-1e15)), ev(1, -4, "n", incr(-7))},
			"-2000000000000000": {ev(0, -5, "n", set("-2000000000000005")), ev(1, -4, "n", incr(5))},
			"1000000000000000":  {ev(0, -5, "n", incr(2e15)), ev(1, -4, "n", incr(-1e15))},
		} {
			wantString(t, inOrders(t, db, events...), want)
		}
	})
}

// A batch may set a field of the key's sidecar, take it away again and set others
// more than once meanwhile: what is stored is what they are in the end. Here a
// SET at the end of int64 comes late, two regions' first increments bring the sum
// back into range, and a SET between them counts on both being known.
func TestSidecarIsStoredAsItEnds(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		f := newFeed(t, db)
		history := []event.Event{
			ev(0, -903, "n", incr(1)), ev(0, -902, "n", incr(1)), ev(0, -901, "n", incr(1)), ev(0, -900, "n", incr(1)),
			ev(0, -950, "n", set("9223372036854775807")), ev(2, -700, "n", incr(-10)), ev(1, -800, "n", incr(-10)),
			ev(0, -850, "n", set("1000")),
		}
		for _, batch := range [][]event.Event{history[:4], history[4:7], history[7:]} {
			f.apply(batch...)
		}
		compareWithModel(t, db, history)
	})
}

// D2: a SET and an increment give one result in either order.
func TestD2SetAndIncrementCommute(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		wantString(t, inOrders(t, db, ev(0, -5, "n", set("100")), ev(1, -4, "n", incr(-1))), "99")
		wantString(t, inOrders(t, db, ev(0, -4, "n", set("100")), ev(1, -5, "n", incr(-1))), "100")
	})
}

// D3: no mix of types raises an error or loses a value.
func TestD3TypeConflictsPark(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		v := inOrders(t, openDB(t, e.url),
			ev(0, -9, "k", set("v")), ev(1, -8, "k", sadd("m")), ev(2, -7, "k", incr(1)),
			ev(0, -6, "k", event.ZAdd{Members: []event.ScoredMember{{Member: []byte("z"), Score: 1}}}),
			ev(1, -5, "k", event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("v")}}}),
			ev(2, -4, "k", event.XAdd{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("v")}}}))
		if v.Type != crdt.Stream || len(v.Parked) != 4 {
			t.Errorf("%s", canonical([]crdt.View{v}))
		}
	})
}

// D4, D5: the newest stamp of a key, over all its types, is there for the
// bridge to witness, whichever process wrote it.
func TestD4D5NewestStampIsToldToBridges(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		f := newFeed(t, db)
		if h, err := db.Newest(ctx, []byte("k")); err != nil || h != (KeyHead{}) {
			t.Fatalf("%+v %v", h, err)
		}
		f.apply(ev(0, -9, "k", set("7")))
		if h, _ := db.Newest(ctx, []byte("k")); h != (KeyHead{crdt.String, ev(0, -9, "k", nil).HLC, true}) {
			t.Fatalf("%+v", h)
		}
		f.apply(ev(2, -3, "k", event.SRem{Members: split([]string{"gone"})}))
		if h, _ := db.Newest(ctx, []byte("k")); h != (KeyHead{crdt.String, ev(2, -3, "k", nil).HLC, true}) {
			t.Fatalf("after a removal that shows nothing: %+v", h)
		}
		f.apply(ev(1, -2, "k", sadd("m")))
		if h, _ := db.Newest(ctx, []byte("k")); h != (KeyHead{crdt.Set, ev(1, -2, "k", nil).HLC, false}) {
			t.Fatalf("%+v", h)
		}
		f.apply(ev(1, -1, "k", event.Del{}))
		if h, _ := db.Newest(ctx, []byte("k")); h != (KeyHead{crdt.None, ev(1, -1, "k", nil).HLC, false}) {
			t.Fatalf("%+v", h)
		}
	})
}

// D6 is TestLateEntriesKeepGroupsRight and TestStreams.

// D7: replaying a SET does not start its time to live again.
func TestD7ExpiryIsAbsolute(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		now, _, err := db.Time(ctx)
		if err != nil {
			t.Fatal(err)
		}
		exp := now.UnixMilli() + 3_600_000
		for _, late := range []int64{0, 1_000_000} {
			flush(t, db)
			b := NewBatch(now.UnixMilli()+late, false)
			b.Add(ev(0, -9, "k", event.Set{Value: []byte("v"), ExpireAtMS: exp}))
			b.Ranges = []Range{{Topic: testTopic, To: 1}}
			mustApply(t, db, b)
			v, err := db.Read(ctx, []byte("k"), ReadOptions{Now: exp - 1})
			if err != nil || v.ExpireAtMS != exp || string(v.String) != "v" {
				t.Fatalf("%+v %v", v, err)
			}
			if v, _ = db.Read(ctx, []byte("k"), ReadOptions{Now: exp}); v.Type != crdt.None {
				t.Fatalf("at its expiry: %+v", v)
			}
		}
		// already over at the time of writing: no PXAT in the past, no value
		b := NewBatch(exp, false)
		b.Add(ev(0, -8, "k", event.Set{Value: []byte("w"), ExpireAtMS: exp}))
		b.Ranges = []Range{{Topic: testTopic, From: 1, To: 2}}
		mustApply(t, db, b)
		if n := db.clients.read.Exists(ctx, "k").Val(); n != 0 {
			t.Fatal("a value past its expiry is there")
		}
	})
}

// An increment of a life that is over does not bring it back; one past the
// expiry starts anew.
func TestIncrementDoesNotResurrect(t *testing.T) {
	db, ctx := openDB(t, redistest.Start(t).URL), context.Background()
	now, _, err := db.Time(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ms := now.UnixMilli()
	at := func(offset int64, args event.Args) event.Event {
		e := ev(0, -9, "n", args)
		e.HLC.Physical = ms + offset
		e.Seq = ms + offset
		return e
	}
	log := []event.Event{at(-100, event.Set{Value: []byte("5"), ExpireAtMS: ms + 3_600_000}), at(-50, incr(1)), at(3_600_005, incr(3))}
	step := func(i int) string {
		b := NewBatch(ms, false)
		b.Add(log[i])
		b.Ranges = []Range{{Topic: testTopic, From: int64(i), To: int64(i + 1)}}
		mustApply(t, db, b)
		return db.clients.read.Get(ctx, "n").Val()
	}
	step(0)
	db.clients.apply.PExpire(ctx, "n", 0) // the server's clock runs ahead: it has expired there
	if got := step(1); got != "" {
		t.Fatalf("an expired life came back with %q", got)
	}
	if got := step(2); got != "3" {
		t.Fatalf("new life %q, want 3", got)
	}
	if ttl := db.clients.read.PTTL(ctx, "n").Val(); ttl != -1 {
		t.Fatalf("the new life has a time to live of %v", ttl)
	}
}

// D8: SET and DEL bury set, sorted set, hash, stream and counter, sidecars included.
func TestD8BarriersReachEverySidecar(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		var log []event.Event
		for i, args := range []event.Args{
			sadd("m"), event.ZAdd{Members: []event.ScoredMember{{Member: []byte("z"), Score: 1}}},
			event.HSet{Fields: []event.FieldValue{{Field: []byte("f")}}}, event.SRem{Members: split([]string{"r"})},
			event.XAdd{Fields: []event.FieldValue{{Field: []byte("f")}}}, incr(3), event.XTrim{MinID: event.StreamID{MS: 1}},
			event.XDel{IDs: []event.StreamID{{MS: 1}}},
		} {
			log = append(log, ev(i%3, int64(-50+i), "k", args))
		}
		log = append(log, ev(0, -10, "k", event.Del{}))
		inOrders(t, db, log...)
		if names := allNames(t, db); fmt.Sprint(names) != "[geokv:pos:us.events:0 k:meta]" {
			t.Errorf("left after DEL: %q", names)
		}
		log[len(log)-1] = ev(0, -10, "k", set("v"))
		inOrders(t, db, log...)
		if names := allNames(t, db); fmt.Sprint(names) != "[geokv:pos:us.events:0 k k:meta]" {
			t.Errorf("left after SET: %q", names)
		}
		meta := db.clients.read.HGetAll(ctx, "k:meta").Val()
		for _, field := range []string{"ms", "mz", "mh", "mx", "xf", "cr", "E", "af"} {
			if meta[field] != "" {
				t.Errorf("meta %s is left: %q", field, meta[field])
			}
		}
	})
}

// D9: no user key can be another key's sidecar.
func TestD9SidecarNamesAreReserved(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		rng := seeded(9)
		f := newFeed(t, db)
		for _, part := range crdttest.Batches(rng, crdttest.Generate(rng, crdttest.Options{Events: 300}), 20) {
			f.apply(part...)
		}
		keys := keysOf(f.log)
		for _, name := range allNames(t, db) {
			if keys[name] == nil && !event.ReservedKey([]byte(name)) {
				t.Errorf("geokv wrote %q, which a user may write too", name)
			}
		}
	})
}

// D10 is TestStaleBatchesChangeNothing and TestPositionMovesWithTheData.

// D11: a stamp from the far future wins until a later one, in either order.
func TestD11FutureStampWinsUntilALaterOne(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		far := ev(0, 1<<45, "k", set("far"))
		wantString(t, inOrders(t, db, far, ev(1, -4, "k", set("now"))), "far")
		later := ev(1, 1<<45+1, "k", set("later"))
		wantString(t, inOrders(t, db, far, later), "later")
	})
}

// D12: stamps compare as numbers, byte values from 0x00 to 0xff included, and
// equal times fall to the region index, whatever the server's collation.
func TestD12StampsCompareAsNumbers(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		for _, pair := range [][2]int64{{0x7f, 0x80}, {0xff, 0x100}, {0x41, 0x61}, {0x5a, 0x61}} {
			a, b := ev(2, 0, "k", set("older")), ev(0, 0, "k", set("newer"))
			a.HLC.Physical, b.HLC.Physical = testNow&^0xffff|pair[0], testNow&^0xffff|pair[1]
			b.Seq++
			wantString(t, inOrders(t, db, a, b), "newer")
		}
		us, eu, ap := ev(0, -5, "k", set("us")), ev(1, -5, "k", set("eu")), ev(2, -5, "k", set("ap"))
		wantString(t, inOrders(t, db, us, eu, ap), "ap")
	})
}

// TestAllPairsBothOrders applies every pair of operations in both orders, alone
// and in one batch.
func TestAllPairsBothOrders(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		for _, first := range event.Ops() {
			for _, second := range event.Ops() {
				rng := seeded(uint64(len(first))*31 + uint64(second[0]))
				events := crdttest.Generate(rng, crdttest.Options{
					Events: 2, Keys: [][]byte{[]byte("k")}, Ops: []event.Op{first, second}, NowMS: testNow,
				})
				inOrders(t, db, events...)
				if t.Failed() {
					t.Fatalf("%s %s\n%s", first, second, describe(events))
				}
			}
		}
	})
}

// TestTies: equal stamps, which well-run producers never make, are decided by
// content, in every order.
func TestTies(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		field := func(v string) event.HSet {
			return event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte(v)}}}
		}
		score := func(x float64) event.ZAdd {
			return event.ZAdd{Members: []event.ScoredMember{{Member: []byte("m"), Score: x}}}
		}
		entry := func(v string) event.XAdd {
			return event.XAdd{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte(v)}}}
		}
		for i, pair := range [][2]event.Args{
			{set("a"), set("b")}, {set("5"), set("10")}, {set("a"), event.Del{}},
			{event.Set{Value: []byte("a"), ExpireAtMS: testNow + 5}, set("a")},
			{sadd("m"), event.SRem{Members: split([]string{"m"})}}, {incr(1), incr(1)},
			{field("a"), field("a\xff")}, {field("b"), event.HDel{Fields: split([]string{"f"})}},
			{score(9), score(10)}, {score(0.1), score(1e-7)}, {score(1e21), score(-1e21)}, {score(2.5), score(25)}, {score(math.Inf(1)), score(5)}, {score(math.Inf(-1)), score(-5)},
			{entry("a"), entry("b")},
		} {
			a, b := ev(0, -5, "k", pair[0]), ev(0, -5, "k", pair[1])
			b.Lane.Slot, b.Seq = 2, 77
			more := ev(1, -4, "k", incr(1))
			newest := ev(1, -3, "k", entry("newest"))
			inOrders(t, db, a, b)
			inOrders(t, db, a, more, b)
			inOrders(t, db, a, newest, b)
			if t.Failed() {
				t.Fatalf("pair %d: %v", i, pair)
			}
		}
	})
}

// Large elements, a full operation and a thousand fields pass Lua's limits.
func TestLargeOperations(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		var members [][]byte
		var fields []event.FieldValue
		for i := range event.MaxElements {
			members = append(members, fmt.Appendf(nil, "%d", i))
			fields = append(fields, event.FieldValue{Field: fmt.Appendf(nil, "f%d", i), Value: []byte("v")})
		}
		log := []event.Event{
			ev(0, -9, "k", event.SAdd{Members: members}), ev(0, -8, "k", event.HSet{Fields: fields}),
			ev(0, -6, "k", event.XAdd{Fields: fields}), ev(0, -7, "k", event.XAdd{Fields: fields}),
			ev(0, -5, "k", event.SRem{Members: members[:999]}),
			ev(0, -4, "k", event.HSet{Fields: []event.FieldValue{{Field: []byte("big"), Value: bytes.Repeat([]byte{0, 255}, event.MaxValueBytes/2)}}}),
		}
		inOrders(t, db, log...)
	})
}
