package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/pause"
)

// Produce writes one operation through the bridge of its region, the first one
// when it names none. The three outcomes are those of bridge.Write.
func (a *App) Produce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	r, err := a.writer(op)
	if err != nil {
		return event.Receipt{}, err
	}
	return r.bridge.Write(ctx, op)
}

// Plan tells what Produce would append, without appending.
func (a *App) Plan(ctx context.Context, op event.Operation) (api.Plan, error) {
	r, err := a.writer(op)
	if err != nil {
		return api.Plan{}, err
	}
	e, partition, err := r.bridge.Plan(ctx, op)
	return api.Plan{Event: e, Topic: r.Topic(), Partition: partition}, err
}

func (a *App) writer(op event.Operation) (*region, error) {
	name := op.Region
	if name == "" {
		name = a.regions[0].Name
	}
	r, err := a.region(name)
	if err != nil {
		return nil, err
	}
	if r.bridge == nil {
		return nil, fail.New(fail.Unavailable, "write to region %s: this process runs no bridge", name).
			WithHint("run geokv serve, or write with geokv produce --direct")
	}
	return r, nil
}

// Await returns when every named region, or every served one when none is
// named, has applied the write of the receipt. When ctx ends first the error
// has code TIMEOUT and names the regions that lack it, and the answer says which
// have it.
func (a *App) Await(ctx context.Context, receipt event.Receipt, regions []string) (api.Awaited, error) {
	waiting, err := a.named(regions)
	if err != nil {
		return api.Awaited{}, err
	}
	if err := a.witness(receipt); err != nil {
		return api.Awaited{}, err
	}
	began := a.cfg.Wall()
	answer := api.Awaited{Receipt: receipt.Token(), Regions: make([]api.AwaitedRegion, len(waiting))}
	failures := make([]error, len(waiting))
	var group sync.WaitGroup
	for i, r := range waiting {
		answer.Regions[i] = api.AwaitedRegion{Region: r.Name}
		group.Go(func() {
			answer.Regions[i].Applied, failures[i] = r.await(ctx, receipt)
		})
	}
	group.Wait()
	answer.WaitedMS = a.cfg.Wall().Sub(began).Milliseconds()
	return answer, notApplied(receipt, answer.Regions, failures)
}

// notApplied names the regions that lack a write, and those that cannot be
// asked with the reason.
func notApplied(receipt event.Receipt, regions []api.AwaitedRegion, failures []error) error {
	var lacking []string
	for i, r := range regions {
		switch {
		case r.Applied:
		case failures[i] != nil:
			lacking = append(lacking, fmt.Sprintf("%s (%v)", r.Region, failures[i]))
		default:
			lacking = append(lacking, r.Region)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return fail.New(fail.Timeout, "wait for %s: not applied yet in %s", receipt.Token(), joinNames(lacking)).
		WithHint("see what a region lacks with geokv status")
}

func (a *App) named(names []string) ([]*region, error) {
	if len(names) == 0 {
		return a.regions, nil
	}
	found := make([]*region, len(names))
	for i, name := range names {
		r, err := a.region(name)
		if err != nil {
			return nil, err
		}
		found[i] = r
	}
	return found, nil
}

// witness merges the stamp of a client's token into every clock here, so that
// whatever the client writes next is later than what it has seen.
func (a *App) witness(receipt event.Receipt) error {
	origin, ok := a.cfg.Cluster.Topology.Lookup(receipt.Region)
	if !ok {
		return geo.UnknownRegion(receipt.Region, a.cfg.Cluster.Topology.Names())
	}
	stamp := hlc.Timestamp{Physical: receipt.HLC.PhysicalMS, Logical: receipt.HLC.Logical, Region: uint8(origin.Index)}
	for _, r := range a.regions {
		if r.bridge != nil {
			r.bridge.Witness(stamp)
		}
	}
	return nil
}

// await polls the region's position: a receipt may come from another process
// whose observations never passed here. Without success it returns when ctx ends,
// with the failure of the newest read that was given its time, if there is one.
func (r *region) await(ctx context.Context, receipt event.Receipt) (applied bool, failure error) {
	wait := time.Millisecond
	for {
		position, err := r.db.Position(ctx, receipt.Topic, receipt.Partition, receipt.Lane())
		if err == nil && position.Lanes[receipt.Lane()].Contains(receipt.Seq) {
			return true, nil
		}
		if !cutShort(ctx, err) {
			failure = err
		}
		if !pause.For(ctx, wait) {
			return false, failure
		}
		wait = min(2*wait, 20*time.Millisecond)
	}
}

// cutShort tells a read that failed because ctx's time was up, which says
// nothing about the region, from one that failed by itself.
func cutShort(ctx context.Context, err error) bool {
	deadline, bounded := ctx.Deadline()
	return bounded && !time.Now().Before(deadline) && errors.Is(err, os.ErrDeadlineExceeded)
}
