package bridge_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

type place struct {
	lane      lane.ID
	partition int32
}

// checkLanes checks what holds of every log: per lane and partition each number
// once and in order, stamps of a lane strictly rising per partition, no stamp
// twice. Lanes in holed may lack numbers.
func checkLanes(t testing.TB, log map[int32][]event.Event, holed map[place]bool) {
	t.Helper()
	stamps := map[hlc.Timestamp]string{}
	for p, events := range log {
		seqs, last := map[place]int64{}, map[place]hlc.Timestamp{}
		for _, e := range events {
			at := place{e.Lane, p}
			if e.Seq <= seqs[at] || e.Seq != seqs[at]+1 && !holed[at] {
				t.Errorf("partition %d lane %v: seq %d after %d", p, e.Lane, e.Seq, seqs[at])
			}
			if !e.HLC.After(last[at]) {
				t.Errorf("partition %d lane %v: stamp %v after %v", p, e.Lane, e.HLC, last[at])
			}
			if e.HLC.Slot() != e.Lane.Slot {
				t.Errorf("stamp %v of lane %v carries another slot", e.HLC, e.Lane)
			}
			if e.HLC.Physical < e.Lane.Incarnation/1000 {
				t.Errorf("stamp %v is before its lane %v", e.HLC, e.Lane)
			}
			// Without leases two bridges may meet on one slot, and tie.
			if other, twice := stamps[e.HLC]; twice && e.Lane.Slot < 512 {
				t.Errorf("stamp %v on %s and %s", e.HLC, other, e.ID)
			}
			seqs[at], last[at], stamps[e.HLC] = e.Seq, e.HLC, e.ID
		}
	}
}

// Concurrent writers through two bridges of a region while the log loses,
// mutes, delays and refuses records, Redis goes away, forgets its table, and
// the clock wanders within its bound. Whatever happens: what was acknowledged
// is in the log exactly once, what was refused is not, and only a failed record
// leaves a hole.
func TestWritersUnderFaults(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { writersUnderFaults(t, seed) })
		})
	}
}

func writersUnderFaults(t *testing.T, seed uint64) {
	g := newRig(t)
	random := rand.New(rand.NewPCG(seed, 1))
	g.log.fate = func(event.Record) fault { // called with the log's lock held
		if n := random.IntN(40); n < 4 {
			return fault(n)
		}
		return stored
	}
	bridges := []interface {
		write(line string) (event.Receipt, error)
	}{}
	for range 2 {
		b := g.open()
		stop := g.run(b)
		defer stop()
		bridges = append(bridges, writerFunc(func(line string) (event.Receipt, error) { return b.Write(t.Context(), op(t, line)) }))
	}
	var mu sync.Mutex
	durable, failed := map[string]event.Receipt{}, map[string]bool{}
	holed := map[place]bool{}
	var writers sync.WaitGroup
	for w := range 8 {
		own := rand.New(rand.NewPCG(seed, uint64(100+w)))
		writers.Go(func() {
			for i := range 40 {
				value := fmt.Sprintf("%d-%d", w, i)
				r, err := bridges[own.IntN(2)].write(fmt.Sprintf("set key%d %s", own.IntN(6), value))
				mu.Lock()
				switch {
				case err != nil:
					failed[value] = true
				case r.Outcome == event.Durable:
					durable[value] = r
				}
				mu.Unlock()
				time.Sleep(time.Duration(own.IntN(900)) * time.Millisecond)
			}
		})
	}
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	disturb(g, rand.New(rand.NewPCG(seed, 2)), ended)
	g.log.set(func() { g.log.hold, g.log.full = false, false })
	synctest.Wait()

	log := g.log.events(t, g.codec)
	inLog := map[string]int{}
	for p, events := range log {
		for _, e := range events {
			value := string(e.Args.(event.Set).Value)
			inLog[value]++
			if r, ok := durable[value]; ok && (r.Partition != p || g.log.records[p][r.Offset].TimestampMS != e.HLC.Physical || r.Lane() != e.Lane || r.Seq != e.Seq) {
				t.Errorf("receipt %+v does not describe %+v", r, e)
			}
		}
	}
	for value := range durable {
		if inLog[value] != 1 {
			t.Errorf("acknowledged %s is in the log %d times", value, inLog[value])
		}
	}
	for value := range failed {
		if inLog[value] != 0 {
			t.Errorf("refused %s is in the log", value)
		}
	}
	for _, r := range g.log.failed {
		e, err := g.codec.Decode(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		holed[place{e.Lane, r.Partition}] = true
	}
	checkLanes(t, log, holed)
	if len(durable) < 40 {
		t.Errorf("only %d of 320 writes durable: the run shows nothing", len(durable))
	}
}

type writerFunc func(line string) (event.Receipt, error)

func (f writerFunc) write(line string) (event.Receipt, error) { return f(line) }

// disturb changes the environment at random until ended.
func disturb(g *rig, random *rand.Rand, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(time.Duration(random.IntN(1500)) * time.Millisecond):
		}
		switch random.IntN(8) {
		case 0:
			g.log.set(func() { g.log.hold = true })
		case 1, 2:
			g.log.set(func() { g.log.hold, g.log.full = false, false })
		case 3:
			g.log.set(func() { g.log.full = true })
		case 4:
			g.redis.set(func() { g.redis.down = !g.redis.down })
		case 5:
			g.redis.loseTable()
		case 6, 7:
			g.setClock(time.Duration(random.IntN(500)-250) * time.Millisecond)
		}
	}
}
