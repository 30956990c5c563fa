//go:build realstack

package process_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/lab/process"
	"github.com/geokv/geokv/internal/stack"
	"github.com/geokv/geokv/internal/wal"
)

// world is a running cluster of processes with bridges, materializers and
// observers of all regions in this process.
type world struct {
	*testing.T
	dir      *datadir.Dir
	cluster  *process.Cluster
	app      *app.App
	config   config.Cluster
	topology geo.Topology
	logs     map[string]*wal.Log
	ready    time.Duration
}

// parts fetches what is missing: a test run that has no parts is no test run.
func parts(t *testing.T) stack.Parts {
	t.Helper()
	dir, err := stack.DefaultDir(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, err := stack.Open(dir)
	if err != nil {
		if err := stack.Fetch(t.Context(), dir, t.Logf); err != nil {
			t.Fatal(err)
		}
		p, err = stack.Open(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !p.Archived() {
		if err := process.Train(t.Context(), p, process.Config{}); err != nil {
			t.Logf("trial run: %v", err)
		}
	}
	return p
}

func newWorld(t *testing.T) *world {
	t.Helper()
	p := parts(t)
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dir: dir, topology: geo.Default(), logs: map[string]*wal.Log{}}
	began := time.Now()
	w.cluster, err = process.Start(t.Context(), process.Config{Topology: w.topology, Dir: dir, Parts: p, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := errors.Join(w.cluster.Close(ctx), dir.Close()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			w.keepLogs()
		}
	})
	w.config = clusterOf(w.topology, w.cluster)
	w.openApp()
	w.ready = time.Since(began)
	for _, r := range w.config.Regions {
		log, err := wal.Open(wal.Config{Brokers: r.Brokers})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(log.Close)
		w.logs[r.Region.Name] = log
	}
	return w
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(text []byte) (int, error) {
	if line := string(text); !strings.Contains(line, "kafka client") {
		w.t.Log(strings.TrimSpace(line))
	}
	return len(text), nil
}

func clusterOf(topology geo.Topology, c *process.Cluster) config.Cluster {
	e := c.Endpoints()
	out := config.Cluster{Topology: topology, Registry: config.Registry{URL: e.RegistryURL}}
	for _, r := range e.Regions {
		out.Regions = append(out.Regions, config.RegionEndpoint{
			Region: r.Region, Brokers: r.Brokers, RedisURL: config.URL(r.RedisURL), RedisAddr: r.RedisAddr,
		})
	}
	return out
}

// openApp opens every part of every region and waits until all can write.
func (w *world) openApp() {
	w.Helper()
	a, err := app.Open(w.Context(), app.Config{
		Cluster: w.config, Roles: app.Roles{Write: true, Materialize: true, Observe: true},
		Lab: w.describe, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.Fatal(err)
	}
	w.app = a
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(<-ended, a.Close(closing)); err != nil {
			w.Errorf("run: %v", err)
		}
	})
	w.await("every region ready", 60*time.Second, func() error { return a.Ready(w.Context()) })
}

// describe shows the cluster as the application knows it.
func (w *world) describe() api.Lab {
	state := api.Lab{Stack: w.cluster.Stack(), Links: w.cluster.Links()}
	for _, name := range w.topology.Names() {
		state.Regions = append(state.Regions, api.LabRegion{Region: name, Up: w.cluster.RegionUp(name)})
	}
	return state
}

// build makes the geokv binary.
func (w *world) build() string {
	w.Helper()
	binary := filepath.Join(w.TempDir(), "geokv")
	if text, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "github.com/geokv/geokv/cmd/geokv").CombinedOutput(); err != nil {
		w.Fatalf("build: %v\n%s", err, text)
	}
	return binary
}

// await polls foreign processes until there is no error any more.
func (w *world) await(what string, limit time.Duration, try func() error) time.Duration {
	w.Helper()
	began := time.Now()
	for {
		err := try()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			w.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// awaitEqual waits until every region has applied every event of every log.
func (w *world) awaitEqual(limit time.Duration) time.Duration {
	w.Helper()
	return w.await("positions equal", limit, func() error {
		report, err := w.app.Status(w.Context())
		if err == nil && !report.Converged {
			err = errors.New(describe(report))
		}
		return err
	})
}

func describe(r api.Report) string {
	var parts []string
	for _, region := range r.Regions {
		line := fmt.Sprintf("%s %s %s lag %d", region.Name, region.State, region.Detail, region.LagEvents)
		for _, o := range region.Origins {
			line += fmt.Sprintf(" %s %d/%d gap %d holes %v", o.Origin, o.Applied, o.End, o.MirrorGap, o.Holes)
		}
		parts = append(parts, line)
	}
	return strings.Join(parts, "; ")
}

// duplicates counts the repeated events that materializers have absorbed.
func (w *world) duplicates() (n int64) {
	report, err := w.app.Status(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range report.Regions {
		n += r.Counters.Duplicate
	}
	return n
}

// ends are the end offsets of the event topics on every Kafka.
func (w *world) ends() map[string]map[wal.Partition]int64 {
	w.Helper()
	all := map[string]map[wal.Partition]int64{}
	for name, log := range w.logs {
		ends, err := log.Ends(w.Context(), w.topology.Topics()...)
		if err != nil {
			w.Fatal(err)
		}
		all[name] = ends
	}
	return all
}

// memory sums what all processes of the cluster hold, in MB: resident, and
// proportional (memory that several share counted once).
func (w *world) memory() (rss, pss int) {
	var pids []int
	add := func(p interface{ PID() int }, err error) {
		if err != nil {
			w.Fatal(err)
		}
		pids = append(pids, p.PID())
	}
	add(w.cluster.Registry(), nil)
	for _, name := range w.topology.Names() {
		kafka, err := w.cluster.Kafka(name)
		add(kafka, err)
		redis, err := w.cluster.Redis(name)
		add(redis, err)
		mirror, err := w.cluster.Mirror(name)
		add(mirror, err)
	}
	for _, pid := range append(pids, os.Getpid()) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			w.Logf("memory is not measured here: %v", err)
			return 0, 0
		}
		rss, pss = rss+kilobytes(string(text), "Rss:"), pss+kilobytes(string(text), "Pss:")
	}
	return rss / 1024, pss / 1024
}

func kilobytes(text, name string) int {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}

// keepLogs shows the ends of the processes' logs after a failure.
func (w *world) keepLogs() {
	files, _ := filepath.Glob(filepath.Join(w.cluster.Logs(), "*.log"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		w.Logf("%s:\n%s", filepath.Base(f), strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// percentile of durations, 0 for none.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func spread(all []time.Duration) string {
	ms := func(p int) time.Duration { return percentile(all, p).Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %s p99 %s", ms(50), ms(99))
}
