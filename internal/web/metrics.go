package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/geokv/geokv/internal/api"
)

const scrapeTimeout = 5 * time.Second

// metrics has a registry of its own, so that nothing a library registers
// globally is exposed. No label ever holds a key: their number has no bound.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	writes   *prometheus.CounterVec
	lost     prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "geokv_http_requests_total", Help: "Answers of the HTTP API by route and status."}, []string{"route", "status"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "geokv_http_writes_total", Help: "Writes over HTTP by outcome: durable, unknown, refused."}, []string{"outcome"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "geokv_stream_lost_total", Help: "Observations that slow readers of the event stream lost."}),
	}
	readers := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "geokv_stream_readers", Help: "Readers that follow the event stream now."},
		func() float64 { return float64(len(s.streams)) })
	m.registry.MustRegister(m.requests, m.writes, m.lost, readers,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&reportCollector{status: s.Service.Status, descs: describeReport()})
	return m
}

func (m *metrics) answered(route string, status int) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

func (m *metrics) produced(outcome string) { m.writes.WithLabelValues(outcome).Inc() }

func (m *metrics) streamLost(n uint64) { m.lost.Add(float64(n)) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 2 * scrapeTimeout})
}

// reportCollector turns a status report into metrics at each scrape, so that
// the two can never disagree.
type reportCollector struct {
	status func(context.Context) (api.Report, error)
	descs  reportDescs
}

type reportDescs struct {
	collected, converged, up, lagEvents, lagSeconds, keys, clockOffset, clockAhead,
	events, unkept, alarms, end, applied, gap, holes, flowUp, flowGap, flowDelay *prometheus.Desc
}

func describeReport() reportDescs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("geokv_"+name, help, labels, nil)
	}
	return reportDescs{
		collected:   desc("status_collected", "1 when the status behind the other metrics could be collected."),
		converged:   desc("converged", "1 when every region holds every event of every reachable log."),
		up:          desc("region_up", "1 when the region is up (state up or cut).", "region", "state"),
		lagEvents:   desc("lag_events", "Events on the region's Kafka that its view has not applied.", "region", "origin"),
		lagSeconds:  desc("lag_seconds", "Age of the oldest event that the view has not applied.", "region", "origin"),
		keys:        desc("view_keys", "Visible user keys in the region's view.", "region"),
		clockOffset: desc("clock_offset_seconds", "Bridge's wall clock minus the clock of the region's Redis.", "region"),
		clockAhead:  desc("clock_ahead_seconds", "Hybrid logical clock minus wall clock.", "region"),
		events:      desc("events_total", "Events the region's materializer dealt with, by outcome.", "region", "outcome"),
		unkept:      desc("quarantine_dropped_total", "Rejected records that did not reach the quarantine topic.", "region"),
		alarms:      desc("alarms", "Times an alarm was raised.", "region", "code"),
		end:         desc("log_end", "Sum of end offsets of an origin's log on the region's Kafka.", "region", "origin"),
		applied:     desc("log_applied", "Sum of applied positions of an origin's log.", "region", "origin"),
		gap:         desc("mirror_gap_events", "Events applied at their origin and not yet here, by lanes.", "region", "origin"),
		holes:       desc("lane_holes", "Runs of sequence numbers that never arrived.", "region", "origin"),
		flowUp:      desc("flow_up", "1 when the mirror flow is up.", "from", "to"),
		flowGap:     desc("flow_gap_events", "Events that the flow has not carried over yet.", "from", "to"),
		flowDelay:   desc("flow_delay_seconds", "Delay that was put on the flow on purpose.", "from", "to"),
	}
}

// Describe says nothing: the collector must not collect to be registered.
func (c *reportCollector) Describe(chan<- *prometheus.Desc) {}

func (c *reportCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	report, err := c.status(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.descs.collected, truth(err == nil))
	if err != nil {
		return
	}
	gauge(c.descs.converged, truth(report.Converged))
	for _, r := range report.Regions {
		c.region(r, ch, gauge)
	}
	for _, f := range report.Flows {
		gauge(c.descs.flowUp, truth(f.State == api.FlowUp), f.From, f.To)
		if f.GapEvents != api.Unknown {
			gauge(c.descs.flowGap, float64(f.GapEvents), f.From, f.To)
		}
		gauge(c.descs.flowDelay, seconds(f.DelayMS), f.From, f.To)
	}
}

func (c *reportCollector) region(r api.RegionReport, ch chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(c.descs.up, truth(r.State == api.StateUp || r.State == api.StateCut), r.Name, string(r.State))
	if r.Keys != api.Unknown {
		gauge(c.descs.keys, float64(r.Keys), r.Name)
	}
	gauge(c.descs.clockOffset, seconds(r.ClockOffsetMS), r.Name)
	gauge(c.descs.clockAhead, seconds(r.ClockAheadMS), r.Name)
	for _, outcome := range []struct {
		name string
		n    int64
	}{{"applied", r.Counters.Applied}, {"superseded", r.Counters.Superseded}, {"duplicate", r.Counters.Duplicate}, {"rejected", r.Counters.Rejected}} {
		ch <- prometheus.MustNewConstMetric(c.descs.events, prometheus.CounterValue, float64(outcome.n), r.Name, outcome.name)
	}
	ch <- prometheus.MustNewConstMetric(c.descs.unkept, prometheus.CounterValue, float64(r.Counters.QuarantineDropped), r.Name)
	alarms := map[string]int64{}
	for _, a := range r.Alarms {
		alarms[a.Code] += a.Count
	}
	for code, n := range alarms {
		gauge(c.descs.alarms, float64(n), r.Name, code)
	}
	for _, o := range r.Origins {
		gauge(c.descs.lagEvents, float64(o.LagEvents), r.Name, o.Origin)
		gauge(c.descs.lagSeconds, seconds(o.LagMS), r.Name, o.Origin)
		gauge(c.descs.end, float64(o.End), r.Name, o.Origin)
		gauge(c.descs.applied, float64(o.Applied), r.Name, o.Origin)
		if o.MirrorGap != api.Unknown {
			gauge(c.descs.gap, float64(o.MirrorGap), r.Name, o.Origin)
		}
		gauge(c.descs.holes, float64(len(o.Holes)), r.Name, o.Origin)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }
