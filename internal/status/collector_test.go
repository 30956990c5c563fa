package status

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

var writer = lane.ID{Slot: 1, Incarnation: 7}

// place is a fake region: ends and positions are equal unless a test says so.
type place struct {
	walk         time.Duration // how long counting the keys takes
	ends, starts map[wal.Partition]int64
	positions    map[wal.Partition]view.Position
	stampMS      int64 // of every waiting record
	logErr       error
	viewErr      error
	hangs        bool
	counted      int
	moreKeys     int64
}

func newPlace() *place {
	p := &place{ends: map[wal.Partition]int64{}, starts: map[wal.Partition]int64{}, positions: map[wal.Partition]view.Position{}}
	for _, topic := range geo.Default().Topics() {
		for i := range int32(geo.Partitions) {
			p.hold(topic, i, 10, "1-10")
		}
	}
	return p
}

// hold sets what the region has of one partition: applied up to the end.
func (p *place) hold(topic string, index int32, end int64, seqs string) {
	part := wal.Partition{Topic: topic, Index: index}
	set, err := lane.ParseSet(seqs)
	if err != nil {
		panic(err)
	}
	p.ends[part] = end
	p.positions[part] = view.Position{Topic: topic, Partition: index, Offset: end, Lanes: map[lane.ID]lane.Set{writer: set}}
}

func (p *place) wait(ctx context.Context, err error) error {
	if p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (p *place) Starts(ctx context.Context, _ ...string) (map[wal.Partition]int64, error) {
	return p.starts, p.wait(ctx, p.logErr)
}

func (p *place) Ends(ctx context.Context, _ ...string) (map[wal.Partition]int64, error) {
	return p.ends, p.wait(ctx, p.logErr)
}

func (p *place) Scan(_ context.Context, from, _ map[wal.Partition]int64, fn func(event.Record) error) error {
	for part, offset := range from {
		if err := fn(event.Record{Topic: part.Topic, Partition: part.Index, Offset: offset, TimestampMS: p.stampMS}); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error) {
	var list []view.Position
	for _, i := range partitions {
		list = append(list, p.positions[wal.Partition{Topic: topic, Index: i}])
	}
	return list, p.wait(ctx, p.viewErr)
}

// KeyCount counts what was there when it began, as a walk may.
func (p *place) KeyCount(ctx context.Context) (int64, error) {
	p.counted++
	n := 42 + p.moreKeys
	time.Sleep(p.walk)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return n, p.wait(ctx, p.viewErr)
}

func (p *place) Time(context.Context) (time.Time, time.Duration, error) {
	return time.Now().Add(-300 * time.Millisecond), 20 * time.Millisecond, nil
}

func cluster(places map[string]*place, change func(*Config)) *Collector {
	cfg := Config{Topology: geo.Default(), Registry: "http://registry", Wall: time.Now}
	for _, r := range geo.Default().Regions() {
		cfg.Regions = append(cfg.Regions, Region{
			Region: r, Kafka: []string{r.Name + ":9092"}, Redis: r.Name + ":6379", Log: places[r.Name], View: places[r.Name],
		})
	}
	if change != nil {
		change(&cfg)
	}
	return NewCollector(cfg)
}

func three() map[string]*place {
	return map[string]*place{"us": newPlace(), "eu": newPlace(), "ap": newPlace()}
}

// report runs one collection in virtual time.
func report(t *testing.T, places map[string]*place, change func(*Config)) (r api.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r = cluster(places, change).Collect(context.Background())
	})
	return r
}

func TestConvergedRegions(t *testing.T) {
	r := report(t, three(), nil)
	if !r.Converged {
		t.Error("equal regions are not converged")
	}
	if len(r.Regions) != 3 || r.Regions[0].Name != "us" || r.Regions[2].Name != "ap" {
		t.Fatalf("regions %+v, want topology order", r.Regions)
	}
	eu := r.Regions[1]
	if eu.State != api.StateUp || eu.Keys != 42 || eu.ClockOffsetMS != 310 || eu.LagEvents != 0 || eu.Slot != -1 {
		t.Errorf("eu: %+v", eu)
	}
	if len(eu.Origins) != 3 || eu.Origins[0].Origin != "us" || eu.Origins[0].End != 120 || eu.Origins[0].Applied != 120 {
		t.Errorf("origins of eu: %+v", eu.Origins)
	}
	if len(r.Flows) != 6 || r.Flows[0].State != "external" {
		t.Errorf("flows %+v", r.Flows)
	}
}

func TestLagAndMirrorGap(t *testing.T) {
	places := three()
	// us has four more of its own; eu has received two of them and applied one.
	places["us"].hold("us.events", 3, 14, "1-14")
	places["eu"].hold("us.events", 3, 11, "1-11")
	places["eu"].ends[wal.Partition{Topic: "us.events", Index: 3}] = 12
	places["eu"].stampMS = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 700 // synctest begins there

	r := report(t, places, nil)
	if r.Converged {
		t.Error("converged although eu and ap miss events")
	}
	eu, ap := r.Regions[1], r.Regions[2]
	if eu.LagEvents != 1 || eu.LagMS != 700 || eu.Origins[0].LagMS != 700 {
		t.Errorf("eu lags %d events, %d ms, want 1 and 700", eu.LagEvents, eu.LagMS)
	}
	if eu.Origins[0].MirrorGap != 3 || ap.Origins[0].MirrorGap != 4 {
		t.Errorf("gaps %d and %d, want 3 and 4", eu.Origins[0].MirrorGap, ap.Origins[0].MirrorGap)
	}
	for _, f := range r.Flows {
		want := map[string]int64{"us->eu": 3, "us->ap": 4}[f.From+"->"+f.To]
		if f.GapEvents != want {
			t.Errorf("flow %s->%s: gap %d, want %d", f.From, f.To, f.GapEvents, want)
		}
	}
}

func TestEqualOffsetsWithOtherEventsAreNotConverged(t *testing.T) {
	places := three()
	places["ap"].hold("eu.events", 0, 10, "1-5,7-11")
	r := report(t, places, nil)
	if r.Converged {
		t.Error("converged although ap holds other events than eu")
	}
	holes := r.Regions[2].Origins[1].Holes
	if len(holes) != 1 || holes[0] != (api.Hole{Partition: 0, Lane: "1.7", Seqs: "6"}) {
		t.Errorf("holes %+v, want seq 6", holes)
	}
}

func TestRegionsAtOtherOffsetsWithEqualEventsAreConverged(t *testing.T) {
	places := three()
	places["ap"].hold("eu.events", 0, 25, "1-10") // the mirror repeated itself
	if r := report(t, places, nil); !r.Converged {
		t.Error("not converged although all regions hold the same events")
	}
}

func TestDeadRegionIsALineInTheReport(t *testing.T) {
	cases := map[string]struct {
		break_ func(*place)
		detail string
	}{
		"kafka refuses": {func(p *place) { p.logErr = errors.New("connection refused") }, "kafka: connection refused"},
		"redis refuses": {func(p *place) { p.viewErr = errors.New("LOADING") }, "redis: LOADING"},
		"both hang":     {func(p *place) { p.hangs = true }, "deadline"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				places := three()
				c.break_(places["eu"])
				begin := time.Now()
				r := cluster(places, nil).Collect(context.Background())
				if took := time.Since(begin); took > 2*time.Second {
					t.Errorf("took %v, want at most the deadline", took)
				}
				if eu := r.Regions[1]; eu.State != api.StateDown || !strings.Contains(eu.Detail, c.detail) {
					t.Errorf("eu is %s: %q, want down with %q", eu.State, eu.Detail, c.detail)
				}
				if us := r.Regions[0]; us.State != api.StateUp || len(us.Origins) != 3 {
					t.Errorf("us suffers: %+v", us)
				}
				if r.Converged {
					t.Error("converged with a dead region")
				}
				for _, f := range r.Flows {
					down := f.From == "eu" || f.To == "eu"
					if (f.State == "down") != down {
						t.Errorf("flow %s->%s is %s", f.From, f.To, f.State)
					}
				}
			})
		})
	}
}

func TestStateIsTheWorstThatIsTrue(t *testing.T) {
	cut := func() []api.FlowReport { return []api.FlowReport{{From: "us", To: "eu", State: "cut", DelayMS: 5}} }
	cases := map[string]struct {
		local  Local
		flows  func() []api.FlowReport
		want   api.State
		detail string
	}{
		"up":         {want: api.StateUp},
		"cut":        {flows: cut, want: api.StateCut, detail: "us->eu"},
		"rebuilding": {local: Local{Rebuilding: true, RebuildPercent: 40}, flows: cut, want: api.StateRebuilding},
		"blocked": {
			local: Local{Rebuilding: true, Blocked: "newer format", Alarms: []api.Alarm{{Code: "SLOT_LEASE", Message: "another"}}},
			want:  api.StateBlocked, detail: "newer format",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := report(t, three(), func(cfg *Config) {
				cfg.Flows = c.flows
				cfg.Regions[0].Local = func() Local { return c.local }
			})
			us := r.Regions[0]
			if us.State != c.want || !strings.Contains(us.Detail, c.detail) {
				t.Errorf("us is %s: %q, want %s: %q", us.State, us.Detail, c.want, c.detail)
			}
			if c.flows != nil && (r.Flows[0].State != "cut" || r.Flows[0].DelayMS != 5) {
				t.Errorf("flow %+v, want what the mirror told", r.Flows[0])
			}
		})
	}
}

func TestKeysOfALargeViewAreNotCountedAtEveryLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := three()
		places["us"].walk = 100 * time.Millisecond
		c := cluster(places, nil)
		for range 10 {
			if r := c.Collect(context.Background()); r.Regions[0].Keys != 42 {
				t.Fatalf("keys %d, want 42", r.Regions[0].Keys)
			}
			time.Sleep(time.Second)
		}
		if n := places["us"].counted; n > 2 {
			t.Errorf("counted %d times in 10 s at 100 ms each, want at most 2", n)
		}
		if n := places["eu"].counted; n != 10 {
			t.Errorf("a small view was counted %d times in 10 looks, want 10", n)
		}
	})
}

// A count from the middle of a rebuild is of no use once the view is complete.
func TestKeysAreCountedAgainWhenTheViewMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := three()
		us := places["us"]
		us.walk = 600 * time.Millisecond
		c := cluster(places, nil)
		keys := func() int64 { return c.Collect(t.Context()).Regions[0].Keys }
		keys()
		us.moreKeys = 1400
		us.hold("us.events", 3, 14, "1-14")
		keys()
		time.Sleep(200 * time.Millisecond)
		if got := keys(); got != 1442 {
			t.Errorf("keys %d of a view that stands still again, want 1442", got)
		}
		for end := int64(15); end < 30; end++ { // moves at every look
			us.moreKeys = end * 100
			us.hold("us.events", 3, end, "1-14")
			time.Sleep(500 * time.Millisecond)
			if got, want := keys(), 42+(end-7)*100; got < want {
				t.Errorf("keys %d, as of more than 3 s ago: want at least %d", got, want)
			}
		}
		if us.counted > 8 {
			t.Errorf("a view that moves was counted %d times in 10 s at 600 ms each", us.counted)
		}
	})
}

func TestKeysThatNobodyCountedAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := three()
		places["us"].walk = 10 * time.Second
		places["eu"].viewErr = errors.New("connection refused")
		c := cluster(places, nil)
		r := c.Collect(t.Context())
		if us, eu := r.Regions[0], r.Regions[1]; us.Keys != api.Unknown || us.State != api.StateUp || eu.Keys != api.Unknown {
			t.Errorf("us is %s with %d keys, eu has %d; want up and unknown", us.State, us.Keys, eu.Keys)
		}
		time.Sleep(10 * time.Second)
		if us := c.Collect(t.Context()).Regions[0]; us.Keys != 42 {
			t.Errorf("keys %d after the count ended, want 42", us.Keys)
		}
	})
}

// What is there half way through a rebuild is no count, and would be taken for one
// right after it.
func TestKeysOfAViewThatIsRebuiltAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rebuilding := true
		c := cluster(three(), func(cfg *Config) {
			cfg.Regions[0].Local = func() Local { return Local{Rebuilding: rebuilding} }
		})
		if us := c.Collect(t.Context()).Regions[0]; us.Keys != api.Unknown {
			t.Errorf("%d keys while rebuilding, want unknown", us.Keys)
		}
		rebuilding = false
		if us := c.Collect(t.Context()).Regions[0]; us.Keys != 42 {
			t.Errorf("%d keys after it, want 42", us.Keys)
		}
	})
}

// A rebuild can keep Kafka and Redis so busy that an answer is late; a part that
// refuses is down all the same.
func TestABusyRegionIsStillRebuilding(t *testing.T) {
	for name, tt := range map[string]struct {
		break_ func(*place)
		want   api.State
	}{
		"late":    {func(p *place) { p.hangs = true }, api.StateRebuilding},
		"refuses": {func(p *place) { p.hangs, p.logErr = false, errors.New("connection refused") }, api.StateDown},
	} {
		t.Run(name, func(t *testing.T) {
			places := three()
			tt.break_(places["us"])
			r := report(t, places, func(cfg *Config) {
				cfg.Regions[0].Local = func() Local { return Local{Rebuilding: true, RebuildPercent: 40} }
			})
			if us := r.Regions[0]; us.State != tt.want || us.Detail == "" {
				t.Errorf("us is %s: %q, want %s", us.State, us.Detail, tt.want)
			}
			if down := r.Flows[0].State == api.FlowDown; down != (tt.want == api.StateDown) {
				t.Errorf("the flow from us is %s", r.Flows[0].State)
			}
		})
	}
}

// What a region lacks is known from its view alone; without it nobody knows.
func TestTheGapOfARegionThatIsDown(t *testing.T) {
	for name, tt := range map[string]struct {
		break_ func(*place)
		want   int64
	}{
		"kafka refuses": {func(p *place) { p.logErr = errors.New("connection refused") }, 4},
		"redis refuses": {func(p *place) { p.viewErr = errors.New("connection refused") }, api.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			places := three()
			places["us"].hold("us.events", 3, 14, "1-14")
			tt.break_(places["ap"])
			r := report(t, places, nil)
			for _, f := range r.Flows {
				if f.From == "us" && f.To == "ap" && f.GapEvents != tt.want {
					t.Errorf("us->ap: gap %d, want %d", f.GapEvents, tt.want)
				}
			}
			if eu := r.Regions[1].Origins[2]; tt.want == api.Unknown && eu.MirrorGap != tt.want {
				t.Errorf("eu lacks %d of ap, want unknown", eu.MirrorGap)
			}
		})
	}
}

func TestReportListsAreNeverNull(t *testing.T) {
	text, err := json.Marshal(NewCollector(Config{Topology: geo.Default(), Wall: time.Now}).Collect(context.Background()))
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("report %s, error %v", text, err)
	}
}
