//go:build synctests

package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/labtest"
	"github.com/geokv/geokv/internal/lane"
)

// site is one region's own process, on its own clock.
type site struct {
	*app.App
	region string
	end    func(within time.Duration) error
}

// sites runs a process per region, as in production: no process sees another
// region's logs or clock.
func sites(t *testing.T, w *labtest.World) map[string]*site {
	t.Helper()
	all := map[string]*site{}
	for _, name := range w.Topology.Names() {
		all[name] = startSite(t, w, name)
	}
	t.Cleanup(func() {
		for _, s := range all {
			s.stop(t)
		}
	})
	return all
}

func startSite(t *testing.T, w *labtest.World, name string) *site {
	t.Helper()
	s := &site{region: name}
	s.App, s.end = open(t, w, func(cfg *app.Config) {
		cfg.Regions, cfg.Wall = []string{name}, w.Wall(name)
	})
	return s
}

// stop ends the process; stopping twice is no error.
func (s *site) stop(t *testing.T) {
	t.Helper()
	if s.end == nil {
		return
	}
	if err := s.end(5 * time.Second); err != nil {
		t.Errorf("end of %s: %v", s.region, err)
	}
	s.end = nil
}

func (s *site) write(t *testing.T, words ...string) event.Receipt {
	t.Helper()
	r := produce(t, s.App, s.region, words...)
	if r.Outcome != event.Durable {
		t.Fatalf("%v in %s: %s", words, s.region, r.Outcome)
	}
	return r
}

// refuse expects a write to be answered with the code.
func (s *site) refuse(t *testing.T, code fail.Code, words ...string) error {
	t.Helper()
	op, err := event.ParseCommand(words)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Produce(t.Context(), op)
	if fail.CodeOf(err) != code {
		t.Errorf("%v in %s: %v, want code %s", words, s.region, err, code)
	}
	return err
}

func (s *site) value(t *testing.T, key string) string {
	t.Helper()
	page, err := s.Key(t.Context(), api.KeyQuery{Region: s.region, Key: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	return string(page.View.String)
}

// TestTenMinuteCutWithAnHourToLive cuts us off for ten minutes while both sides
// write the same keys, one with a life of an hour: after healing all regions
// show the same, and an hour later the value is gone everywhere at once.
func TestTenMinuteCutWithAnHourToLive(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		s := sites(t, w)
		s["us"].write(t, "set", "session", "before", "EX", "3600")
		s["eu"].write(t, "zadd", "board", "1", "ann")
		w.AwaitApplied()
		w.Isolate("us")
		for minute := range 10 {
			for _, region := range w.Topology.Names() {
				s[region].write(t, "incr", "counter", "1")
				s[region].write(t, "sadd", "set", region, "shared")
				s[region].write(t, "zadd", "board", fmt.Sprint(minute), "ann", "5", region)
				s[region].write(t, "hset", "hash", "by", region)
				s[region].write(t, "xadd", "feed", "*", "by", region)
			}
			s["us"].write(t, "srem", "set", "shared")
			time.Sleep(time.Minute)
		}
		s["us"].write(t, "set", "session", "us", "EX", "3600")
		if got := s["eu"].value(t, "session"); got != "before" {
			t.Fatalf("during the cut eu shows %q: the cut did not work", got)
		}
		s["eu"].write(t, "set", "session", "eu", "EX", "3600") // the later one
		expires := w.Wall("eu")().Add(time.Hour)

		w.HealAll()
		viewsEqualFold(t, w)
		for _, region := range w.Topology.Names() {
			if got := s[region].value(t, "session"); got != "eu" {
				t.Errorf("%s: session = %q, want the later write's eu", region, got)
			}
			if got := s[region].value(t, "counter"); got != "30" {
				t.Errorf("%s: counter = %s, want 30", region, got)
			}
		}
		const early = 10 * time.Second
		skip(w, expires.Sub(w.Wall("us")())-early)
		if got := s["ap"].value(t, "session"); got != "eu" {
			t.Errorf("before the end of its life session is %q", got)
		}
		viewsEqualFold(t, w)
		skip(w, early)
		viewsEqualFold(t, w)
		for _, region := range w.Topology.Names() {
			if got := s[region].value(t, "session"); got != "" {
				t.Errorf("%s: session = %q after its life", region, got)
			}
		}
	})
}

// skip moves the clocks of all regions alike. It is for hours: letting them pass
// in the bubble polls every log twice a second.
func skip(w *labtest.World, d time.Duration) {
	for _, region := range w.Topology.Names() {
		w.Skew(region, w.Wall(region)().Add(d).Sub(time.Now()))
	}
}

// TestDelayedFlowsConvergeWhateverTheOrder holds two flows back by different
// times, so that regions see the same writes in other orders.
func TestDelayedFlowsConvergeWhateverTheOrder(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		s := sites(t, w)
		w.Delay("us", "eu", 30*time.Second)
		w.Delay("eu", "ap", 7*time.Second)
		for round := range 20 {
			for _, region := range w.Topology.Names() {
				s[region].write(t, "xadd", "feed", "*", "n", fmt.Sprint(round))
				s[region].write(t, "incr", "counter", "3")
				if round%5 == 4 {
					s[region].write(t, "set", "counter", fmt.Sprint(round))
				}
				time.Sleep(300 * time.Millisecond)
			}
		}
		w.HealAll()
		viewsEqualFold(t, w)
	})
}

// TestRestartOfARegion ends a region's process, its Kafka and its Redis, which
// comes back empty, while the others go on.
func TestRestartOfARegion(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		s := sites(t, w)
		before := s["eu"].write(t, "incr", "counter", "1")
		w.AwaitApplied()
		s["eu"].stop(t)
		w.StopKafka("eu")
		w.StopRedis("eu")
		for range 30 {
			s["us"].write(t, "incr", "counter", "1")
			s["ap"].write(t, "zadd", "board", "1", "ann")
			time.Sleep(10 * time.Second)
		}
		w.StartKafka("eu")
		w.StartRedis("eu")
		s["eu"] = startSite(t, w, "eu")
		w.Await("a bridge", func() bool { return s["eu"].Ready(t.Context()) == nil })
		after := s["eu"].write(t, "incr", "counter", "1")
		if after.Lane() == before.Lane() {
			t.Errorf("the restarted bridge uses lane %s again", after.Lane())
		}
		viewsEqualFold(t, w)
		if got := s["eu"].value(t, "counter"); got != "32" {
			t.Errorf("counter = %s, want 32", got)
		}
	})
}

// TestWallClockSetBackAnHour sets eu's clock back while it runs: it refuses to
// stamp rather than write what can only lose, says so, and goes on when the
// clock is right. A restart meanwhile reuses no stamp.
func TestWallClockSetBackAnHour(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		s := sites(t, w)
		newest := s["eu"].write(t, "set", "k", "before")
		w.AwaitApplied()
		w.Skew("eu", -time.Hour)
		refused := s["eu"].refuse(t, fail.Clock, "set", "k", "back")
		if fail.HintOf(refused) == "" {
			t.Errorf("no hint in %v", refused)
		}
		s["us"].write(t, "set", "k", "us goes on")
		s["eu"].stop(t)
		s["eu"] = startSite(t, w, "eu")
		s["eu"].refuse(t, fail.Clock, "set", "k", "after the restart")
		w.Skew("eu", 0)
		w.Await("a write of eu", func() bool {
			op, _ := event.ParseCommand([]string{"set", "k", "right again"})
			r, err := s["eu"].Produce(t.Context(), op)
			if err != nil {
				return false
			}
			if r.HLC.PhysicalMS <= newest.HLC.PhysicalMS {
				t.Errorf("stamp %d after %d", r.HLC.PhysicalMS, newest.HLC.PhysicalMS)
			}
			return true
		})
		viewsEqualFold(t, w)
		for _, region := range w.Topology.Names() {
			if got := s[region].value(t, "k"); got != "right again" {
				t.Errorf("%s: k = %q, want the last write", region, got)
			}
		}
	})
}

// TestWallClockAnHourSlow starts eu's process with a clock that is an hour slow
// on a machine whose Redis has the right time: it refuses rather than stamp
// writes that lose against everything of the last hour.
func TestWallClockAnHourSlow(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		var slow time.Duration = -time.Hour
		a, end := open(t, w, func(cfg *app.Config) {
			cfg.Regions, cfg.Wall = []string{"eu"}, func() time.Time { return time.Now().Add(slow) }
		})
		eu := &site{App: a, region: "eu", end: end}
		eu.refuse(t, fail.Clock, "set", "k", "slow")
		report, err := eu.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := report.Regions[1]; r.ClockOffsetMS > -3_599_000 || !hasAlarm(r, "CLOCK_OFFSET") {
			t.Errorf("status of eu: offset %d ms, alarms %+v", r.ClockOffsetMS, r.Alarms)
		}
		eu.stop(t)
		if events := union(t, w); len(events) != 0 {
			t.Errorf("%d events in the logs, want none", len(events))
		}
	})
}

func hasAlarm(r api.RegionReport, code string) bool {
	for _, a := range r.Alarms {
		if a.Code == code {
			return true
		}
	}
	return false
}

// TestStampFromTheFutureInTheLogWinsAlikeEverywhere lets us's broker take an
// event that is an hour early. It wins in every region until a later stamp, all
// of them say so, no clock follows it, and only its own key suffers.
func TestStampFromTheFutureInTheLogWinsAlikeEverywhere(t *testing.T) {
	labtest.Run(t, geo.Default(), func(t *testing.T, w *labtest.World) {
		s := sites(t, w)
		s["us"].write(t, "set", "k", "today")
		s["us"].write(t, "set", "other", "today")
		w.AwaitApplied()
		w.SkewBroker("us", time.Hour)
		appendForged(t, w, event.Event{
			Version: event.FormatVersion, MinVersion: event.FormatVersion, ID: "early", Origin: "us",
			HLC: hlc.Timestamp{Physical: time.Now().Add(time.Hour).UnixMilli(), Logical: 700}, Lane: lane.ID{Slot: 700, Incarnation: 1}, Seq: 1,
			Key: []byte("k"), Args: event.Set{Value: []byte("from the future")},
		})
		w.SkewBroker("us", 0)
		viewsEqualFold(t, w)
		for _, region := range w.Topology.Names() {
			if got := s[region].value(t, "k"); got != "from the future" {
				t.Errorf("%s: k = %q, want the event from the future", region, got)
			}
			report, err := s[region].Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Regions {
				if r.Name == region && !hasAlarm(r, "CLOCK_AHEAD") {
					t.Errorf("%s: alarms %+v, want CLOCK_AHEAD", region, r.Alarms)
				}
			}
			if err := s[region].refuse(t, fail.Clock, "set", "k", "now"); !strings.Contains(fmt.Sprint(err), `"k"`) {
				t.Errorf("the refusal does not name the key: %v", err)
			}
			if r := s[region].write(t, "set", "other", region); time.UnixMilli(r.HLC.PhysicalMS).Sub(time.Now()) > hlc.MaxAhead {
				t.Errorf("%s: the clock followed the event to %d", region, r.HLC.PhysicalMS)
			}
		}
		skip(w, time.Hour+time.Second)
		for _, region := range w.Topology.Names() {
			if report, err := s[region].Status(t.Context()); err != nil || slices.ContainsFunc(report.Regions, func(r api.RegionReport) bool { return hasAlarm(r, "CLOCK_AHEAD") }) {
				t.Errorf("%s: %v, alarm %+v after its time has come", region, err, report.Regions)
			}
		}
		s["ap"].write(t, "set", "k", "an hour later")
		viewsEqualFold(t, w)
		if got := s["us"].value(t, "k"); got != "an hour later" {
			t.Errorf("k = %q, want the later write", got)
		}
	})
}

func appendForged(t *testing.T, w *labtest.World, e event.Event) {
	t.Helper()
	codec := avro.NewCodec(avro.NewShippedRegistry(), "")
	topic := geo.Topic(e.Origin)
	if err := codec.Prepare(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	value, err := codec.Encode(topic, e)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Log(e.Origin).AppendSync(t.Context(), event.Record{
		Topic: topic, Partition: geo.PartitionOf(e.Key), Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
	})
	if err != nil {
		t.Fatal(err)
	}
}
