// Package app makes running parts of a cluster's endpoints: it opens every
// region's log and view, puts bridge, materializer and observer on them, runs
// them as one group and answers the questions that the front ends ask.
//
// It knows no stack: the endpoints may be embedded, processes, containers or
// somebody's production. What is broken on purpose it learns from Lab.
//
//	Produce -> bridge -> wal --(mirror)--> wal of the other regions
//	                      |                   |
//	                 materializer        materializer
//	                      |                   |
//	                     view                view      <- Key, Keys, State, Await
//	                      \___ observers: hub -> Subscribe, SSE, TUI, tail
package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/sim"
	"github.com/geokv/geokv/internal/status"
	"github.com/geokv/geokv/internal/watch"
)

// Roles says which parts a process runs on each of its regions. Without any it
// can still read views and logs.
type Roles struct {
	Write       bool // bridges
	Materialize bool // materializers
	Observe     bool // observers and the hub
}

// Config says what to run.
type Config struct {
	Cluster config.Cluster
	Regions []string // of the cluster's regions, those this process serves; empty: all
	Roles   Roles
	// FreshViews says that views start empty with the process, so that reads
	// wait for the rebuild (the embedded stack).
	FreshViews bool
	OnReady    func(region string) // told once when a region's view is complete; may be nil
	CacheDir   string              // for schemas; "" keeps them in memory
	Version    string
	Lab        func() api.Lab // what is broken on purpose; nil when nothing can be
	Wall       func() time.Time
	Logger     *slog.Logger

	// Overrides of how connections are made, for virtual networks in tests.
	DialKafka, DialRedis func(ctx context.Context, network, address string) (net.Conn, error)
}

// App is the running parts of one process.
type App struct {
	cfg     Config
	codec   *avro.Codec
	regions []*region
	hub     *watch.Hub
	sim     *sim.Sim
	started time.Time
	keeping chan struct{} // holds one for each reading that keeps events for a client
	recent  chan struct{} // and one for Recent

	collector *status.Collector

	mu  sync.Mutex
	api string // where the HTTP API listens, for reports
}

// Open opens every region and starts its bridge as far as the network allows;
// what is out of reach is tried again while the App runs. The error is about
// the configuration.
func Open(ctx context.Context, cfg Config) (*App, error) {
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{cfg: cfg, started: cfg.Wall(), keeping: make(chan struct{}, keepAtOnce), recent: make(chan struct{}, 1)}
	registry, err := openRegistry(cfg.Cluster.Registry)
	if err != nil {
		return nil, err
	}
	a.codec = avro.NewCodec(registry, cfg.CacheDir)
	a.hub = watch.NewHub(a.started, 0)
	if err := a.openRegions(ctx); err != nil {
		a.closeRegions()
		return nil, err
	}
	a.collector = a.newCollector()
	a.sim = sim.New(a)
	return a, nil
}

func (a *App) openRegions(ctx context.Context) error {
	served, err := a.cfg.served()
	if err != nil {
		return err
	}
	opened := make([]*region, len(served))
	failures := make([]error, len(served))
	var group sync.WaitGroup
	for i, endpoint := range served {
		group.Go(func() { opened[i], failures[i] = a.openRegion(ctx, endpoint) })
	}
	group.Wait()
	for _, r := range opened {
		if r != nil {
			a.regions = append(a.regions, r)
		}
	}
	return errors.Join(failures...)
}

func (c Config) served() ([]config.RegionEndpoint, error) {
	if len(c.Regions) == 0 {
		return c.Cluster.Regions, nil
	}
	for _, name := range c.Regions {
		if _, ok := c.Cluster.Region(name); !ok {
			return nil, geo.UnknownRegion(name, c.Cluster.Topology.Names())
		}
	}
	var served []config.RegionEndpoint
	for _, endpoint := range c.Cluster.Regions {
		if slices.Contains(c.Regions, endpoint.Region.Name) {
			served = append(served, endpoint)
		}
	}
	return served, nil
}

// Run runs every part until ctx ends or one of them can never go on; then it
// stops the others, lets each finish what it has begun, and returns the error
// of the part that failed, nil when ctx ended.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	for _, part := range a.parts() {
		group.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				stop(err)
			}
		})
	}
	<-ctx.Done()
	a.sim.Stop()
	group.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (a *App) parts() []func(context.Context) error {
	var parts []func(context.Context) error
	for _, r := range a.regions {
		if r.bridge != nil || r.materializer != nil {
			parts = append(parts, func(ctx context.Context) error { return a.prepare(ctx, r) })
		}
		if r.bridge != nil {
			parts = append(parts, r.bridge.Run)
		}
		if r.materializer != nil {
			parts = append(parts, r.materializer.Run)
		}
		if r.materializer != nil && a.cfg.OnReady != nil {
			parts = append(parts, func(ctx context.Context) error { a.announceReady(ctx, r); return nil })
		}
		if r.observer != nil {
			parts = append(parts, r.observer.Run)
		}
	}
	return parts
}

// Close ends writing first, waits until the fate of every record is known or
// ctx ends, and then closes logs and views. Call it after Run has returned, or
// instead of Run.
func (a *App) Close(ctx context.Context) error {
	a.sim.Stop()
	failures := make([]error, len(a.regions))
	var ending sync.WaitGroup
	for i, r := range a.regions {
		if r.bridge != nil {
			ending.Go(func() { failures[i] = r.bridge.Close(ctx) })
		}
	}
	ending.Wait()
	a.hub.Close()
	a.closeRegions()
	return errors.Join(failures...)
}

// closeRegions closes all at once: one that does not answer holds up no other.
func (a *App) closeRegions() {
	var ending sync.WaitGroup
	for _, r := range a.regions {
		ending.Go(r.close)
	}
	ending.Wait()
}

// SetAPI tells where the HTTP API listens, so that reports can repeat it.
func (a *App) SetAPI(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.api = address
}

func (a *App) apiAddress() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.api
}

// Regions returns the names of the served regions in index order.
func (a *App) Regions() []string {
	names := make([]string, len(a.regions))
	for i, r := range a.regions {
		names[i] = r.Name
	}
	return names
}

func (a *App) region(name string) (*region, error) {
	for _, r := range a.regions {
		if r.Name == name {
			return r, nil
		}
	}
	if _, ok := a.Topology().Lookup(name); !ok {
		return nil, geo.UnknownRegion(name, a.Topology().Names())
	}
	return nil, fail.New(fail.NotFound, "region %q is not served by this process", name).
		WithHint("it serves %s; start one with geokv serve --regions %s", joinNames(a.Regions()), name)
}

func openRegistry(r config.Registry) (avro.Registry, error) {
	if r.URL == "" {
		return avro.NewShippedRegistry(), nil
	}
	cfg := avro.RegistryConfig{URL: r.URL, User: r.User, Password: r.Password.Reveal()}
	if r.TLS != nil {
		tls, err := r.TLS.Config()
		if err != nil {
			return nil, err
		}
		cfg.TLS = tls
	}
	return avro.NewRegistryClient(cfg)
}
