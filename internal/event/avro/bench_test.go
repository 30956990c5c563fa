package avro

import (
	"context"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

func benchmarkEvents() map[string]event.Event {
	zadd := event.ZAdd{Members: []event.ScoredMember{{Member: []byte("user:1842"), Score: 129.5}}}
	fields := event.XAdd{Fields: []event.FieldValue{
		{Field: []byte("sku"), Value: []byte("laptop")},
		{Field: []byte("price"), Value: []byte("1299")},
		{Field: []byte("buyer"), Value: []byte("user:1842")},
	}}
	return map[string]event.Event{
		"set":  eventOf("inventory:laptop", event.Set{Value: []byte("100"), ExpireAtMS: 1700000009999}),
		"incr": eventOf("sales:total", event.Incr{Delta: 1}),
		"zadd": eventOf("leaderboard:spenders", zadd),
		"xadd": eventOf("orders:feed", fields),
	}
}

func BenchmarkEncode(b *testing.B) {
	c := newTestCodec(b)
	for name, e := range benchmarkEvents() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Encode("eu.events", e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	c := newTestCodec(b)
	for name, e := range benchmarkEvents() {
		r := mustEncode(b, c, e)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Decode(context.Background(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
