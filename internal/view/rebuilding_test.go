package view

import (
	"context"
	"slices"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

// The mark of a partial view is no user's key and nobody else's.
func TestRebuildingMark(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		ctx, db := context.Background(), openDB(t, e.url)
		want := func(marked bool) {
			t.Helper()
			if got, err := db.Rebuilding(ctx); err != nil || got != marked {
				t.Errorf("marked: %v, %v, want %v", got, err, marked)
			}
		}
		want(false)
		for range 2 {
			if err := db.MarkRebuilding(ctx); err != nil {
				t.Fatal(err)
			}
		}
		want(true)
		if n, err := db.KeyCount(ctx); n != 0 || err != nil {
			t.Errorf("counts %d keys, %v", n, err)
		}
		if keys, err := db.ForeignKeys(ctx, 1); len(keys) != 0 || err != nil {
			t.Errorf("foreign keys %q, %v", keys, err)
		}
		if !event.ReservedKey([]byte(rebuildingKey)) {
			t.Error("a user may write it")
		}
		if err := db.EndRebuilding(ctx); err != nil {
			t.Fatal(err)
		}
		want(false)
	})
}

func TestOffsetsOfAllPartitions(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		ctx, db := context.Background(), openDB(t, e.url)
		db.clients.apply.HSet(ctx, posKey(testTopic, 3), "off", 70)
		got, err := db.Offsets(ctx, testTopic, "eu.events")
		want := make([]int64, 12)
		if err != nil || !slices.Equal(got["eu.events"], want) {
			t.Errorf("a topic never applied stands at %v, %v", got["eu.events"], err)
		}
		want[3] = 70
		if !slices.Equal(got[testTopic], want) {
			t.Errorf("stands at %v, want %v", got[testTopic], want)
		}
		db.clients.apply.HSet(ctx, posKey(testTopic, 3), "off", "x")
		if _, err := db.Offsets(ctx, testTopic); err == nil {
			t.Error("takes x for an offset")
		}
	})
}
