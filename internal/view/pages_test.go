package view

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

func TestReadPages(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		f := newFeed(t, db)
		for i := range int64(50) {
			f.apply(ev(0, -100+i, "z", event.ZAdd{Members: []event.ScoredMember{{Member: fmt.Appendf(nil, "%02d", i), Score: float64(i)}}}),
				ev(1, -100+i, "x", event.XAdd{Fields: []event.FieldValue{{Field: []byte("n")}}}),
				ev(2, -100+i, "s", sadd(fmt.Sprint(i))))
		}
		for _, key := range []string{"z", "x", "s"} {
			whole, err := db.Read(ctx, []byte(key), ReadOptions{Now: testNow})
			if err != nil {
				t.Fatal(err)
			}
			var pages crdt.View
			n := 0
			for cursor := ""; ; n++ {
				p, err := db.ReadPage(ctx, []byte(key), ReadOptions{Now: testNow, Limit: 20, Cursor: cursor})
				if err != nil || p.Total != 50 {
					t.Fatalf("%+v %v", p, err)
				}
				pages.Scored = append(pages.Scored, p.View.Scored...)
				pages.Entries = append(pages.Entries, p.View.Entries...)
				pages.Members = append(pages.Members, p.View.Members...)
				if cursor = p.Next; cursor == "" {
					break
				}
			}
			if len(pages.Scored) != len(whole.Scored) || len(pages.Entries) != len(whole.Entries) || len(pages.Members) < len(whole.Members) {
				t.Errorf("%s: %d pages do not add up", key, n)
			}
		}
	})
}

// Nothing follows the last element, also when it fills a page; a page past the
// end, as of a container that shrank, is an empty part of it and not the start.
func TestLastPageEnds(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		f := newFeed(t, db)
		scored := []event.ScoredMember{{Member: []byte("a"), Score: 1}, {Member: []byte("b"), Score: 2}, {Member: []byte("c"), Score: 3}}
		var ids []event.StreamID
		for i := range int64(3) {
			add := ev(1, -100+i, "x", event.XAdd{Fields: []event.FieldValue{{Field: []byte("n")}}})
			ids = append(ids, event.IDFromHLC(add.HLC))
			f.apply(add)
		}
		f.apply(ev(0, -100, "z", event.ZAdd{Members: scored}))
		for key, remove := range map[string]event.Args{
			"z": event.ZRem{Members: [][]byte{[]byte("c")}}, "x": event.XDel{IDs: ids[2:]},
		} {
			page := func(limit int, cursor string) Page {
				p, err := db.ReadPage(ctx, []byte(key), ReadOptions{Now: testNow, Limit: limit, Cursor: cursor})
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			size := func(p Page) int { return len(p.View.Scored) + len(p.View.Entries) }
			first := page(1, "")
			second := page(2, first.Next)
			if size(first) != 1 || size(second) != 2 || second.Next != "" {
				t.Errorf("%s: pages of %d and %d, then %q", key, size(first), size(second), second.Next)
			}
			third := page(2, "")
			f.apply(ev(2, -10, key, remove))
			if p := page(2, third.Next); size(p) != 0 || p.View.Type == crdt.None || p.Total != 2 || p.Next != "" {
				t.Errorf("%s: the page behind the last is %+v", key, p)
			}
		}
	})
}

// A container that is too large to be read whole is refused with its size, also
// one that is parked, and read in parts; others and strings of any length are read.
func TestWholeReadsAreBounded(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		field := []event.FieldValue{{Field: []byte("f")}}
		newFeed(t, db).apply(ev(0, -9, "r", event.Set{Value: []byte("long")}),
			ev(0, -8, "s", sadd("a", "b", "c")), ev(0, -7, "small", sadd("a", "b")),
			ev(0, -6, "x", event.XAdd{Fields: field}), ev(0, -5, "x", event.XAdd{Fields: field}), ev(0, -4, "x", event.XAdd{Fields: field}),
			ev(0, -3, "parked", sadd("a", "b", "c")), ev(0, -2, "parked", event.Incr{Delta: 1}))
		bounded := ReadOptions{Now: testNow, Most: 2}
		for _, key := range []string{"s", "x", "parked"} {
			_, err := db.ReadPage(ctx, []byte(key), bounded)
			_, inspected := db.Inspect(ctx, []byte(key), bounded)
			for _, err := range []error{err, inspected} {
				if fail.CodeOf(err) != fail.Rejected || !strings.Contains(err.Error(), "3 elements") {
					t.Errorf("%s: got %v, want it refused with its size", key, err)
				}
			}
			if p, err := db.ReadPage(ctx, []byte(key), ReadOptions{Now: testNow, Most: 2, Limit: 2}); err != nil || p.View.Empty() {
				t.Errorf("a part of %s: %+v, %v", key, p, err)
			}
		}
		for _, key := range []string{"r", "small"} {
			if v, err := db.Read(ctx, []byte(key), bounded); err != nil || v.Empty() {
				t.Errorf("%s: %+v, %v", key, v, err)
			}
		}
	})
}

// Keys that were deleted, emptied or never had a value are not listed.
func TestKeysAreThoseWithAValue(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db, ctx := openDB(t, e.url), context.Background()
		rng := seeded(11)
		f := newFeed(t, db)
		var keys [][]byte
		for i := range 40 {
			keys = append(keys, fmt.Append(nil, "k", i))
		}
		events := crdttest.Generate(rng, crdttest.Options{Events: 300, Keys: keys})
		for i, e := range events {
			if set, ok := e.Args.(event.Set); ok { // expiry is the server's business
				events[i].Args = event.Set{Value: set.Value}
			}
		}
		for _, part := range crdttest.Batches(rng, events, 20) {
			f.apply(part...)
		}
		field := []event.FieldValue{{Field: []byte("n")}}
		added := ev(0, -3, "emptied", event.XAdd{Fields: field})
		f.apply(added, ev(0, -2, "emptied", event.XDel{IDs: []event.StreamID{event.IDFromHLC(added.HLC)}}), ev(0, -1, "never", event.Del{}))
		var want []string
		for _, v := range f.views(testNow) {
			if v.Type != crdt.None {
				want = append(want, string(v.Key))
			}
		}
		var got []string
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			page, next, err := db.Scan(ctx, cursor, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range page {
				got = append(got, string(key))
			}
			cursor = next
		}
		slices.Sort(got)
		slices.Sort(want)
		if got, want = slices.Compact(got), slices.Compact(want); !slices.Equal(got, want) || len(want) == len(keys) || len(want) == 0 {
			t.Errorf("got %q, want %q", got, want)
		}
		if n, err := db.KeyCount(ctx); err != nil || n != int64(len(want)) {
			t.Errorf("%d keys, want %d (%v)", n, len(want), err)
		}
	})
}
