package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/sim"
)

var regions = []string{"us", "eu", "ap"}

func steps(seed uint64, n int) []string {
	g := sim.NewGenerator(seed, regions)
	var out []string
	for range n {
		s := g.Next()
		data, _ := json.Marshal(s.Ops)
		out = append(out, string(s.Kind)+" "+string(data))
	}
	return out
}

func TestSeededRunsRepeat(t *testing.T) {
	a, b, c := steps(7, 2000), steps(7, 2000), steps(8, 2000)
	if !slices.Equal(a, b) {
		t.Error("the same seed gave another sequence")
	}
	if slices.Equal(a, c) {
		t.Error("another seed gave the same sequence")
	}
}

func TestMixAndSense(t *testing.T) {
	const n = 20000
	g := sim.NewGenerator(1, regions)
	kinds, byRegion := map[sim.Kind]int{}, map[string]int{}
	cart := map[string]bool{}
	for range n {
		s := g.Next()
		kinds[s.Kind]++
		byRegion[s.Ops[0].Region]++
		for _, o := range s.Ops {
			if err := o.Validate(); err != nil {
				t.Fatalf("%s: %v", s.Kind, err)
			}
		}
		switch s.Kind {
		case sim.Purchase:
			checkPurchase(t, s)
		case sim.CartAdd:
			cart[string(s.Ops[0].Args.(event.SAdd).Members[0])] = true
		case sim.CartDrop:
			user := string(s.Ops[0].Args.(event.SRem).Members[0])
			if !cart[user] || !strings.HasSuffix(user, "."+s.Ops[0].Region) {
				t.Fatalf("%s drops a cart in %s, had one: %v", user, s.Ops[0].Region, cart[user])
			}
			delete(cart, user)
		case sim.InventoryRace:
			if len(s.Ops) < 2 || s.Ops[0].Region == s.Ops[1].Region || string(s.Ops[0].Key) != "inventory:lastSeen" {
				t.Fatalf("race %+v", s)
			}
		}
	}
	for kind, want := range map[sim.Kind]float64{
		sim.Purchase: 50, sim.CartAdd: 20, sim.CartDrop: 10, sim.VIPJoin: 10, sim.Restock: 5, sim.InventoryRace: 5,
	} {
		if got := 100 * float64(kinds[kind]) / n; math.Abs(got-want) > 1 {
			t.Errorf("%s: %.1f %%, want %.0f %%", kind, got, want)
		}
	}
	for _, r := range regions {
		if got := 100 * byRegion[r] / n; got < 30 || got > 37 {
			t.Errorf("%s: %d %% of the steps", r, got)
		}
	}
}

func checkPurchase(t *testing.T, s sim.Step) {
	t.Helper()
	var ops []string
	for _, o := range s.Ops {
		ops = append(ops, event.QuoteWords(o.Command()))
		if o.Region != s.Ops[0].Region {
			t.Fatalf("a purchase in two regions: %+v", s)
		}
	}
	for i, prefix := range []string{"INCR sales:total 1", "INCR inventory:", "ZADD leaderboard:spenders ", "XADD orders:feed '*' sku "} {
		if len(ops) != 4 || !strings.HasPrefix(ops[i], prefix) {
			t.Fatalf("purchase %q", ops)
		}
	}
}

// recorder is a writer that answers after delay.
type recorder struct {
	mu     sync.Mutex
	ops    []event.Operation
	delay  time.Duration
	answer func(op event.Operation) (event.Receipt, error)
}

func (r *recorder) Produce(_ context.Context, op event.Operation) (event.Receipt, error) {
	time.Sleep(r.delay)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
	if r.answer != nil {
		return r.answer(op)
	}
	return event.Receipt{Outcome: event.Durable}, nil
}

func TestRateFollowsTheDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(&recorder{})
		if err := s.Start(sim.Options{Regions: regions, Rate: 20, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for _, rate := range []float64{20, 500, 3, 2345, 0.5} {
			if err := s.SetRate(rate); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			got := s.Stats().Steps - last
			last += got
			if want := rate * 10; math.Abs(float64(got)-want) > 1+want/500 {
				t.Errorf("at %g per second: %d steps in 10 s, want %g", rate, got, want)
			}
		}
		s.Stop()
		time.Sleep(time.Minute)
		if st := s.Stats(); st.Running || st.Steps != last || st.Skipped != 0 {
			t.Errorf("after stop: %+v, want %d steps", st, last)
		}
	})
}

func TestOutcomesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &recorder{answer: func(op event.Operation) (event.Receipt, error) {
			switch op.Region {
			case "us":
				return event.Receipt{}, errors.New("no")
			case "eu":
				return event.Receipt{Outcome: event.FateUnknown}, nil
			}
			return event.Receipt{Outcome: event.Durable}, nil
		}}
		s := sim.New(w)
		if err := s.Start(sim.Options{Regions: regions, Rate: 50, Seed: 3, Steps: 300}); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := s.Stats()
		if st.Running || st.Steps != 300 || st.Produced+st.Failed+st.Unknown != int64(len(w.ops)) {
			t.Errorf("%+v for %d operations", st, len(w.ops))
		}
		if st.Regions["us"].Failed != st.Failed || st.Regions["eu"].Unknown != st.Unknown || st.Regions["ap"].Produced != st.Produced ||
			st.Failed == 0 || st.Unknown == 0 || st.Produced == 0 || st.LastError != "us: no" {
			t.Errorf("by region %+v, in all %+v", st.Regions, st.Counts)
		}
	})
}

// A region that answers nobody holds up itself alone.
func TestStuckRegionDoesNotHoldUpTheOthers(t *testing.T) {
	for rate, soon := range map[float64]time.Duration{200: 50 * time.Second, sim.Max: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := &recorder{delay: 10 * time.Millisecond}
			stuck := make(chan struct{})
			s := sim.New(writerFunc(func(ctx context.Context, op event.Operation) (event.Receipt, error) {
				if op.Region == "us" {
					<-stuck
				}
				return w.Produce(ctx, op)
			}))
			if err := s.Start(sim.Options{Regions: regions, Rate: rate, Seed: 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(soon)
			before := s.Stats()
			time.Sleep(4 * time.Second)
			st := s.Stats()
			for _, region := range []string{"eu", "ap"} {
				if n := st.Regions[region].Produced - before.Regions[region].Produced; n < 200 {
					t.Errorf("rate %g: %s made %d in the last 4 s: %+v", rate, region, n, st)
				}
			}
			if st.Skipped == 0 {
				t.Errorf("rate %g: %+v", rate, st)
			}
			close(stuck)
			s.Stop()
			if st := s.Stats(); st.Regions["us"].Produced == 0 {
				t.Errorf("after it is back: %+v", st)
			}
		})
	}
}

type writerFunc func(context.Context, event.Operation) (event.Receipt, error)

func (f writerFunc) Produce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	return f(ctx, op)
}

// The racers of one step are sent at the same time, from different regions.
func TestRacersMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		at := map[string]map[time.Time]bool{}
		s := sim.New(writerFunc(func(_ context.Context, op event.Operation) (event.Receipt, error) {
			if string(op.Key) == sim.LastSeenKey {
				value := string(op.Args.(event.Set).Value)
				race := value[strings.Index(value, "#"):]
				mu.Lock()
				if at[race] == nil {
					at[race] = map[time.Time]bool{}
				}
				at[race][time.Now()] = true
				mu.Unlock()
			}
			time.Sleep(3 * time.Millisecond)
			return event.Receipt{Outcome: event.Durable}, nil
		}))
		if err := s.Start(sim.Options{Regions: regions, Rate: 10, Seed: 5, Steps: 500}); err != nil {
			t.Fatal(err)
		}
		_ = s.Wait(t.Context())
		if len(at) < 10 {
			t.Fatalf("%d races in 500 steps", len(at))
		}
		for race, times := range at {
			if len(times) != 1 {
				t.Errorf("race %s ran at %d different times", race, len(times))
			}
		}
	})
}

func TestMisuse(t *testing.T) {
	s := sim.New(&recorder{})
	s.Stop()
	for _, err := range []error{
		s.SetRate(5), s.Start(sim.Options{}), s.Start(sim.Options{Regions: regions, Rate: -1}),
		s.Start(sim.Options{Regions: regions, Rate: math.NaN()}), s.Start(sim.Options{Regions: regions, Rate: 1e7}),
	} {
		if fail.CodeOf(err) != fail.Usage {
			t.Errorf("got %v, want USAGE", err)
		}
	}
}

func TestControlSpeaksTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &sim.Control{Sim: sim.New(&recorder{}), Defaults: sim.Options{Regions: regions, Rate: 10, Seed: 42}}
		if st := c.State(); st.Running || len(st.Regions) != 3 {
			t.Errorf("before: %+v", st)
		}
		if _, err := c.Start(t.Context(), api.SimStart{Regions: []string{"mars"}}); fail.CodeOf(err) != fail.NotFound {
			t.Errorf("unknown region: %v", err)
		}
		if st, err := c.Start(t.Context(), api.SimStart{Regions: []string{"eu"}}); err != nil || !st.Running || st.Rate != 10 || st.Seed != 42 || fmt.Sprint(st.Regions) != "[eu]" {
			t.Errorf("start: %+v (%v)", st, err)
		}
		if _, err := c.Start(t.Context(), api.SimStart{}); fail.CodeOf(err) != fail.Usage {
			t.Errorf("start twice: %v", err)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		if st, err := c.SetRate(t.Context(), 100); err != nil || st.Steps < 99 || st.Rate != 100 {
			t.Errorf("rate: %+v (%v)", st, err)
		}
		for _, rate := range []float64{0, -1, 1e300, math.NaN()} {
			if st, err := c.SetRate(t.Context(), rate); fail.CodeOf(err) != fail.Usage || st.Rate != 100 {
				t.Errorf("rate %g: %+v (%v)", rate, st, err)
			}
		}
		if st, err := c.Stop(t.Context()); err != nil || st.Running || st.Produced == 0 {
			t.Errorf("stop: %+v (%v)", st, err)
		}
	})
}
