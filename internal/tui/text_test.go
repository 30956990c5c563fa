package tui

import (
	"testing"

	"github.com/geokv/geokv/internal/event"
)

func TestMillisFitFiveCells(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "0ms", 7: "7ms", 999: "999ms", 1000: "1.0s", 1249: "1.2s", 9949: "9.9s", 12_345: "12s", 99_000: "99s", 120_000: "2m", 3_600_000: "60m",
		100 * 3_600_000: "4d", 1 << 50: "999d", -3: "-3ms", -480: "-0.5s", -5000: "-5.0s", -1 << 40: "-999d",
	} {
		if got := millis(ms); got != want || len(got) > 5 {
			t.Errorf("millis(%d) = %q, want %q", ms, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 12345: "12,345"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestRatesCountWhereThingsHappened: by the time of the observation, not of its
// delivery.
func TestRates(t *testing.T) {
	s := newScreen(t, 120, 40)
	for i := range int64(30) {
		e := written("us", 0, 7000+i*100, event.Incr{Delta: 1}, "k") // the last three seconds
		s.observe(seenIn(e, "us", 0), seenIn(e, "eu", 0), appliedIn(e, "eu", 0, event.Applied))
	}
	now := s.c.wall().Unix()
	if got := s.rates.events.rate(now); got != 10 {
		t.Errorf("event rate %g, want 10", got)
	}
	if got := s.rates.flows[0*3+1].rate(now); got != 10 {
		t.Errorf("rate us->eu %g, want 10", got)
	}
	if got := s.rates.flows[0*3+2].rate(now); got != 0 {
		t.Errorf("rate us->ap %g, want 0", got)
	}
	if _, known := s.rates.delay(0*3+1, now); !known {
		t.Error("the delay us->eu is not known")
	}
	if _, known := s.rates.delay(0*3+1, now+120); known {
		t.Error("a delay of two minutes ago is shown as if it were of now")
	}
}
