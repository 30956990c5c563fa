package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/memkafka"
	"github.com/geokv/geokv/internal/view/redistest"
	"github.com/geokv/geokv/internal/wal"
)

// lone runs all roles for a cluster of one region on a Kafka in process and the
// Redis named, in real time.
func lone(t *testing.T, redisURL string) *app.App {
	t.Helper()
	topology, err := geo.NewTopology(geo.Region{Name: "us"})
	if err != nil {
		t.Fatal(err)
	}
	kafka, err := memkafka.Start(memkafka.Config{Topic: "us.events"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	log, err := wal.Open(wal.Config{Brokers: []string{kafka.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.EnsureTopics(t.Context(), "us.events", topology.Topics(), wal.TopicOptions{Replication: 1}); err != nil {
		t.Fatal(err)
	}
	region, _ := topology.Lookup("us")
	a, err := app.Open(t.Context(), app.Config{
		Cluster: config.Cluster{Topology: topology, Regions: []config.RegionEndpoint{{
			Region: region, Brokers: []string{kafka.Addr()}, RedisURL: config.URL(redisURL), RedisAddr: "redis",
		}}},
		Roles: app.Roles{Write: true, Materialize: true}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return a
}

// A Redis that is emptied while it is read never shows a half-built view: reads
// say REBUILDING until everything is back, and so does the status.
func TestReadsOfAFlushedViewAreRefusedUntilItIsWhole(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) string{
		"miniredis": func(t *testing.T) string { return "redis://" + miniredis.RunT(t).Addr() },
		"redis":     func(t *testing.T) string { return redistest.Start(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			url := start(t)
			a := lone(t, url)
			fill(t, a)
			options, err := redis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			raw := redis.NewClient(options)
			defer raw.Close()
			told := false
			for round := range 4 {
				if err := raw.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				told = readsUntilWhole(t, a, filled, round%2 == 0) || told
			}
			if !told {
				t.Error("the status never said that the view is rebuilt")
			}
		})
	}
}

// A Redis that comes back with an old snapshot, or with nothing, is not read from
// until it has everything again: an old value is as wrong as none.
func TestReadsOfARestartedViewAreRefusedUntilItIsWhole(t *testing.T) {
	server := redistest.Start(t)
	a := lone(t, server.URL)
	fill(t, a)
	raw := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer raw.Close()
	if err := raw.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	fill(t, a)
	for _, snapshot := range []string{"old", "none"} {
		if snapshot == "none" {
			if err := os.Remove(filepath.Join(server.Dir(), "dump.rdb")); err != nil {
				t.Fatal(err)
			}
		}
		server.Kill()
		if !server.Run(t) {
			t.Fatal("redis-server did not start again")
		}
		readsUntilWhole(t, a, 2*filled, false, fail.Unavailable) // connections break
	}
}

const (
	filled = 300  // increments of each key
	names  = "jk" // the keys
)

// fill writes two keys of different partitions and waits until they show.
func fill(t *testing.T, a *app.App) {
	t.Helper()
	var last [2]event.Receipt
	for range filled {
		for i := range last {
			op, err := event.ParseCommand([]string{"incr", names[i : i+1], "1"})
			if err != nil {
				t.Fatal(err)
			}
			if last[i], err = a.Produce(t.Context(), op); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, receipt := range last {
		if _, err := a.Await(t.Context(), receipt, nil); err != nil {
			t.Fatal(err)
		}
	}
	if last[0].Partition == last[1].Partition {
		t.Fatal("both keys are in one partition")
	}
}

// readsUntilWhole reads values, and names too, until all of them are back.
func readsUntilWhole(t *testing.T, a *app.App, want int, namesToo bool, passing ...fail.Code) (told bool) {
	t.Helper()
	refused := 0
	for deadline := time.Now().Add(30 * time.Second); ; {
		whole := true
		if namesToo {
			keys, err := a.Keys(t.Context(), api.KeysQuery{Region: "us"})
			if refusal(t, err, passing) {
				refused, whole = refused+1, false
			} else if len(keys.Keys) != 2 {
				t.Fatalf("the view lists %v while it is rebuilt", keys.Keys)
			}
		}
		for i := range 2 {
			page, err := a.Key(t.Context(), api.KeyQuery{Region: "us", Key: []byte(names[i : i+1])})
			if refusal(t, err, passing) {
				refused, whole = refused+1, false
			} else if got := string(page.View.String); got != fmt.Sprint(want) {
				t.Fatalf("%c = %q while the view is rebuilt", names[i], got)
			}
		}
		if whole {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the view is not rebuilt")
		}
		if report, err := a.Status(t.Context()); err == nil && report.Regions[0].State == api.StateRebuilding {
			told = true
		}
	}
	if refused == 0 {
		t.Error("no read was refused: nobody noticed the fault")
	}
	return told
}

// refusal tells a read that was refused because the view is not whole, or for a
// reason that passes, from one that succeeded.
func refusal(t *testing.T, err error, passing []fail.Code) bool {
	t.Helper()
	switch code := fail.CodeOf(err); {
	case err == nil:
		return false
	case code == fail.Rebuilding && strings.Contains(err.Error(), "%"), slices.Contains(passing, code):
		return true
	}
	t.Fatalf("a read of a view that went back: %v", err)
	return true
}
