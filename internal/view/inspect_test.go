package view

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// Value, facts and position of a key are of one instant, also while batches land.
func TestInspectionIsOneInstant(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		const batches = 300
		db, key := openDB(t, e.url), keyOfPartition(0)
		f := newFeed(t, db)
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			for i := range int64(batches) {
				f.apply(ev(0, i, key, event.Incr{Delta: 1}))
			}
		}()
		moved := map[int64]bool{}
		for done := false; !done; {
			select {
			case <-fed:
				done = true // and look once more
			default:
			}
			found, err := db.Inspect(context.Background(), []byte(key), ReadOptions{Now: testNow}, testTopic, "eu.events")
			if err != nil {
				t.Fatal(err)
			}
			offset := found.Offsets[0]
			moved[offset] = true
			if value, _ := strconv.ParseInt(string(found.View.String), 10, 64); value != offset || found.Offsets[1] != 0 {
				t.Fatalf("value %d at offsets %v", value, found.Offsets)
			}
			if offset > 0 && found.Facts.Newest[0].PhysicalMS != ev(0, offset-1, key, nil).HLC.Physical {
				t.Fatalf("facts of another instant at offset %d: %+v", offset, found.Facts)
			}
		}
		if len(moved) < 3 || !moved[batches] {
			t.Errorf("looked at %d instants only", len(moved))
		}
	})
}

func keyOfPartition(p int32) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("key", i); geo.PartitionOf([]byte(key)) == p {
			return key
		}
	}
}

// The facts of every type, with what is parked behind the visible one.
func TestFactsOfAKey(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		f := newFeed(t, db)
		f.apply(ev(0, 1, "k", sadd("a", "b")), ev(0, 2, "k", event.SRem{Members: [][]byte{[]byte("b")}}), ev(1, 3, "k", event.Incr{Delta: 4}))
		found, err := db.Inspect(context.Background(), []byte("k"), ReadOptions{Now: testNow})
		if err != nil {
			t.Fatal(err)
		}
		facts := found.Facts
		if facts.Type != "string" || len(facts.Newest) != 2 || len(facts.Counters) != 1 || facts.Counters[0].Region != "eu" ||
			facts.Elements != 2 || facts.Tombstones != 1 || len(facts.Parked) != 1 || facts.Parked[0] != "set" || len(found.Offsets) != 0 {
			text, _ := json.Marshal(facts)
			t.Errorf("facts %s, offsets %v", text, found.Offsets)
		}
		none, err := db.Inspect(context.Background(), []byte("never"), ReadOptions{Now: testNow})
		if err != nil || none.Facts.Type != "none" || !none.View.Empty() {
			t.Errorf("a key never seen: %+v, %v", none, err)
		}
	})
}
