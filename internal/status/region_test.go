package status

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/addrtest"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// TestReportOfRealParts asks a broker and a Redis, and one region whose parts
// are gone.
func TestReportOfRealParts(t *testing.T) {
	topology := geo.Default()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(geo.Partitions, topology.Topics()...))
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
	lost, err := view.Open(view.Config{URL: "redis://" + addrtest.Refusing(t), DB: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()

	written := time.Now().Add(-3 * time.Second)
	for i := range int64(5) {
		if _, err := log.AppendSync(t.Context(), event.Record{
			Topic: "eu.events", Partition: 4, Value: []byte("v"), TimestampMS: written.UnixMilli() + i,
		}); err != nil {
			t.Fatal(err)
		}
	}
	b := view.NewBatch(time.Now().UnixMilli(), false)
	b.Ranges = []view.Range{{Topic: "eu.events", Partition: 4, To: 2, Lanes: map[lane.ID]lane.Set{writer: lane.SetOf(lane.Interval{Lo: 2, Hi: 3})}}}
	if _, err := db.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	regions := topology.Regions()
	c := NewCollector(Config{
		Topology: topology, Wall: time.Now,
		Regions: []Region{
			{Region: regions[0], Log: log, View: db},
			{Region: regions[1], Log: log, View: db},
			{Region: regions[2], Log: log, View: lost},
		},
	})
	r := c.Collect(context.Background())
	us := r.Regions[0]
	if us.State != api.StateUp || us.LagEvents != 3 || us.LagMS < 2500 || us.LagMS > 60_000 {
		t.Errorf("us is %s (%s), lags %d events, %d ms; want up, 3, about 3000", us.State, us.Detail, us.LagEvents, us.LagMS)
	}
	eu := us.Origins[1]
	if eu.End != 5 || eu.Applied != 2 || len(eu.Holes) != 1 || eu.Holes[0].Seqs != "1" || eu.Partitions[4].End != 5 {
		t.Errorf("eu as us has it: %+v", eu)
	}
	if us.ClockOffsetMS < -1000 || us.ClockOffsetMS > 1000 {
		t.Errorf("clock offset %d ms against a server on the same clock", us.ClockOffsetMS)
	}
	if ap := r.Regions[2]; ap.State != api.StateDown || !strings.Contains(ap.Detail, "redis") {
		t.Errorf("ap is %s (%s), want down", ap.State, ap.Detail)
	}
	if r.Converged {
		t.Error("converged")
	}
}
