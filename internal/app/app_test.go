//go:build synctests

package app_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/labtest"
)

// open starts an App of all roles on the world and returns it with its end,
// which gives everything together the time named.
func open(t *testing.T, w *labtest.World, change ...func(*app.Config)) (a *app.App, end func(within time.Duration) error) {
	t.Helper()
	cfg := app.Config{
		Cluster: w.Cluster(), Roles: app.Roles{Write: true, Materialize: true, Observe: true},
		DialKafka: w.DialKafka, DialRedis: w.DialRedis,
	}
	for _, f := range change {
		f(&cfg)
	}
	a, err := app.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	return a, func(within time.Duration) error {
		stop()
		closing, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		failed := a.Close(closing)
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		return failed
	}
}

func produce(t *testing.T, a *app.App, region string, words ...string) event.Receipt {
	t.Helper()
	op, err := event.ParseCommand(words)
	if err != nil {
		t.Fatal(err)
	}
	op.Region = region
	receipt, err := a.Produce(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// A region that is down holds the end up once, not once per region, and the
// others end cleanly.
func TestEndWithARegionDown(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		a, end := open(t, w)
		produce(t, a, "us", "incr", "k", "1")
		w.StopKafka("us")
		if r := produce(t, a, "us", "incr", "k", "1"); r.Outcome != event.FateUnknown {
			t.Errorf("a write to a region that is down: %s, want unknown", r.Outcome)
		}
		began := time.Now()
		err := end(5 * time.Second)
		if err == nil || !strings.Contains(err.Error(), "of us") || strings.Contains(err.Error(), "of eu") || strings.Contains(err.Error(), "of ap") {
			t.Errorf("end: %v, want it to name us alone", err)
		}
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("the end took %v", took)
		}
		for _, name := range []string{"eu", "ap"} {
			if holder, err := w.View(name).SlotHolder(t.Context(), 0); holder != "" || err != nil {
				t.Errorf("slot 0 of %s is still held by %q, %v", name, holder, err)
			}
		}
	})
}

// A process that serves some regions says so of the others, which exist, and of
// those that do not.
func TestServingSomeRegions(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		a, end := open(t, w, func(c *app.Config) { c.Regions = []string{"ap", "us", "us"} })
		if got := a.Regions(); !slices.Equal(got, []string{"us", "ap"}) {
			t.Errorf("serves %v, want us and ap", got)
		}
		receipt := produce(t, a, "ap", "incr", "k", "1")
		if _, err := a.Await(t.Context(), receipt, nil); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]string{"eu": `region "eu" is not served by this process`, "mars": `no region "mars"`} {
			_, err := a.Key(t.Context(), api.KeyQuery{Region: name, Key: []byte("k")})
			if fail.CodeOf(err) != fail.NotFound || err.Error() != want || fail.HintOf(err) == "" {
				t.Errorf("%s: %v (hint %q), want %s", name, err, fail.HintOf(err), want)
			}
		}
		if err := end(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
}

// As geokv up after a restart: views start empty and closed to strangers, and
// open when they hold what the logs held.
func TestFreshViewsAreRebuiltAndOpened(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		a, end := open(t, w)
		for _, region := range a.Regions() {
			produce(t, a, region, "incr", "k", "1")
		}
		w.AwaitMirrored()
		if err := end(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		for _, region := range a.Regions() {
			w.StopRedis(region)
			w.StartRedis(region)
			w.Redis(region).SetReady(false)
		}
		a, end = open(t, w, func(cfg *app.Config) {
			cfg.FreshViews = true
			cfg.OnReady = func(region string) { w.Redis(region).SetReady(true) }
		})
		w.Await("the rebuild", func() bool { return a.Ready(t.Context()) == nil })
		for _, region := range a.Regions() {
			page, err := a.Key(t.Context(), api.KeyQuery{Region: region, Key: []byte("k")})
			if err != nil || string(page.View.String) != "3" {
				t.Errorf("%s: %q, %v, want 3", region, page.View.String, err)
			}
		}
		if err := end(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
}
