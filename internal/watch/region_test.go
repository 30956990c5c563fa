package watch

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/materializer"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// plainJSON decodes records that hold events as JSON.
type plainJSON struct{}

func (plainJSON) Decode(_ context.Context, r event.Record) (e event.Event, err error) {
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return event.Event{}, event.Reject("bad payload", "%v", err)
	}
	return e, nil
}

// TestObserverOfARunningRegion follows events through a broker, a materializer
// and a Redis, all but the last two in this process.
func TestObserverOfARunningRegion(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	topics := geo.Default().Topics()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(geo.Partitions, topics...))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	log, err := wal.Open(wal.Config{Brokers: kafka.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	db, err := view.Open(view.Config{URL: "redis://" + miniredis.RunT(t).Addr(), DB: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	us := geo.Default().Regions()[0]
	m, err := materializer.New(materializer.Config{
		Region: us, Topology: geo.Default(), Log: materializer.LogOf(log), View: db, Decoder: plainJSON{},
		Clock: hlc.NewClock(0, time.Now), History: materializer.LogHistory{Log: log, Decoder: plainJSON{}}, Wall: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	hub := NewHub(time.Now(), 0)
	stream := hub.Subscribe(0, 1000)
	o := NewObserver(ObserverConfig{
		Region: us, Topics: topics, Log: LogOf(log), View: db, Decoder: plainJSON{}, Hub: hub, Wall: time.Now,
	})
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- o.Run(running) }()
	go func() { ended <- m.Run(running) }()

	var records []event.Record
	for seq := range int64(20) {
		e := written(seq + 1)
		e.HLC.Physical, e.HLC.Logical = time.Now().UnixMilli(), uint32(seq)<<10
		if seq == 7 {
			e.Seq = 7 // a duplicate of the one before
		}
		value, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, event.Record{Topic: "eu.events", Partition: geo.PartitionOf(e.Key), Key: e.Key, Value: value, TimestampMS: e.HLC.Physical})
	}
	records[19].Value = []byte("garbage")
	if _, err := log.AppendSync(ctx, records...); err != nil {
		t.Fatal(err)
	}

	outcomes, seen := map[event.Outcome]int{}, 0
	for applied := 0; applied < 20; {
		select {
		case batch := <-stream.C:
			for _, ob := range batch {
				if ob.Kind == api.KindSeen {
					seen++
					continue
				}
				applied++
				outcomes[ob.Outcome]++
			}
		case <-ctx.Done():
			t.Fatalf("seen %d, outcomes %v of 20 records", seen, outcomes)
		}
	}
	if told := outcomes[event.Applied] + outcomes[event.Superseded]; seen != 20 ||
		outcomes[event.Duplicate]+outcomes[event.Rejected]+told+outcomes[event.Unknown] != 20 || outcomes[event.Rejected] > 1 {
		t.Errorf("seen %d, outcomes %v", seen, outcomes)
	}
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	stream.Close()
}
