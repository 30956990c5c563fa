package memkafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

func start(t *testing.T, cfg Config) *Kafka {
	t.Helper()
	if cfg.Topic == "" {
		cfg.Topic = "us.events"
	}
	k, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func client(t *testing.T, k *Kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.Addr()), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(20 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopics(t *testing.T, c *kgo.Client) {
	t.Helper()
	if _, err := kadm.NewClient(c).CreateTopics(t.Context(), geo.Partitions, 1, nil, "us.events", "eu.events"); err != nil {
		t.Fatal(err)
	}
}

func produce(ctx context.Context, c *kgo.Client, topic string, partition int32, at time.Time, value string) error {
	return c.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: partition, Timestamp: at, Value: []byte(value)}).FirstErr()
}

func values(t *testing.T, k *Kafka, topic string, n int) (out []string) {
	t.Helper()
	c := client(t, k, kgo.ConsumeTopics(topic))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(out) < n {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("read %d of %d records", len(out), n)
		}
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, string(r.Value)) })
	}
	return out
}

func TestStampsFromTheFutureAreRefusedOnTheOwnTopicOnly(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	k := start(t, Config{Wall: func() time.Time { return now }})
	c, ctx := client(t, k), t.Context()
	createTopics(t, c)
	for _, test := range []struct {
		topic string
		ahead time.Duration
		want  error
	}{
		{"us.events", -24 * time.Hour, nil},
		{"us.events", DefaultBound, nil},
		{"us.events", DefaultBound + time.Millisecond, kerr.InvalidTimestamp},
		{"us.events", 100 * 365 * 24 * time.Hour, kerr.InvalidTimestamp},
		{"eu.events", 100 * 365 * 24 * time.Hour, nil},
	} {
		if err := produce(ctx, c, test.topic, 3, now.Add(test.ahead), "v"); !errors.Is(err, test.want) {
			t.Errorf("%s %v ahead: got %v, want %v", test.topic, test.ahead, err, test.want)
		}
	}
	// One bad partition must not fail the others of the same request.
	results := c.ProduceSync(ctx,
		&kgo.Record{Topic: "us.events", Partition: 1, Timestamp: now, Value: []byte("good")},
		&kgo.Record{Topic: "us.events", Partition: 2, Timestamp: now.Add(time.Hour), Value: []byte("bad")},
		&kgo.Record{Topic: "eu.events", Partition: 2, Timestamp: now.Add(time.Hour), Value: []byte("good")})
	for _, r := range results {
		if bad := string(r.Record.Value) == "bad"; bad != errors.Is(r.Err, kerr.InvalidTimestamp) {
			t.Errorf("%s/%d %s: %v", r.Record.Topic, r.Record.Partition, r.Record.Value, r.Err)
		}
	}
}

func TestStopBreaksConnectionsAndKeepsTheLog(t *testing.T) {
	k := start(t, Config{})
	c, ctx := client(t, k), t.Context()
	createTopics(t, c)
	if err := produce(ctx, c, "us.events", 0, time.Now(), "before"); err != nil {
		t.Fatal(err)
	}
	addr := k.Addr()
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()

	for round := range 3 {
		k.Stop()
		if k.Up() {
			t.Error("up after Stop")
		}
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			conn.Close()
			t.Error("a stopped broker took a connection")
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		if err := client(t, k).Ping(short); err == nil {
			t.Error("a stopped broker answered")
		}
		cancel()
		produced := make(chan error, 1)
		go func() { produced <- produce(ctx, c, "us.events", 0, time.Now(), fmt.Sprint("during ", round)) }()
		if err := k.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if k.Addr() != addr {
			t.Errorf("address moved from %s to %s", addr, k.Addr())
		}
		if err := <-produced; err != nil {
			t.Errorf("record queued during the outage: %v", err)
		}
	}
	idle.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := idle.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("connection from before the outage: %v, want closed", err)
	}
	if got := values(t, k, "us.events", 4); got[0] != "before" {
		t.Errorf("log = %v", got)
	}
}

func TestPortTakenWhileStopped(t *testing.T) {
	k := start(t, Config{})
	k.Stop()
	thief, err := net.Listen("tcp", k.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	err = k.Restart(ctx)
	if fail.CodeOf(err) != fail.Unavailable || fail.HintOf(err) == "" {
		t.Errorf("Restart on a taken port: %v", err)
	}
	thief.Close()
	if err := k.Restart(t.Context()); err != nil {
		t.Errorf("Restart on the freed port: %v", err)
	}
	if _, err := Start(Config{Topic: "us.events", Addr: k.Addr()}); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("Start on a taken port: %v", err)
	}
}

func TestLogOnDiskSurvives(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	cfg := Config{Topic: "us.events", DataDir: dir, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	k := start(t, cfg)
	c := client(t, k)
	createTopics(t, c)
	for i := range 3 {
		if err := produce(t.Context(), c, "us.events", 0, time.Now(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	k.Close()

	k = start(t, cfg)
	if got := values(t, k, "us.events", 3); fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("after a clean end: %v", got)
	}
	if d := k.Damage(); len(d) != 0 {
		t.Errorf("damage after a clean end: %v", d)
	}
	k.Close()

	damageLastBatch(t, dir)
	k = start(t, cfg)
	if d := k.Damage(); len(d) == 0 {
		t.Error("a damaged batch was cut off silently")
	}
	if !strings.Contains(logged.String(), "level=WARN") {
		t.Errorf("log says nothing of the damage: %s", logged.String())
	}
}

// damageLastBatch flips the last byte of the only segment that holds records.
func damageLastBatch(t *testing.T, dir string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "us.events") || filepath.Ext(path) != ".dat" && filepath.Ext(path) != ".log" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		found = true
		b[len(b)-1] ^= 0xff
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || !found {
		t.Fatalf("no segment found in %s: %v", dir, err)
	}
}

func TestVirtualNetwork(t *testing.T) {
	var network kfake.VirtualNetwork
	k := start(t, Config{Addr: "127.0.0.1:9001", Listen: network.Listen})
	c := client(t, k, kgo.Dialer(network.DialContext))
	createTopics(t, c)
	k.Stop()
	if _, err := network.DialContext(t.Context(), "tcp", k.Addr()); err == nil {
		t.Error("a stopped broker took a connection")
	}
	if err := k.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := produce(t.Context(), c, "us.events", 0, time.Now(), "v"); err != nil {
		t.Error(err)
	}
}
