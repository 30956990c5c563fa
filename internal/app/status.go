package app

import (
	"context"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/status"
)

// Status collects the state of every region of the cluster; what cannot be
// reached is part of the report.
func (a *App) Status(ctx context.Context) (api.Report, error) {
	report := a.collector.Collect(ctx)
	report.API = a.apiAddress()
	return report, nil
}

// Ready returns nil when every served region can write and read, otherwise what
// the first one lacks.
func (a *App) Ready(context.Context) error {
	for _, r := range a.regions {
		if percent, whole := r.progress(); !whole {
			return fail.New(fail.Rebuilding, "region %s is being rebuilt from the log, %.0f %% done", r.Name, percent)
		}
		if r.bridge != nil && !r.bridge.State().Ready {
			return fail.New(fail.Unavailable, "the bridge of region %s has not started", r.Name).
				WithHint("check its Kafka at %s with geokv status", joinNames(r.endpoint.Brokers))
		}
	}
	return nil
}

func (a *App) newCollector() *status.Collector {
	c := status.Config{
		Topology: a.cfg.Cluster.Topology, Registry: a.cfg.Cluster.Registry.URL, Wall: a.cfg.Wall,
	}
	for _, r := range a.regions {
		c.Regions = append(c.Regions, status.Region{
			Region: r.Region, Kafka: r.endpoint.Brokers, Redis: r.endpoint.RedisAddr,
			Log: r.log, View: r.db, Local: a.localOf(r),
		})
	}
	if a.cfg.Lab != nil {
		c.Flows = a.flows
	}
	return status.NewCollector(c)
}

// localOf reports what only this process knows of a region, nil when it runs no
// part of it.
func (a *App) localOf(r *region) func() status.Local {
	if r.bridge == nil && r.materializer == nil {
		return nil
	}
	return func() status.Local {
		l := status.Local{Slot: -1}
		if r.bridge != nil {
			s := r.bridge.State()
			l.Slot, l.ClockAheadMS = s.Slot, s.ClockAhead.Milliseconds()
			l.Alarms = append(l.Alarms, s.Alarms...)
		}
		if r.materializer != nil {
			s := r.materializer.State()
			l.Counters, l.Blocked = s.Counters, s.Why()
			l.Alarms = append(l.Alarms, s.Alarms...)
		}
		percent, whole := r.progress()
		l.Rebuilding, l.RebuildPercent = !whole, percent
		return l
	}
}

// flows tells the mirror links, which this process can break.
func (a *App) flows() []api.FlowReport {
	lab := a.cfg.Lab()
	stopped := func(name string) bool {
		return slices.ContainsFunc(lab.Regions, func(r api.LabRegion) bool { return r.Region == name && !r.Up })
	}
	var flows []api.FlowReport
	for _, l := range lab.Links {
		f := api.FlowReport{From: l.From, To: l.To, State: l.State, Detail: l.Detail, DelayMS: l.DelayMS}
		if stopped(l.From) || stopped(l.To) {
			f.State = api.FlowDown
		}
		flows = append(flows, f)
	}
	return flows
}

// Topology returns the regions of the cluster.
func (a *App) Topology() geo.Topology { return a.cfg.Cluster.Topology }
