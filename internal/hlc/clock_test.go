package hlc

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestClockHistories runs a clock through wall times that stand still, jump
// ahead and jump back. Each step sets the wall, then does one thing.
func TestClockHistories(t *testing.T) {
	const slot, region = 7, 1
	at := func(physical int64, counter uint32) Timestamp {
		return Timestamp{physical, counter<<slotBits | slot, region}
	}
	tick := func(wall, physical int64, counter uint32) step {
		return step{wall: wall, want: at(physical, counter)}
	}
	ahead := func(wall int64, by time.Duration) step { return step{wall: wall, ahead: by} }
	hear := func(wall int64, heard Timestamp, followed bool) step {
		return step{wall: wall, heard: &heard, followed: followed}
	}
	floor := func(wall int64, floor Timestamp) step { return step{wall: wall, floor: &floor} }

	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"time passes", []step{tick(1000, 1000, 0), tick(1001, 1001, 0), tick(5000, 5000, 0)}},
		{"time stands still", []step{tick(1000, 1000, 0), tick(1000, 1000, 1), tick(1000, 1000, 2), tick(1001, 1001, 0)}},
		{"wall jumps back a little", []step{tick(1000, 1000, 0), tick(700, 1000, 1), tick(999, 1000, 2), tick(1001, 1001, 0)}},
		{"wall jumps back by the bound", []step{tick(1000, 1000, 0), tick(500, 1000, 1)}},
		{"wall jumps back beyond the bound", []step{tick(1000, 1000, 0), ahead(499, 501*time.Millisecond), ahead(0, time.Second), tick(500, 1000, 1)}},
		{"wall jumps ahead and back", []step{tick(1000, 1000, 0), tick(90_000, 90_000, 0), ahead(1000, 89*time.Second), tick(89_600, 90_000, 1)}},
		{"a later stamp is followed", []step{tick(1000, 1000, 0), hear(1000, Timestamp{1200, 5<<slotBits | 900, 2}, true), tick(1000, 1200, 6), tick(1201, 1201, 0)}},
		{"an earlier stamp changes nothing", []step{tick(1000, 1000, 0), hear(1000, Timestamp{999, 9<<slotBits | 900, 2}, true), tick(1000, 1000, 1)}},
		{"an equal time with a higher counter", []step{tick(1000, 1000, 0), hear(1000, Timestamp{1000, 3 << slotBits, 0}, true), tick(1000, 1000, 4)}},
		{"a stamp at the bound is followed", []step{hear(1000, Timestamp{1500, 0, 0}, true), tick(1000, 1500, 1)}},
		{"a stamp beyond the bound is not", []step{hear(1000, Timestamp{1501, 0, 0}, false), tick(1000, 1000, 0)}},
		{"a stamp from the end of time is not", []step{hear(1000, Timestamp{MaxPhysical, MaxLogical, 9}, false), tick(1000, 1000, 0)}},
		{"a heard stamp at the bound leaves no room below it", []step{hear(1000, Timestamp{1500, MaxLogical, 9}, true), ahead(1000, 501*time.Millisecond), tick(1001, 1501, 0)}},
		{"a full counter moves the time", []step{hear(1000, Timestamp{1000, MaxLogical, 9}, true), tick(1000, 1001, 0), tick(1000, 1001, 1), tick(1002, 1002, 0)}},
		{"a full counter in the future", []step{hear(1000, Timestamp{1100, MaxLogical, 9}, true), tick(1000, 1101, 0)}},
		{"a restart below the floor", []step{floor(1000, Timestamp{1300, 4 << slotBits, 1}), tick(1000, 1300, 5)}},
		{"a floor beyond the bound refuses", []step{floor(1000, Timestamp{2000, 0, 1}), ahead(1000, time.Second), ahead(1499, 501*time.Millisecond), tick(1500, 2000, 1)}},
		{"a floor at the end of time refuses for ever", []step{floor(1000, Timestamp{MaxPhysical, 0, 1}), ahead(1000, math.MaxInt64/1_000_000*time.Millisecond)}},
		{"the wall before 1970", []step{tick(1, 1, 0), tick(-499, 1, 1), ahead(-500, 501*time.Millisecond)}},
	} {
		t.Run(tc.name, func(t *testing.T) { runHistory(t, tc.steps, region, slot) })
	}
}

// step is one line of a history; without heard or floor it ticks.
type step struct {
	wall     int64 // milliseconds
	heard    *Timestamp
	followed bool
	floor    *Timestamp
	ahead    time.Duration // tick is refused with this distance
	want     Timestamp
}

func runHistory(t *testing.T, steps []step, region int, slot uint16) {
	var wall int64
	c := NewClock(region, func() time.Time { return time.UnixMilli(wall) })
	for i, s := range steps {
		wall = s.wall
		before := c.Last()
		switch {
		case s.heard != nil:
			if got := c.Witness(*s.heard); got != s.followed {
				t.Fatalf("step %d: witness %v: got %v, want %v", i, *s.heard, got, s.followed)
			}
		case s.floor != nil:
			c.Floor(*s.floor)
		default:
			got, err := c.Now(slot)
			var tooFar *AheadError
			switch {
			case s.ahead == 0 && (err != nil || got != s.want):
				t.Fatalf("step %d: got %v, %v, want %v", i, got, err, s.want)
			case s.ahead == 0:
			case !errors.As(err, &tooFar) || tooFar.Ahead != s.ahead || tooFar.Wait() != s.ahead-MaxAhead:
				t.Fatalf("step %d: got %v, %v, want to be refused at %v", i, got, err, s.ahead)
			case c.Last() != before:
				t.Fatalf("step %d: a refused tick moved the clock from %v to %v", i, before, c.Last())
			}
		}
		if want := max(0, distance(c.Last().Physical, wall)); c.Ahead() != want {
			t.Fatalf("step %d: ahead by %v, want %v", i, c.Ahead(), want)
		}
	}
}

// TestClockAlwaysRises draws histories of two clocks that hear of each other:
// every stamp is later than all that its clock made or followed before, never
// too far ahead of its wall, and no two stamps are equal.
func TestClockAlwaysRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		walls := [2]int64{10_000, 10_000}
		clocks := [2]*Clock{}
		for i := range clocks {
			clocks[i] = NewClock(i, func() time.Time { return time.UnixMilli(walls[i]) })
		}
		var known [2]Timestamp // the latest stamp that each clock must exceed
		made := map[Timestamp]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "clock")
			walls[i] += rapid.SampledFrom([]int64{0, 0, 1, 2, 300, -1, -300, -700, 5000}).Draw(t, "wall")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if clocks[i].Witness(clocks[1-i].Last()) {
					known[i] = Max(known[i], clocks[1-i].Last())
				}
			case 1:
				full := Timestamp{walls[i] + rapid.Int64Range(0, 600).Draw(t, "future"), MaxLogical, 9}
				if clocks[i].Witness(full) {
					known[i] = Max(known[i], full)
				}
			default:
				got, err := clocks[i].Now(uint16(rapid.IntRange(0, 1023).Draw(t, "slot")))
				if err != nil {
					if known[i].Physical < walls[i]+MaxAhead.Milliseconds() {
						t.Fatalf("refused with wall %d, latest %v: %v", walls[i], known[i], err)
					}
					continue
				}
				if !got.After(known[i]) || !got.Valid() || made[got] || got.Physical < walls[i] ||
					got.Physical > walls[i]+MaxAhead.Milliseconds() {
					t.Fatalf("wall %d, after %v: got %v", walls[i], known[i], got)
				}
				known[i], made[got] = got, true
			}
		}
	})
}

func TestClockIsSafeForConcurrentUse(t *testing.T) {
	c := NewClock(0, func() time.Time { return time.UnixMilli(1000) })
	var mu sync.Mutex
	made := map[Timestamp]bool{}
	var wg sync.WaitGroup
	for slot := range uint16(4) {
		wg.Go(func() {
			for range 500 {
				stamp, err := c.Now(slot)
				mu.Lock()
				if err != nil || made[stamp] {
					t.Errorf("got %v, %v twice", stamp, err)
				}
				made[stamp] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(made) != 2000 {
		t.Errorf("got %d stamps, want 2000", len(made))
	}
}
