package view

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view/redistest"
)

func xadd(at int64, value string) event.Event {
	return ev(0, at, "s", event.XAdd{Fields: []event.FieldValue{{Field: []byte("n"), Value: []byte(value)}}})
}

func idOf(e event.Event) string { return event.IDFromHLC(e.HLC).String() }

// TestLateEntriesKeepGroupsRight inserts entries behind a group's position on a
// real server: positions, pending entries and lag stay what they are, last id
// and counters too (D6).
func TestLateEntriesKeepGroupsRight(t *testing.T) {
	db, ctx := openDB(t, redistest.Start(t).URL), context.Background()
	c := db.clients.read
	var log []event.Event
	for i := range int64(40) {
		log = append(log, xadd(-1000+10*i, strconv.FormatInt(i, 10)))
	}
	mustApply(t, db, batchAt(0, 40, log...))
	c.XGroupCreate(ctx, "s", "g", "0")
	read := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Count: 30}).Val()
	for _, m := range read[0].Messages[:20] {
		c.XAck(ctx, "s", "g", m.ID)
	}
	pending := c.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: "s", Group: "g", Start: "-", End: "+", Count: 100}).Val()
	before := c.XInfoStream(ctx, "s").Val()

	behind := []event.Event{xadd(-999, "late-a"), xadd(-895, "late-b")} // before the group's position
	ahead := []event.Event{xadd(-655, "late-c")}                        // after it
	mustApply(t, db, batchAt(40, 41, behind[0]))
	mustApply(t, db, batchAt(41, 44, ahead[0], behind[1], xadd(-5, "newest")))

	after := c.XInfoStream(ctx, "s").Val()
	if after.EntriesAdded != before.EntriesAdded+4 || after.LastGeneratedID != idOf(xadd(-5, "")) || after.Length != 44 {
		t.Errorf("stream before %+v\nafter %+v", before, after)
	}
	group := c.XInfoGroups(ctx, "s").Val()[0]
	if group.LastDeliveredID != idOf(log[29]) || group.EntriesRead != 32 || group.Lag != 12 || group.Pending != 10 {
		t.Errorf("group %+v", group)
	}
	left := c.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: "s", Group: "g", Start: "-", End: "+", Count: 100}).Val()
	if len(left) != len(pending) {
		t.Fatalf("%d pending, want %d", len(left), len(pending))
	}
	for i := range left {
		if left[i].ID != pending[i].ID || left[i].Consumer != pending[i].Consumer || left[i].RetryCount != pending[i].RetryCount {
			t.Errorf("pending %+v, want %+v", left[i], pending[i])
		}
	}
	var late []string
	for _, m := range c.XRange(ctx, "s:~late", "-", "+").Val() {
		late = append(late, m.Values["id"].(string))
	}
	slices.Sort(late)
	want := []string{idOf(behind[0]), idOf(behind[1]), idOf(ahead[0])}
	slices.Sort(want)
	if !slices.Equal(late, want) {
		t.Errorf("late list %v, want %v", late, want)
	}
	next := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Count: 100}).Val()
	if len(next[0].Messages) != 12 {
		t.Errorf("%d entries left to deliver, want 12", len(next[0].Messages))
	}
	all := append(slices.Concat(log, behind, ahead), xadd(-5, "newest"))
	compareWithModel(t, db, all)
}

func compareWithModel(t *testing.T, db *DB, events []event.Event) {
	t.Helper()
	var keys [][]byte
	for key := range keysOf(events) {
		keys = append(keys, []byte(key))
	}
	slices.SortFunc(keys, func(a, b []byte) int { return slices.Compare(a, b) })
	got, err := db.ReadMany(context.Background(), keys, ReadOptions{Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, crdt.View.Empty)
	want := crdt.Fold(events, testNow)
	if g, w := canonical(got), canonical(want); g != w {
		t.Errorf("views differ\n got %.2000s\nwant %.2000s", g, w)
	}
	checkSidecars(t, db, events)
}

// A stream emptied by deletions is absent, keeps its groups, and takes entries
// of any age again.
func TestEmptiedStream(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		for _, withGroup := range []bool{false, true} {
			flush(t, db)
			one, two := xadd(-100, "1"), xadd(-90, "2")
			mustApply(t, db, batchAt(0, 2, one, two))
			if withGroup {
				db.clients.read.XGroupCreate(ctx, "s", "g", "0")
			}
			gone := ev(1, -80, "s", event.XDel{IDs: []event.StreamID{event.IDFromHLC(one.HLC), event.IDFromHLC(two.HLC)}})
			mustApply(t, db, batchAt(2, 3, gone))
			if v, _ := db.Read(ctx, []byte("s"), ReadOptions{Now: testNow}); v.Type != crdt.None {
				t.Fatalf("emptied stream shows %+v", v)
			}
			if n := db.clients.read.Exists(ctx, "s").Val(); (n == 1) != withGroup {
				t.Fatalf("group %v: the stream exists: %d", withGroup, n)
			}
			late := xadd(-95, "late")
			set := ev(2, -99, "s", sadd("m"))
			mustApply(t, db, batchAt(3, 4, set))
			mustApply(t, db, batchAt(4, 5, late))
			compareWithModel(t, db, []event.Event{one, two, gone, late, set})
			if withGroup && len(db.clients.read.XInfoGroups(ctx, "s").Val()) != 1 {
				t.Fatal("the group is gone")
			}
		}
	})
}

// Trims and barriers after rebuilds delete exactly what they must; XTRIM would
// stop at deleted slots.
func TestTrimAfterRebuild(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		var log []event.Event
		offset := int64(0)
		apply := func(events ...event.Event) {
			log = append(log, events...)
			mustApply(t, db, batchAt(offset, offset+1, events...))
			offset++
		}
		for i := range int64(150) {
			apply(xadd(-2000+10*i, "even"))
		}
		for i := int64(149); i > 100; i-- {
			apply(xadd(-2005+10*i, "odd"))
		}
		compareWithModel(t, db, log)
		apply(ev(1, -3, "s", event.XTrim{MinID: event.StreamID{MS: uint64(testNow - 800)}}))
		compareWithModel(t, db, log)
		apply(ev(1, -700, "s", event.Del{}))
		compareWithModel(t, db, log)
	})
}

// TestLongWorkInterrupted splits containers of more elements than one script may
// walk, with the connection lost between chunks, and finishes before the next batch.
func TestLongWorkInterrupted(t *testing.T) {
	db, ctx := openDB(t, redistest.Start(t).URL), context.Background()
	const n = 21_000
	var log []event.Event
	offset := int64(0)
	feedAll := func(events []event.Event) {
		for part := range slices.Chunk(events, 250) {
			mustApply(t, db, batchAt(offset, offset+1, part...))
			offset++
		}
		log = append(log, events...)
	}
	var bulk []event.Event
	for i := range int64(n / 1000) {
		var members []event.ScoredMember
		for j := range int64(1000) {
			members = append(members, event.ScoredMember{Member: fmt.Appendf(nil, "%d-%d", i, j), Score: float64(j)})
		}
		bulk = append(bulk, ev(0, -50_000+i, "z", event.ZAdd{Members: members}))
	}
	for i := range int64(n) {
		bulk = append(bulk, xadd(-40_000+i, "x"))
	}
	feedAll(bulk)
	last := []event.Event{
		ev(1, -100, "z", event.ZAdd{Members: []event.ScoredMember{{Member: []byte("0-5"), Score: 7}, {Member: []byte("new"), Score: 8}}}),
		xadd(-99, "newest"),
	}
	feedAll(last)
	db.clients.read.Do(ctx, "XGROUP", "CREATE", "s", "g", idOf(bulk[len(bulk)-1]), "ENTRIESREAD", n)

	cuts := []event.Event{
		ev(2, -49_990, "z", event.Del{}),                       // kills about half, by scan
		xadd(-45_000, "late-before-all"), xadd(-39_000, "dup"), // tail of more than 20,000
		xadd(-50, "in-order"),
	}
	cuts[2].HLC.Logical++ // a place of its own between two entries
	cuts[2].Seq += 5_000_000
	applyWithoutSweep(t, db, batchAt(offset, offset+1, cuts...))
	log, offset = append(log, cuts...), offset+1
	works := db.clients.read.HLen(ctx, dirtyKey(0)).Val()
	if works != 2 {
		t.Fatalf("%d works left, want 2", works)
	}
	for range 3 { // some chunks, then the process dies
		sweepOnce(t, db)
	}
	again := openDB(t, "redis://"+db.clients.read.Options().Addr)
	next := ev(0, -10, "z", event.ZRem{Members: split([]string{"new"})})
	mustApply(t, again, batchAt(offset, offset+1, next))
	log, offset = append(log, next), offset+1
	if left := db.clients.read.Exists(ctx, dirtyKey(0)).Val(); left != 0 {
		t.Fatal("work is left after the next batch")
	}
	compareWithModel(t, db, log)
	info := db.clients.read.XInfoStream(ctx, "s").Val()
	if info.LastGeneratedID != idOf(cuts[3]) || info.EntriesAdded != n+4 {
		t.Errorf("stream %+v", info)
	}
	if g := db.clients.read.XInfoGroups(ctx, "s").Val()[0]; g.Lag != 2 {
		t.Errorf("group %+v, want lag 2", g)
	}

	// barrier and trim over more entries than one script may walk
	feedAll([]event.Event{ev(1, -20_500, "s", event.Del{})})
	compareWithModel(t, db, log)
}

func applyWithoutSweep(t *testing.T, db *DB, b *Batch) {
	t.Helper()
	r := b.encode(true)
	reply, err := run(context.Background(), db.clients.apply, db.scripts.apply, r.keys, r.args...)
	if err != nil || reply.([]any)[0] != "OK" {
		t.Fatal(reply, err)
	}
}

func sweepOnce(t *testing.T, db *DB) {
	t.Helper()
	if _, err := run(context.Background(), db.clients.apply, db.scripts.sweep, []string{dirtyKey(0)}, "1"); err != nil {
		t.Fatal(err)
	}
}
