package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/event"
)

// TestGarbageInATopicIsQuarantinedAndNothingStops appends what does not belong
// into eu's log, among good records of the same partition.
func TestGarbageInATopicIsQuarantinedAndNothingStops(t *testing.T) {
	ctx := bounded(t)
	c := newHome(t).up("--memory")
	f := newForger(ctx, t, c, "eu")
	const key = "k" // everything in one partition: what stops one stops all
	c.produce(ctx, event.Operation{Region: "eu", Key: []byte(key), Args: event.Incr{Delta: 1}})

	now := time.Now()
	valid := f.incr(key, now, 1)
	for what, value := range map[string][]byte{
		"nothing":          nil,
		"text":             []byte("hello"),
		"JSON":             []byte(`{"op":"SET"}`),
		"a truncated body": f.frame(valid)[:20],
		"trailing bytes":   append(f.frame(valid), 0),
		"a foreign origin": f.frame(with(valid, "origin_region", "us", "region_idx", 0, "hlc", generic{"physical_ms": now.UnixMilli(), "logical": 700, "region": "us"})),
		"a foreign key":    f.frame(with(valid, "key", []byte("other"))),
		"an old timestamp": f.frame(with(valid, "hlc", generic{"physical_ms": now.UnixMilli() - 1, "logical": 700, "region": "eu"})),
		"no lane":          f.frame(with(valid, "seq", int64(0))),
	} {
		t.Log("appending", what)
		f.appendRaw(ctx, &kgo.Record{Key: []byte(key), Value: value, Timestamp: now})
	}
	f.appendRaw(ctx, &kgo.Record{Key: []byte("k:meta"), Value: f.frame(f.incr("k:meta", now, 1)), Timestamp: now})
	const rejected = 10

	last := c.produce(ctx, event.Operation{Region: "eu", Key: []byte(key), Args: event.Incr{Delta: 1}})
	c.mustAwait(ctx, last, c.regions()...)
	for _, region := range c.regions() {
		if got := c.redis(t, region).Get(ctx, key).Val(); got != "2" {
			t.Errorf("%s: %s = %s, want 2", region, key, got)
		}
	}
	c.viewsEqualFold(ctx)
	report, err := c.api.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Regions {
		if r.Counters.Rejected != rejected {
			t.Errorf("%s rejected %d records, want %d", r.Name, r.Counters.Rejected, rejected)
		}
		if r.State != "up" || len(r.Alarms) == 0 || !strings.Contains(r.Alarms[0].Code, "REJECTED") {
			t.Errorf("%s: state %s, alarms %+v", r.Name, r.State, r.Alarms)
		}
		reasons := c.quarantined(ctx, r.Name, rejected)
		if len(reasons) != rejected {
			t.Errorf("%s: %d records in geokv.dlq, want %d: %v", r.Name, len(reasons), rejected, reasons)
		}
	}
}

// with is a record with other fields.
func with(record generic, fields ...any) generic {
	changed := generic{}
	for name, value := range record {
		changed[name] = value
	}
	for i := 0; i < len(fields); i += 2 {
		changed[fields[i].(string)] = fields[i+1]
	}
	return changed
}

// incr is a valid increment of eu by 1.
func (f *forger) incr(key string, at time.Time, seq int64) generic {
	return generic{
		"v": 1, "min_ver": 1, "event_id": "forged", "origin_region": "eu", "region_idx": 1,
		"hlc":  generic{"physical_ms": at.UnixMilli(), "logical": 700, "region": "eu"},
		"slot": 700, "incarnation": f.incarnation, "seq": seq, "key": []byte(key), "op": "INCR",
		"payload": generic{"io.geokv.IncrPayload": generic{"delta": int64(1)}},
	}
}

// quarantined reads at least n records of a region's quarantine and returns the
// reasons they carry.
func (c *cluster) quarantined(ctx context.Context, region string, n int) []string {
	c.t.Helper()
	k, err := kgo.NewClient(kgo.SeedBrokers(c.region(region).Kafka...), kgo.ConsumeTopics("geokv.dlq"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer k.Close()
	var reasons []string
	for len(reasons) < n {
		fetches := k.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read geokv.dlq in %s: %v (%d of %d)", region, err, len(reasons), n)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			for _, header := range r.Headers {
				if header.Key == "geokv.reason" {
					reasons = append(reasons, string(header.Value))
				}
			}
		})
	}
	return reasons
}

// TestStampsFromTheFutureAreRefusedByTheOriginsBroker appends a valid event that
// is an hour early, as a producer with a wrong clock would.
func TestStampsFromTheFutureAreRefusedByTheOriginsBroker(t *testing.T) {
	ctx := bounded(t)
	c := newHome(t).up("--memory")
	f := newForger(ctx, t, c, "eu")
	early := time.Now().Add(time.Hour)
	err := f.kafka.ProduceSync(ctx, &kgo.Record{
		Topic: f.topic, Key: []byte("k"), Value: f.frame(f.incr("k", early, 1)), Timestamp: early,
	}).FirstErr()
	if !errors.Is(err, kerr.InvalidTimestamp) {
		t.Errorf("a stamp an hour early: got %v, want INVALID_TIMESTAMP", err)
	}
	if union := c.viewsEqualFold(ctx); len(union) != 0 {
		t.Errorf("%d events in the logs, want none", len(union))
	}
}
