//go:build synctests

package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/labtest"
)

// open starts an App of all roles on the world and returns it with its end,
// which gives everything together the time named.
func open(t *testing.T, w *labtest.World) (a *app.App, end func(within time.Duration) error) {
	t.Helper()
	a, err := app.Open(t.Context(), app.Config{
		Cluster: w.Cluster(), Roles: app.Roles{Write: true, Materialize: true, Observe: true},
		DialKafka: w.DialKafka, DialRedis: w.DialRedis,
	})
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
