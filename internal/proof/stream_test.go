package proof

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
)

const perOrigin = 10_000

var everything = flag.Bool("everything", false, "also what takes long")

// entries makes perOrigin entries of one stream from each region, whose stamps
// lie between each other's.
func entries() (byOrigin [3][]event.Event) {
	for i, place := range geo.Default().Regions() {
		for n := range int64(perOrigin) {
			byOrigin[i] = append(byOrigin[i], event.Event{
				Version: 1, MinVersion: 1, ID: fmt.Sprint(place.Name, n), Origin: place.Name,
				HLC:  hlc.Timestamp{Physical: crdttest.DefaultNow - 10*perOrigin + 10*n + int64(3*i), Region: uint8(place.Index)},
				Lane: lane.ID{Slot: 1, Incarnation: 1}, Seq: n + 1, Key: []byte("feed"),
				Args: event.XAdd{Fields: []event.FieldValue{{Field: []byte("n"), Value: fmt.Append(nil, n)}}},
			})
		}
	}
	return byOrigin
}

// TestStreamOfThreeOrigins feeds one stream three times 10,000 entries in the
// orders in which regions may get them, origin after origin as the worst, in
// batches as full as a materializer makes them: all 30,000 are there, the same
// everywhere, and it stays quick.
func TestStreamOfThreeOrigins(t *testing.T) {
	o := entries()
	all := slices.Concat(o[:]...)
	merged := slices.SortedFunc(slices.Values(all), func(a, b event.Event) int { return a.HLC.Compare(b.HLC) })
	want := canonical(crdt.Fold(all, crdttest.DefaultNow)[0])
	type strategy struct {
		name  string
		order []event.Event
		batch int
	}
	strategies := []strategy{
		{"merged by stamp", merged, 2048},
		{"us, eu, ap one after the other", all, 2048},
		{"ap, eu, us one after the other", slices.Concat(o[2], o[1], o[0]), 2048},
		{"eu and ap 1,000 entries late", late(o, 1000), 2048},
	}
	if *everything {
		strategies = append(strategies, strategy{"the same in batches of 256", late(o, 1000), 256},
			strategy{"us, eu, ap in batches of 256", all, 256})
	}
	for _, s := range strategies {
		server := redistest.Start(t)
		db, cpu := openDB(t, server.URL), serverCPU(t, server.Addr)
		site := newSite(db, crdttest.DefaultNow, false)
		started := time.Now()
		for part := range slices.Chunk(s.order, s.batch) {
			if err := site.apply(t.Context(), part); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		took := time.Since(started)
		v, err := db.Read(t.Context(), []byte("feed"), view.ReadOptions{Now: crdttest.DefaultNow})
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Entries) != 3*perOrigin || canonical(v) != want {
			t.Errorf("%s: %d entries, want %d in the order of the model", s.name, len(v.Entries), 3*perOrigin)
		}
		t.Logf("%-32s %6d entries in %5d ms, %5.0f ms of the server's processor time", s.name, len(v.Entries), took.Milliseconds(), 1000*cpu())
		server.Kill()
	}
}

// late lets us run ahead of the others by n entries.
func late(o [3][]event.Event, n int) (order []event.Event) {
	for at := 0; at < perOrigin+n; at += 100 {
		if at < perOrigin {
			order = append(order, o[0][at:at+100]...)
		}
		if at >= n {
			order = append(order, o[1][at-n:at-n+100]...)
			order = append(order, o[2][at-n:at-n+100]...)
		}
	}
	return order
}

// BenchmarkLateInsert inserts one entry so many places before the end of a
// stream of 10,000.
func BenchmarkLateInsert(b *testing.B) {
	for _, depth := range []int64{0, 1, 10, 100, 1000, 5000} {
		b.Run(fmt.Sprint("depth ", depth), func(b *testing.B) {
			server := redistest.Start(b)
			site := newSite(openDB(b, server.URL), crdttest.DefaultNow, false)
			o := entries()[0]
			for part := range slices.Chunk(o, 256) {
				if err := site.apply(b.Context(), part); err != nil {
					b.Fatal(err)
				}
			}
			rng := rand.New(rand.NewPCG(1, 1))
			cpu := serverCPU(b, server.Addr)
			for n := int64(0); b.Loop(); n++ {
				e := o[0]
				e.Seq = perOrigin + 1 + n
				e.HLC = o[len(o)-1].HLC
				e.HLC.Physical += 10 - 10*depth
				e.HLC.Logical = uint32(n+1)<<10 | uint32(rng.IntN(1000))
				e.HLC.Region = 1
				if err := site.apply(b.Context(), []event.Event{e}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(cpu()*1e6/float64(b.N), "server-us/op")
		})
	}
}

// serverCPU answers how many seconds of processor time a server has used since.
func serverCPU(t testing.TB, addr string) (since func() float64) {
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	used := func() (sum float64) {
		for line := range strings.Lines(c.Info(t.Context(), "cpu").Val()) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name == "used_cpu_user" || name == "used_cpu_sys" {
				n, _ := strconv.ParseFloat(text, 64)
				sum += n
			}
		}
		return sum
	}
	before := used()
	return func() float64 { return used() - before }
}
