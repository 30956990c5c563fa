//go:build synctests

package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/labtest"
)

// A wait that runs out names every region that lacks the write, whatever their
// order, and says which have it.
func TestAwaitNamesEveryRegionThatLacksTheWrite(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		a, end := open(t, w)
		w.Isolate("us")
		receipt := produce(t, a, "us", "incr", "k", "1")
		w.StopRedis("eu")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		answer, err := a.Await(ctx, receipt, []string{"eu", "ap", "us"})
		if fail.CodeOf(err) != fail.Timeout {
			t.Fatalf("await: %v, want TIMEOUT", err)
		}
		if text := err.Error(); !strings.Contains(text, "eu (") || !strings.HasSuffix(text, ", ap") || strings.Contains(text, "us,") {
			t.Errorf("the error is %q; want eu with its failure, and ap", text)
		}
		for i, want := range []bool{false, false, true} {
			if r := answer.Regions[i]; r.Applied != want {
				t.Errorf("%s: applied %v, want %v", r.Region, r.Applied, want)
			}
		}
		if answer.WaitedMS != 10_000 {
			t.Errorf("waited %d ms", answer.WaitedMS)
		}
		w.StartRedis("eu")
		w.HealAll()
		if answer, err = a.Await(t.Context(), receipt, nil); err != nil || !answer.Regions[1].Applied {
			t.Errorf("after healing: %+v, %v", answer, err)
		}
		if err := end(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
}
