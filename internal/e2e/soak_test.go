package e2e

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/sim"
)

// soakVariable asks for another number of events: `make soak` sets it.
const soakVariable = "GEOKV_SOAK_EVENTS"

// TestSimulatedEventsAtFullSpeed writes simulated traffic as fast as the bridges
// take it, waits until all regions agree, and rebuilds the views from the logs.
// It prints the rates and holds the memory to a bound.
func TestSimulatedEventsAtFullSpeed(t *testing.T) {
	events := 20_000
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if events, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", soakVariable, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience+time.Duration(events)*2*time.Millisecond)
	defer cancel()
	h := newHome(t)
	c := h.up()
	began := time.Now()
	if _, err := c.api.StartSim(ctx, api.SimStart{Rate: sim.Max, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	produced := c.awaitProduced(ctx, uint64(events))
	appended := time.Since(began)
	peakAtHalf, _ := c.residentMB()
	c.awaitConverged(ctx)
	applied := time.Since(began)
	union := c.viewsEqualFold(ctx)
	if len(union) < events {
		t.Errorf("%d events in the logs, %d were acknowledged", len(union), produced)
	}
	now, most := c.residentMB()
	t.Logf("append %s, apply in three regions %s (%d events, %v until all regions agreed)",
		perSecond(len(union), appended), perSecond(3*len(union), applied), len(union), applied.Round(time.Millisecond))
	t.Logf("resident memory %d MB after the traffic, %d MB at the end, %d MB at most", peakAtHalf, now, most)
	if limit := 400 + len(union)*3/1000; most > limit { // the logs of three regions are in it
		t.Errorf("%d MB resident, want at most %d", most, limit)
	}

	c.interrupt()
	c = h.up()
	rebuilt := c.awaitReady(ctx)
	t.Logf("rebuild of three views after the restart %s (%v for 3 x %d events)", perSecond(3*len(union), rebuilt), rebuilt.Round(time.Millisecond), len(union))
	again := c.viewsEqualFold(ctx)
	if len(again) != len(union) {
		t.Errorf("%d events after the restart, %d before", len(again), len(union))
	}
}

// awaitProduced stops the simulator when enough events are durable.
func (c *cluster) awaitProduced(ctx context.Context, events uint64) uint64 {
	c.t.Helper()
	for ticker := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			c.t.Fatal("the simulator is too slow")
		case <-ticker.C:
		}
		s, err := c.api.Sim(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if s.Failed+s.Unknown > 0 {
			c.t.Fatalf("%d writes failed, %d unknown: %s", s.Failed, s.Unknown, s.Error)
		}
		if s.Produced >= events {
			ticker.Stop()
			break
		}
	}
	s, err := c.api.StopSim(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.Produced
}

// awaitReady waits until every view is complete and returns how long that took
// since the ready line.
func (c *cluster) awaitReady(ctx context.Context) time.Duration {
	c.t.Helper()
	began := time.Now()
	polltest.Until(c.t, "views rebuilt", func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.ready.API+"/readyz", nil)
		if err != nil {
			c.t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			c.t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return time.Since(began)
}

func perSecond(n int, d time.Duration) string {
	return strconv.Itoa(int(float64(n)/d.Seconds())) + " events/s"
}
