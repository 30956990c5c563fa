//go:build synctests

package app

import (
	"context"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/labtest"
	"github.com/geokv/geokv/internal/wal"
)

// slowly reads one record of us by a decoder that takes its time, as one that
// waits for a registry does, and returns what came.
func slowly(ctx context.Context, t *testing.T, w *labtest.World, takes time.Duration) (reasons []string, err error) {
	t.Helper()
	place, _ := geo.Default().Lookup("us")
	us, part := &region{Region: place, log: w.Log("us")}, wal.Partition{Topic: "us.events"}
	m := logMerge{
		away: map[*region]error{},
		open: func(string) (*region, map[wal.Partition]logRange, error) {
			return us, map[wal.Partition]logRange{part: {0, 1}}, nil
		},
		decode: func(ctx context.Context, _ *region, _ event.Record) (o api.Observation) {
			select {
			case <-ctx.Done():
				o.Reason = ctx.Err().Error()
			case <-time.After(takes):
				o.Reason = "no registry"
			}
			return o
		},
	}
	if _, err := m.add(part.Topic); err != nil {
		t.Fatal(err)
	}
	for {
		o, more, err := m.next(ctx)
		if err != nil || !more {
			return reasons, err
		}
		reasons = append(reasons, o.Reason)
	}
}

// A registry that is slow does not make Kafka look silent, and what ends while a
// record is decoded says nothing about the record.
func TestSlowDecodingIsNoSilence(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		if _, err := w.Log("us").AppendSync(t.Context(), event.Record{Topic: "us.events", Key: []byte("k")}); err != nil {
			t.Fatal(err)
		}
		got, err := slowly(t.Context(), t, w, silence+2*time.Second)
		if err != nil || len(got) != 1 || got[0] != "no registry" {
			t.Errorf("got %q, %v", got, err)
		}
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := slowly(hasty, t, w, time.Minute); len(got) != 0 || err != context.DeadlineExceeded {
			t.Errorf("cut short: got %q, %v", got, err)
		}
	})
}
