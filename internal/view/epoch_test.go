package view

import "testing"

// The epoch belongs to the offset it was stored with, and to no other.
func TestEpochIsStoredBesideTheOffset(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine) {
		db := openDB(t, e.url)
		want := func(when string, epoch int32) {
			t.Helper()
			one, err := db.Position(t.Context(), testTopic, 0)
			if err != nil {
				t.Fatal(err)
			}
			all, err := db.Positions(t.Context(), testTopic, 0)
			if err != nil {
				t.Fatal(err)
			}
			if one.Epoch != epoch || all[0].Epoch != epoch {
				t.Errorf("%s: epoch %d and %d, want %d", when, one.Epoch, all[0].Epoch, epoch)
			}
		}
		apply := func(from, to int64, epoch int32) {
			t.Helper()
			b := NewBatch(testNow, true)
			b.Ranges = []Range{{Topic: testTopic, From: from, To: to, Epoch: epoch}}
			mustApply(t, db, b)
		}
		want("nothing applied", -1)
		apply(0, 4, 0)
		want("the first epoch", 0)
		apply(4, 9, 12)
		want("a later one", 12)
		apply(9, 9, 12)
		want("a batch that pins the position", 12)
		apply(9, 11, -1)
		want("a record without one", -1)
		apply(11, 12, 13)
		// a version without epochs moves the position on
		if err := db.clients.apply.HSet(t.Context(), posKey(testTopic, 0), "off", 20).Err(); err != nil {
			t.Fatal(err)
		}
		want("another offset", -1)
	})
}
