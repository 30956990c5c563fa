package materializer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view/redistest"
	"github.com/geokv/geokv/internal/wal"
)

// BenchmarkCatchUp measures how fast a materializer works off a log that is
// there: three origins, mixed operations on keys of skewed popularity.
func BenchmarkCatchUp(b *testing.B) {
	b.Run("redis", func(b *testing.B) { catchUp(b, redistest.Start(b).URL) })
	b.Run("miniredis", func(b *testing.B) { catchUp(b, "redis://"+miniredis.RunT(b).Addr()) })
}

func catchUp(b *testing.B, url string) {
	s := newSite(b, url)
	codec := avro.NewCodec(&oneSchema{}, "")
	if err := codec.Prepare(context.Background(), geo.Default().Topics()...); err != nil {
		b.Fatal(err)
	}
	records := make([]event.Record, 0, b.N)
	for e := range shopping(b.N) {
		value, err := codec.Encode(geo.Topic(e.Origin), e)
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, event.Record{
			Topic: geo.Topic(e.Origin), Partition: geo.PartitionOf(e.Key), Offset: -1, Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
		})
	}
	if _, err := s.log.AppendSync(deadline(b), records...); err != nil {
		b.Fatal(err)
	}
	ends, err := s.log.Ends(deadline(b), geo.Default().Topics()...)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	m, stop := s.run(s.db, func(c *Config) {
		c.Decoder, c.History, c.LogicalExpiry = codec, LogHistory{s.log, codec}, false
	})
	s.awaitPositions(ends, m)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	stop()
}

// shopping yields n events as the simulator mixes them.
func shopping(n int) func(func(event.Event) bool) {
	rng := rand.New(rand.NewPCG(1, 1))
	zipf := rand.NewZipf(rng, 1.2, 1, 9999)
	regions := geo.Default().Regions()
	seqs := map[wal.Partition]int64{}
	return func(yield func(event.Event) bool) {
		for i := range n {
			r := regions[rng.IntN(len(regions))]
			item := fmt.Append(nil, zipf.Uint64())
			key, args := []byte("sales:total"), event.Args(event.Incr{Delta: 1})
			switch rng.IntN(5) {
			case 0:
				key, args = fmt.Append(nil, "inventory:", zipf.Uint64()), event.Incr{Delta: -1}
			case 1:
				key, args = fmt.Append(nil, "board:", i%7), event.ZAdd{Members: []event.ScoredMember{{Member: item, Score: float64(i)}}}
			case 2:
				key, args = fmt.Append(nil, "cart:", zipf.Uint64()), event.SAdd{Members: [][]byte{item}}
			case 3:
				key, args = fmt.Append(nil, "user:", zipf.Uint64()), event.Set{Value: item}
			}
			p := wal.Partition{Topic: r.Topic(), Index: geo.PartitionOf(key)}
			seqs[p]++
			if !yield(event.Event{
				Version: 1, MinVersion: 1, ID: fmt.Sprint(i), Origin: r.Name,
				HLC:  hlc.Timestamp{Physical: 1_700_000_000_000 + int64(i/10), Logical: uint32(i%10) << 10, Region: uint8(r.Index)},
				Lane: lane.ID{Slot: 1, Incarnation: 7}, Seq: seqs[p], Key: key, Args: args,
			}) {
				return
			}
		}
	}
}

// oneSchema is a registry that knows the schema registered last.
type oneSchema struct {
	mu     sync.Mutex
	schema string
}

func (r *oneSchema) Schema(context.Context, int) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.schema, nil
}

func (r *oneSchema) Register(_ context.Context, _, schema string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schema = schema
	return 1, nil
}
