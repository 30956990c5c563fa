//go:build synctests

package app_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/labtest"
	"github.com/geokv/geokv/internal/view"
)

// union reads every log of every region and returns the accepted events, as
// often as the logs hold them.
func union(t *testing.T, w *labtest.World) (events []event.Event) {
	t.Helper()
	codec := avro.NewCodec(avro.NewShippedRegistry(), "")
	for _, region := range w.Topology.Names() {
		log, topics := w.Log(region), w.Topology.Topics()
		starts, err := log.Starts(t.Context(), topics...)
		if err != nil {
			t.Fatal(err)
		}
		ends, err := log.Ends(t.Context(), topics...)
		if err != nil {
			t.Fatal(err)
		}
		err = log.Scan(t.Context(), starts, ends, func(r event.Record) error {
			e, err := codec.Decode(t.Context(), r)
			if event.AsReject(err) == nil && err == nil {
				events = append(events, e)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// viewsEqualFold waits until every region has applied everything and compares
// the views, by the clock of the first region, with the fold of the logs.
func viewsEqualFold(t *testing.T, w *labtest.World) {
	t.Helper()
	w.AwaitApplied()
	now := w.Wall(w.Topology.Names()[0])().UnixMilli()
	want := crdt.Fold(union(t, w), now)
	for _, region := range w.Topology.Names() {
		got := views(t, w, region, now)
		if !slices.EqualFunc(got, want, crdt.View.Equal) {
			t.Errorf("%s shows\n%s\nthe fold of the logs is\n%s", region, lines(got), lines(want))
		}
	}
}

func lines(views []crdt.View) []byte {
	var out []byte
	for _, v := range views {
		out = append(v.AppendCanonical(out), '\n')
	}
	return out
}

// views reads every key of a region that shows or parks a value.
func views(t *testing.T, w *labtest.World, region string, now int64) []crdt.View {
	t.Helper()
	db := w.View(region)
	var keys [][]byte
	for cursor := uint64(0); ; {
		page, next, err := db.Scan(t.Context(), cursor, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if keys = append(keys, page...); next == 0 {
			break
		}
		cursor = next
	}
	slices.SortFunc(keys, bytes.Compare)
	all, err := db.ReadMany(t.Context(), slices.CompactFunc(keys, bytes.Equal), view.ReadOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, crdt.View.Empty)
}
