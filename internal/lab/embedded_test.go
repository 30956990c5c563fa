package lab

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/wal"
)

func start(t *testing.T, cfg EmbeddedConfig) Cluster {
	t.Helper()
	if cfg.Topology.Len() == 0 {
		cfg.Topology = geo.Default()
	}
	c, err := StartEmbedded(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func openLog(t *testing.T, c Cluster, region string) *wal.Log {
	t.Helper()
	log, err := wal.Open(wal.Config{Brokers: endpoint(c, region).Brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return log
}

func endpoint(c Cluster, region string) RegionEndpoint {
	regions := c.Endpoints().Regions
	return regions[slices.IndexFunc(regions, func(r RegionEndpoint) bool { return r.Region.Name == region })]
}

func write(t *testing.T, c Cluster, region, value string) {
	t.Helper()
	_, err := openLog(t, c, region).AppendSync(t.Context(), event.Record{
		Topic: geo.Topic(region), Partition: 3, Key: []byte("k"), Value: []byte(value), TimestampMS: time.Now().UnixMilli(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// values are the records of a topic in a region.
func values(t *testing.T, c Cluster, at, topic string) (out []string) {
	t.Helper()
	log, ctx := openLog(t, c, at), t.Context()
	starts, err := log.Starts(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := log.Ends(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Scan(ctx, starts, ends, func(r event.Record) error { out = append(out, string(r.Value)); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func awaitValues(t *testing.T, c Cluster, at, topic string, want ...string) {
	t.Helper()
	polltest.Until(t, fmt.Sprintf("%v of %s in %s", want, topic, at), func() bool {
		return slices.Equal(slices.Compact(values(t, c, at, topic)), want)
	})
}

func TestEmbeddedClusterCarriesEveryLogEverywhere(t *testing.T) {
	c := start(t, EmbeddedConfig{})
	for _, region := range geo.Default().Names() {
		write(t, c, region, "from "+region)
	}
	for _, at := range geo.Default().Names() {
		for _, origin := range geo.Default().Names() {
			awaitValues(t, c, at, geo.Topic(origin), "from "+origin)
		}
	}
	resp, err := http.Get(c.Endpoints().RegistryURL + "/subjects")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("registry: %v, %v", resp, err)
	}
	for _, l := range c.Links() {
		if l.State != "up" {
			t.Errorf("link %+v, want up", l)
		}
	}
}

func TestFaultsOfTheEmbeddedCluster(t *testing.T) {
	c, ctx := start(t, EmbeddedConfig{}), t.Context()
	flow := geo.Flow{From: "us", To: "eu"}
	write(t, c, "us", "1")
	awaitValues(t, c, "eu", "us.events", "1")

	if err := c.Cut(flow); err != nil {
		t.Fatal(err)
	}
	write(t, c, "us", "2")
	awaitValues(t, c, "ap", "us.events", "1", "2")
	if got := values(t, c, "eu", "us.events"); len(got) != 1 {
		t.Errorf("through a cut link: %v", got)
	}
	if l := c.Links()[0]; l.From != flow.From || l.To != flow.To || l.State != api.FlowCut {
		t.Errorf("link %+v, want us->eu cut", l)
	}
	if err := c.Heal(flow); err != nil {
		t.Fatal(err)
	}
	awaitValues(t, c, "eu", "us.events", "1", "2")

	if err := c.StopRegion(ctx, "us"); err != nil {
		t.Fatal(err)
	}
	if c.RegionUp("us") || !c.RegionUp("eu") {
		t.Errorf("up: us %v, eu %v", c.RegionUp("us"), c.RegionUp("eu"))
	}
	if conn, err := net.DialTimeout("tcp", endpoint(c, "us").Brokers[0], time.Second); err == nil {
		conn.Close()
		t.Error("a stopped region takes connections")
	}
	write(t, c, "eu", "3")
	awaitValues(t, c, "ap", "eu.events", "3")
	if err := c.StartRegion(ctx, "us"); err != nil {
		t.Fatal(err)
	}
	awaitValues(t, c, "us", "eu.events", "3")
	awaitValues(t, c, "us", "us.events", "1", "2")

	for what, err := range map[string]error{
		"stop": c.StopRegion(ctx, "mars"), "start": c.StartRegion(ctx, "mars"), "ready": c.ViewReady("mars", true),
		"cut": c.Cut(geo.Flow{From: "mars", To: "eu"}), "heal": c.Heal(geo.Flow{}), "delay": c.Delay(geo.Flow{}, 0),
	} {
		if fail.CodeOf(err) != fail.NotFound {
			t.Errorf("%s of an unknown region: %v", what, err)
		}
	}
}

func TestViewsAnswerStrangersWhenReady(t *testing.T) {
	c, ctx := start(t, EmbeddedConfig{}), t.Context()
	if !c.FreshViews() {
		t.Error("embedded views start empty, FreshViews says otherwise")
	}
	e := endpoint(c, "eu")
	options, err := redis.ParseURL(e.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	full, guest := redis.NewClient(options), redis.NewClient(&redis.Options{Addr: e.RedisAddr, MaxRetries: -1})
	defer full.Close()
	defer guest.Close()
	if err := full.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := guest.Get(ctx, "k").Err(); err == nil || !strings.HasPrefix(err.Error(), "LOADING") {
		t.Errorf("before it is ready: %v, want LOADING", err)
	}
	if err := c.ViewReady("eu", true); err != nil {
		t.Fatal(err)
	}
	if got, err := guest.Get(ctx, "k").Result(); got != "v" {
		t.Errorf("when ready: %q, %v", got, err)
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	for run := range 3 {
		dir, err := datadir.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		c := start(t, EmbeddedConfig{Dir: dir})
		var want []string
		for i := range run + 1 {
			want = append(want, fmt.Sprint(i))
		}
		if run == 1 {
			c.Cut(geo.Flow{From: "us", To: "ap"}) // unsent when the process ends
		}
		write(t, c, "us", fmt.Sprint(run))
		awaitValues(t, c, "eu", "us.events", want...)
		if run != 1 {
			awaitValues(t, c, "ap", "us.events", want...)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
		dir.Close()
	}
}

func TestDamageIsLoud(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	dir, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := start(t, EmbeddedConfig{Dir: dir})
	write(t, c, "us", "x")
	c.Close(t.Context())

	segments, _ := filepath.Glob(filepath.Join(path, "us", "kafka", "*", "us.events-3", "*.dat"))
	if len(segments) == 0 {
		filepath.WalkDir(path, func(name string, d os.DirEntry, _ error) error {
			if strings.Contains(name, "us.events") && !d.IsDir() {
				if b, _ := os.ReadFile(name); bytes.Contains(b, []byte("x")) && strings.Contains(name, filepath.Join("us", "kafka")) {
					segments = append(segments, name)
				}
			}
			return nil
		})
	}
	for _, name := range segments {
		b, _ := os.ReadFile(name)
		if len(b) > 0 {
			b[len(b)-1] ^= 0xff
			os.WriteFile(name, b, 0o600)
		}
	}
	var logged lockedBuffer
	start(t, EmbeddedConfig{Dir: dir, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if !strings.Contains(logged.String(), "level=ERROR") || !strings.Contains(logged.String(), "region=us") {
		t.Errorf("damage in %v was not reported: %s", segments, logged.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestBadConfigurations(t *testing.T) {
	for _, cfg := range []EmbeddedConfig{{Redis: "valkey"}, {Redis: RedisExec}} {
		cfg.Topology = geo.Default()
		if _, err := StartEmbedded(t.Context(), cfg); fail.CodeOf(err) != fail.Usage {
			t.Errorf("%+v: %v", cfg.Redis, err)
		}
	}
}

func TestRedisAsChildProcesses(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no redis-server in PATH")
		}
		t.Skip("no redis-server in PATH")
	}
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for run := range 2 {
		c := start(t, EmbeddedConfig{Dir: dir, Redis: RedisExec})
		if c.FreshViews() {
			t.Error("views of redis-server processes do not start empty")
		}
		for _, e := range c.Endpoints().Regions {
			options, err := redis.ParseURL(e.RedisURL)
			if err != nil {
				t.Fatal(err)
			}
			db := redis.NewClient(options)
			if n := db.Incr(t.Context(), "runs").Val(); n != int64(run+1) {
				t.Errorf("%s, run %d: counted %d", e.Region.Name, run, n)
			}
			db.Close()
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func BenchmarkStartEmbedded(b *testing.B) {
	for b.Loop() {
		c, err := StartEmbedded(b.Context(), EmbeddedConfig{Topology: geo.Default()})
		if err != nil {
			b.Fatal(err)
		}
		c.Close(b.Context())
	}
}
