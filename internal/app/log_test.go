//go:build synctests

package app_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/labtest"
	"github.com/geokv/geokv/internal/lane"
)

// history is n increments of us in one partition, as records, and one record
// that is no event.
func history(t *testing.T, n int) (records []event.Record) {
	t.Helper()
	codec, topic := avro.NewCodec(avro.NewShippedRegistry(), ""), "us.events"
	if err := codec.Prepare(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	at := time.Now().UnixMilli()
	for seq := range int64(n) {
		e := event.Event{
			Version: event.FormatVersion, MinVersion: event.FormatVersion, ID: fmt.Sprint(seq + 1), Origin: "us",
			HLC: hlc.Timestamp{Physical: at + seq/100, Logical: uint32(seq%100) << 10}, Lane: lane.ID{Incarnation: 1}, Seq: seq + 1,
			Key: []byte("k"), Args: event.Incr{Delta: 1},
		}
		value, err := codec.Encode(topic, e)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, event.Record{
			Topic: topic, Partition: geo.PartitionOf(e.Key), Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
		})
	}
	records[0].Value = []byte("garbage") // and the first event never came
	return records
}

// readLog reads the log and calls onEvent before each; it returns what came in
// order, garbage as -1.
func readLog(t *testing.T, read func(context.Context, func(api.Observation) error) error, onEvent func(n int)) (seqs []int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := read(ctx, func(o api.Observation) error {
		onEvent(len(seqs))
		seq := o.Event.Seq
		if o.Reason != "" {
			seq = -1
		}
		seqs = append(seqs, seq)
		return nil
	})
	if err != nil {
		t.Fatalf("after %d events: %v", len(seqs), err)
	}
	return seqs
}

// A Kafka that goes away while its log is read costs the reader nothing that
// another region holds a copy of, although the copy repeats itself.
func TestLogIsReadOnInAnotherRegion(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		a, end := open(t, w, func(cfg *app.Config) { cfg.Roles = app.Roles{} })
		records := history(t, 2500)
		if _, err := w.Log("us").AppendSync(t.Context(), records...); err != nil {
			t.Fatal(err)
		}
		w.AwaitMirrored()
		w.Cut("us", "eu")
		if _, err := w.Log("eu").AppendSync(t.Context(), records[500:2000]...); err != nil { // the mirror repeats itself
			t.Fatal(err)
		}
		seqs := readLog(t, func(ctx context.Context, emit func(api.Observation) error) error {
			return a.Log(ctx, api.LogQuery{}, emit)
		},
			func(n int) {
				if n == 10 {
					w.StopKafka("us")
				}
			})
		if len(seqs) != 2500 {
			t.Errorf("%d events, want 2500, each once", len(seqs))
		}
		for i, seq := range seqs {
			if want := int64(i + 1); seq != want && (i > 0 || seq != -1) {
				t.Fatalf("event %d comes at place %d", seq, i)
			}
		}
		for _, region := range []string{"eu", "ap"} {
			w.StopKafka(region)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Log(ctx, api.LogQuery{}, func(api.Observation) error { return nil }); fail.CodeOf(err) != fail.Unavailable || ctx.Err() != nil {
			t.Errorf("without any Kafka: %v, want UNAVAILABLE before the time is up", err)
		}
		if err := end(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
}

// However many readers ask for the newest events, few readings keep them at a time.
func TestReadingsThatKeepEventsWaitForTheirTurn(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		a, end := open(t, w, func(cfg *app.Config) { cfg.Roles = app.Roles{} })
		if _, err := w.Log("us").AppendSync(t.Context(), history(t, 10)...); err != nil {
			t.Fatal(err)
		}
		slow := make(chan struct{})
		var emitting atomic.Int32
		var readers sync.WaitGroup
		for range 20 {
			readers.Go(func() {
				err := a.Log(t.Context(), api.LogQuery{Limit: 1}, func(api.Observation) error {
					emitting.Add(1)
					<-slow
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		if n := emitting.Load(); n != 4 {
			t.Errorf("%d readings keep events at once, want 4", n)
		}
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Log(hasty, api.LogQuery{Limit: 1}, func(api.Observation) error { return nil }); fail.CodeOf(err) != fail.Busy {
			t.Errorf("out of turn: %v, want BUSY", err)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if kept, _, err := a.Recent(brief, 1, 0); err != nil || len(kept) != 1 {
			t.Errorf("the newest events behind slow readers: %d, %v", len(kept), err)
		}
		close(slow)
		readers.Wait()
		if n := emitting.Load(); n != 20 {
			t.Errorf("%d readers were served, want 20", n)
		}
		if err := end(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
}
