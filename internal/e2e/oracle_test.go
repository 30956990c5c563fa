package e2e

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view"
)

// records reads every event topic of a region's Kafka from start to end, as any
// Kafka client would.
func (c *cluster) records(ctx context.Context, region string) []*kgo.Record {
	c.t.Helper()
	var topics []string
	for _, name := range c.regions() {
		topics = append(topics, name+".events")
	}
	k, err := kgo.NewClient(
		kgo.SeedBrokers(c.region(region).Kafka...), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer k.Close()
	ends, err := kadm.NewClient(k).ListEndOffsets(ctx, topics...)
	if err != nil {
		c.t.Fatal(err)
	}
	total := int64(0)
	ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
	var all []*kgo.Record
	for int64(len(all)) < total {
		fetches := k.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read the logs in %s: %v (%d of %d records)", region, err, len(all), total)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

// identity is what makes two records the same event.
type identity struct {
	origin    string
	partition int32
	lane      lane.ID
	seq       int64
}

// events is the union of all logs: what the regions' Kafkas hold between them,
// each accepted event once.
func (c *cluster) events(ctx context.Context) map[identity]event.Event {
	c.t.Helper()
	registry, err := avro.NewRegistryClient(avro.RegistryConfig{URL: c.info.Registry})
	if err != nil {
		c.t.Fatal(err)
	}
	codec := avro.NewCodec(registry, "")
	union := map[identity]event.Event{}
	for _, region := range c.regions() {
		for _, r := range c.records(ctx, region) {
			e, err := codec.Decode(ctx, event.Record{
				Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, TimestampMS: r.Timestamp.UnixMilli(),
			})
			if event.AsReject(err) != nil {
				continue // garbage on purpose
			}
			if err != nil {
				c.t.Fatalf("decode %s/%d@%d in %s: %v", r.Topic, r.Partition, r.Offset, region, err)
			}
			union[identity{e.Origin, r.Partition, e.Lane, e.Seq}] = e
		}
	}
	return union
}

// views reads every key of a region with a visible or parked value, in byte
// order of the key.
func (c *cluster) views(ctx context.Context, region string, now int64) []crdt.View {
	c.t.Helper()
	db, err := view.Open(view.Config{URL: c.region(region).RedisURL, DB: -1})
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	var keys [][]byte
	for cursor := uint64(0); ; {
		page, next, err := db.Scan(ctx, cursor, "", 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		if keys = append(keys, page...); next == 0 {
			break
		}
		cursor = next
	}
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	var out []crdt.View
	for chunk := range slices.Chunk(keys, 200) {
		views, err := db.ReadMany(ctx, chunk, view.ReadOptions{Now: now})
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, views...)
	}
	return slices.DeleteFunc(out, crdt.View.Empty)
}

// awaitConverged waits until every region holds every event of every log.
func (c *cluster) awaitConverged(ctx context.Context) {
	c.t.Helper()
	polltest.Until(c.t, "regions converged", func() bool {
		report, err := c.api.Status(ctx)
		return err == nil && report.Converged
	})
}

// viewsEqualFold waits for convergence and compares every region's view with
// the fold of the union of the logs. It returns the union.
func (c *cluster) viewsEqualFold(ctx context.Context) map[identity]event.Event {
	c.t.Helper()
	c.awaitConverged(ctx)
	union := c.events(ctx)
	var events []event.Event
	for _, e := range union {
		events = append(events, e)
	}
	now := time.Now().UnixMilli()
	want := crdt.Fold(events, now)
	for _, region := range c.regions() {
		sameViews(c.t, region, c.views(ctx, region, now), want)
	}
	return union
}

func sameViews(t *testing.T, region string, got, want []crdt.View) {
	t.Helper()
	byKey := map[string]crdt.View{}
	for _, v := range got {
		byKey[string(v.Key)] = v
	}
	differences := 0
	report := func(format string, args ...any) {
		if differences++; differences <= 5 {
			t.Errorf("%s: "+format, append([]any{region}, args...)...)
		}
	}
	for _, w := range want {
		g, ok := byKey[string(w.Key)]
		switch {
		case !ok:
			report("key %q is missing, want %s", w.Key, short(w))
		case !g.Equal(w):
			report("key %q: got %s, want %s", w.Key, short(g), short(w))
		}
		delete(byKey, string(w.Key))
	}
	for key, g := range byKey {
		report("key %q: got %s, want nothing", key, short(g))
	}
	if differences > 5 {
		t.Errorf("%s: %d keys differ", region, differences)
	}
}

func short(v crdt.View) string {
	text := string(v.AppendCanonical(nil))
	if len(text) > 300 {
		return fmt.Sprintf("%s... (%d bytes)", text[:300], len(text))
	}
	return text
}
