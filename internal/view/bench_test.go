package view

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view/redistest"
)

// benchApply applies b.N events in full batches to a real server.
func benchApply(b *testing.B, make func(i int, rng *rand.Rand) ([]byte, event.Args)) {
	db := openDB(b, redistest.Start(b).URL)
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, 1))
	events := []event.Event{}
	for i := range b.N {
		key, args := make(i, rng)
		events = append(events, event.Event{Origin: "us", Key: key, Args: args, Seq: int64(i + 1),
			Lane: lane.ID{Slot: 1, Incarnation: 1}, HLC: hlc.Timestamp{Physical: testNow + int64(i/1000), Logical: uint32(i%1000) << 10}})
	}
	offset := int64(0)
	batches := 0
	cpu := serverCPU(b, db)
	b.ResetTimer()
	for i := 0; i < len(events); {
		batch := NewBatch(testNow, false)
		first := i
		for i < len(events) && !batch.Full() {
			batch.Add(events[i])
			i++
		}
		batch.Ranges = []Range{{Topic: "us.events", From: offset, To: offset + int64(i-first), HLC: events[i-1].HLC,
			Lanes: map[lane.ID]lane.Set{{Slot: 1, Incarnation: 1}: lane.SetOf(lane.Interval{Lo: 1, Hi: int64(i)})}}}
		if _, err := db.Apply(ctx, batch); err != nil {
			b.Fatal(err)
		}
		offset += int64(i - first)
		batches++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric((serverCPU(b, db)-cpu)*1e6/float64(b.N), "redis-cpu-us/event")
	b.ReportMetric(float64(b.N)/float64(batches), "events/batch")
}

// serverCPU returns the seconds of processor time the server has used: on a
// busy machine the only figure that compares.
func serverCPU(b *testing.B, db *DB) float64 {
	text, err := db.clients.read.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	total := 0.0
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, _ := strconv.ParseFloat(value, 64)
			total += seconds
		}
	}
	return total
}

func BenchmarkApplySetNew(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", i), event.Set{Value: []byte("value-of-16-byte")}
	})
}

func BenchmarkApplySetUniform(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", rng.IntN(10_000)), event.Set{Value: []byte("value-of-16-byte")}
	})
}

func BenchmarkApplyIncrUniform(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", rng.IntN(1_000)), event.Incr{Delta: 1}
	})
}

func BenchmarkApplyIncrHot(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", rng.IntN(4)), event.Incr{Delta: 1}
	})
}

func BenchmarkApplySAdd(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", rng.IntN(100)), event.SAdd{Members: [][]byte{fmt.Appendf(nil, "m%d", rng.IntN(1000))}}
	})
}

func BenchmarkApplyHSet(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", rng.IntN(10_000)), event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("v")}}}
	})
}

func BenchmarkApplyXAdd(b *testing.B) {
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		return fmt.Appendf(nil, "key:%d", rng.IntN(100)), event.XAdd{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("v")}}}
	})
}

// BenchmarkApplyZipf is the simulator's mix over keys of which few are hot.
func BenchmarkApplyZipf(b *testing.B) {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(2, 2)), 1.1, 1, 10_000)
	benchApply(b, func(i int, rng *rand.Rand) ([]byte, event.Args) {
		k := zipf.Uint64()
		switch rng.IntN(5) {
		case 0, 1:
			return fmt.Appendf(nil, "n:%d", k), event.Incr{Delta: 1}
		case 2:
			return fmt.Appendf(nil, "s:%d", k), event.SAdd{Members: [][]byte{fmt.Appendf(nil, "m%d", rng.IntN(100))}}
		case 3:
			return fmt.Appendf(nil, "r:%d", k), event.Set{Value: []byte("value")}
		}
		return fmt.Appendf(nil, "z:%d", k), event.ZAdd{Members: []event.ScoredMember{{Member: fmt.Appendf(nil, "m%d", rng.IntN(100)), Score: float64(i)}}}
	})
}
