package proof

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view"
)

var (
	kills      = flag.Int("kills", 4, "how often something is killed")
	increments = flag.Int("increments", 9000, "increments under the kills")
)

// increasing makes increments by 1 on a few counters, from all regions in turn.
func increasing(n int) []event.Event {
	seqs := map[string]int64{}
	events := make([]event.Event, n)
	for i := range events {
		place := geo.Default().Regions()[i%3]
		key := fmt.Sprint("counter:", i%17)
		number := fmt.Sprint(place.Name, geo.PartitionOf([]byte(key)))
		seqs[number]++
		events[i] = event.Event{
			Version: 1, MinVersion: 1, ID: fmt.Sprint(number, "-", seqs[number]), Origin: place.Name,
			HLC:  hlc.Timestamp{Physical: crdttest.DefaultNow - int64(n) + int64(i), Region: uint8(place.Index)},
			Lane: lane.ID{Slot: 1, Incarnation: 1}, Seq: seqs[number], Key: []byte(key), Args: event.Incr{Delta: 1},
		}
	}
	return events
}

// TestKilledUnderWorkers kills redis-server and the materializers at random,
// with three materializer processes that all apply every partition, duplicates
// in the log and a snapshot of Redis now and then, which is what a killed one
// comes back with. Every increment counts once.
//
//	go test ./internal/proof -run TestKilledUnderWorkers -kills 20 -increments 60000
func TestKilledUnderWorkers(t *testing.T) {
	r := newRegion(t)
	events := increasing(*increments)
	rng := rand.New(rand.NewPCG(3, 1))
	workers := []*worker{r.spawn(0), r.spawn(1), r.spawn(2)}
	part := len(events) / (*kills + 1)
	servers, lost := 0, int64(0)
	for k := range *kills + 1 {
		from, to := k*part, (k+1)*part
		if k == *kills {
			to = len(events)
		}
		again := max(0, from-rng.IntN(200)) // a mirror that repeats itself
		before := r.applied()
		r.append(events[again:to]...)
		if k == *kills {
			break
		}
		some := before + int64(rng.IntN(part))
		polltest.Until(t, "workers are at it", func() bool { return r.applied() > some })
		if k%2 == 0 { // else Redis
			w := workers[rng.IntN(len(workers))]
			w.kill()
			w.start(t)
			continue
		}
		if rng.IntN(2) == 0 {
			if err := r.raw.Save(within(t)).Err(); err != nil {
				t.Fatal(err)
			}
			saved := r.applied()
			r.append(events[to:min(to+100, len(events))]...)
			polltest.Until(t, "more is applied than the snapshot holds", func() bool { return r.applied() > saved })
		}
		servers++
		had := r.applied()
		r.server.Kill()
		polltest.Until(t, "redis is back", func() bool { return r.server.Run(t) })
		lost += max(0, had-r.applied())
	}
	r.awaitEnd()
	for _, w := range workers {
		w.kill()
	}
	r.wantFold(events)
	total := int64(0)
	for i := range 17 {
		v, err := r.db.Read(within(t), fmt.Append(nil, "counter:", i), view.ReadOptions{Now: crdttest.DefaultNow})
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.ParseInt(string(v.String), 10, 64)
		total += n
	}
	if total != int64(len(events)) {
		t.Errorf("%d increments count, want %d", total, len(events))
	}
	t.Logf("%d increments under 3 workers: %d; %d kills, %d of them of Redis, which lost %d applied records",
		len(events), total, *kills, servers, lost)
	if servers == 0 || servers == *kills {
		t.Error("one of the faults was not injected")
	}
}
