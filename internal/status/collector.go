// Package status answers how a whole cluster is doing: what each region's log
// holds, how much of it the region's view has applied, what is missing and
// whether all regions hold the same events.
//
// It asks the parts themselves (end offsets from Kafka, positions and lanes from
// Redis), so it needs no help from a running materializer, and a region that
// does not answer is a line in the report, never an error.
package status

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/alarm"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// Log is a region's Kafka; *wal.Log is one.
type Log interface {
	Starts(ctx context.Context, topics ...string) (map[wal.Partition]int64, error)
	Ends(ctx context.Context, topics ...string) (map[wal.Partition]int64, error)
	Scan(ctx context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error
}

// View is a region's Redis; *view.DB is one.
type View interface {
	Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error)
	KeyCount(ctx context.Context) (int64, error)
	Time(ctx context.Context) (time.Time, time.Duration, error)
}

// Region is one region as the collector reaches it.
type Region struct {
	geo.Region
	Kafka []string // addresses, for the report
	Redis string
	Log   Log
	View  View

	// Local tells what this process knows of the region's bridge and
	// materializers; nil when it runs none.
	Local func() Local
}

// rebuilding reports a view whose keys mean nothing yet.
func (r Region) rebuilding() bool { return r.Local != nil && r.Local().Rebuilding }

// Local is what only the processes of a region know.
type Local struct {
	Counters       api.Counters
	Alarms         []api.Alarm
	Slot           int    // the bridge's; -1 without one
	ClockAheadMS   int64  // HLC ahead of the wall clock
	Blocked        string // why a partition waits or stopped; "" when none does
	Rebuilding     bool   // the view is not complete yet
	RebuildPercent float64
}

// Config says what a Collector reports on. Topology, Regions and Wall are
// required.
type Config struct {
	Topology geo.Topology
	Regions  []Region // in any order
	Registry string   // its address, for the report
	Wall     func() time.Time

	// Flows tells state and delay of mirror links where this process runs them;
	// nil means that the mirror is somebody else's, and its state unknown here.
	Flows func() []api.FlowReport

	Deadline time.Duration // per region and question; default 2 s
}

// Collector makes reports. It is safe for concurrent use.
type Collector struct {
	cfg    Config
	keys   map[string]*keyCount
	alarms *alarm.Book // about regions as a whole, by topic
}

// NewCollector prepares a collector; it does not use the network.
func NewCollector(cfg Config) *Collector {
	if cfg.Deadline <= 0 {
		cfg.Deadline = 2 * time.Second
	}
	c := &Collector{cfg: cfg, keys: map[string]*keyCount{}, alarms: alarm.NewBook(cfg.Wall)}
	for _, r := range cfg.Regions {
		c.keys[r.Name] = &keyCount{}
	}
	return c
}

// Collect asks all regions at once and returns within the deadline. Regions are
// in the order of the topology, origins within them too. A region that does not
// answer in time has state down with the reason.
func (c *Collector) Collect(ctx context.Context) api.Report {
	facts := c.askAll(ctx)
	report := api.Report{
		AtMS: c.cfg.Wall().UnixMilli(), Registry: c.cfg.Registry,
		Regions: []api.RegionReport{}, Converged: converged(facts),
	}
	report.Flows = c.flows(facts)
	c.findLost(ctx, facts)
	for _, f := range facts {
		region := c.describe(f, facts, report.Flows)
		if lost, ok := c.alarms.Find(api.AlarmLostAtOrigin, f.region.Topic()); ok {
			region.Alarms = append(region.Alarms, lost)
		}
		report.Regions = append(report.Regions, region)
	}
	return report
}

func (c *Collector) askAll(ctx context.Context) []*facts {
	all := make([]*facts, 0, len(c.cfg.Regions))
	var asking sync.WaitGroup
	for _, place := range c.cfg.Topology.Regions() {
		f := &facts{region: c.region(place), keys: api.Unknown}
		all = append(all, f)
		asking.Go(func() { c.ask(ctx, f) })
	}
	asking.Wait()
	return all
}

func (c *Collector) region(place geo.Region) Region {
	for _, r := range c.cfg.Regions {
		if r.Name == place.Name {
			return r
		}
	}
	return Region{Region: place}
}

// describe turns the facts of one region into its part of the report.
func (c *Collector) describe(f *facts, all []*facts, flows []api.FlowReport) api.RegionReport {
	r := api.RegionReport{
		Name: f.region.Name, Index: f.region.Index, Kafka: f.region.Kafka, Redis: f.region.Redis,
		Origins: []api.OriginReport{}, Alarms: []api.Alarm{}, Slot: -1,
		Keys: f.keys, ClockOffsetMS: f.clockOffset.Milliseconds(),
	}
	if r.Kafka == nil {
		r.Kafka = []string{}
	}
	if f.known() {
		for _, place := range c.cfg.Topology.Regions() {
			origin := f.origin(place, find(all, place.Name), c.cfg.Wall())
			r.LagEvents += origin.LagEvents
			r.LagMS = max(r.LagMS, origin.LagMS)
			r.Origins = append(r.Origins, origin)
		}
	}
	local := Local{Slot: -1}
	if f.region.Local != nil {
		local = f.region.Local()
	}
	r.Counters, r.Slot, r.ClockAheadMS = local.Counters, local.Slot, local.ClockAheadMS
	r.Alarms = append(r.Alarms, local.Alarms...)
	r.State, r.Detail = stateOf(f, local, flows)
	if local.Rebuilding {
		r.RebuildPercent = local.RebuildPercent
	}
	return r
}

// stateOf picks the worst that is true of a region, and says what it is.
func stateOf(f *facts, local Local, flows []api.FlowReport) (api.State, string) {
	cut := cutFlows(f.region.Name, flows)
	switch {
	case f.down():
		return api.StateDown, strings.Join(f.problems, "; ")
	case local.Blocked != "":
		return api.StateBlocked, local.Blocked
	case local.Rebuilding || len(f.problems) > 0:
		return api.StateRebuilding, strings.Join(append([]string{"the view is being rebuilt from the log"}, f.problems...), "; ")
	case len(cut) > 0:
		return api.StateCut, "cut: " + strings.Join(cut, ", ")
	}
	return api.StateUp, ""
}

func cutFlows(region string, flows []api.FlowReport) []string {
	var cut []string
	for _, f := range flows {
		if f.State == api.FlowCut && (f.From == region || f.To == region) {
			cut = append(cut, geo.Flow{From: f.From, To: f.To}.String())
		}
	}
	return cut
}

// flows describes every mirror direction, in the order of the topology.
func (c *Collector) flows(all []*facts) []api.FlowReport {
	told := map[geo.Flow]api.FlowReport{}
	if c.cfg.Flows != nil {
		for _, f := range c.cfg.Flows() {
			told[geo.Flow{From: f.From, To: f.To}] = f
		}
	}
	flows := []api.FlowReport{}
	for _, flow := range c.cfg.Topology.Flows() {
		from, to := find(all, flow.From), find(all, flow.To)
		report, ok := told[flow]
		if !ok {
			report = api.FlowReport{From: flow.From, To: flow.To, State: api.FlowExternal}
		}
		if report.State != api.FlowCut && (from.down() || to.down()) {
			report.State = api.FlowDown
		}
		report.GapEvents = mirrorGap(from, to, geo.Topic(flow.From))
		flows = append(flows, report)
	}
	return flows
}

func find(all []*facts, name string) *facts {
	for _, f := range all {
		if f.region.Name == name {
			return f
		}
	}
	return nil
}
