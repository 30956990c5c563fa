package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab"
	"github.com/geokv/geokv/internal/lab/datadir"
)

// home is the data directory of a cluster that is being started.
type home struct {
	dir   *datadir.Dir
	token string
	fresh bool // the token was made just now
}

// openHome takes the data directory for a cluster of the configured regions. The
// home is to be closed in any case.
func (s *session) openHome() (h home, topology geo.Topology, err error) {
	cfg, err := s.clusterConfig()
	if err != nil {
		return h, topology, err
	}
	if cfg.External() {
		return h, topology, fail.New(fail.Usage, "up: %s names an external cluster", cfg.File).
			WithHint("geokv serve runs against it; geokv up elsewhere, or with --config naming another file, runs one of its own")
	}
	if topology = cfg.Topology; topology.Len() == 0 {
		topology = geo.Default()
	}
	path, err := s.dataDir()
	if err != nil {
		return h, topology, err
	}
	if h.dir, err = datadir.Open(path); err != nil {
		return h, topology, s.memoryHint(err)
	}
	h.fresh = !h.dir.HasToken()
	h.token, err = h.dir.Token()
	return h, topology, err
}

// memoryHint corrects the advice about a directory that is taken: --memory has
// but one.
func (s *session) memoryHint(err error) error {
	var taken *fail.Error
	if s.memory && errors.As(err, &taken) && taken.Code == fail.Unavailable {
		return taken.WithHint("stop it, attach to it (geokv tui --memory, geokv status --memory), or run another with --data DIR instead of --memory")
	}
	return err
}

// close gives the directory back.
func (h home) close() error {
	if h.dir == nil {
		return nil
	}
	return errors.Join(h.dir.Retract(), h.dir.Close())
}

// publish lets other commands find the cluster: they may know its logins.
func (h home) publish(c config.Cluster, url string) error {
	return h.dir.Publish(datadir.Cluster{API: url, Registry: c.Registry.URL, Regions: regionsOf(c)})
}

// describe tells a person about the cluster, and nobody a login.
func (h home) describe(c config.Cluster, url string, took time.Duration) started {
	d := started{API: url, Registry: c.Registry.URL, Regions: regionsOf(c), Data: h.dir.Path(), ReadyMS: took.Milliseconds()}
	for i := range d.Regions {
		d.Regions[i].RedisURL = ""
	}
	return d
}

func regionsOf(c config.Cluster) []datadir.Region {
	regions := make([]datadir.Region, len(c.Regions))
	for i, r := range c.Regions {
		regions[i] = datadir.Region{
			Name: r.Region.Name, Index: r.Region.Index, Kafka: r.Brokers, Redis: r.RedisAddr, RedisURL: r.RedisURL.Reveal(),
		}
	}
	return regions
}

// hosted is a cluster that this process runs: its stack and the application on it.
type hosted struct {
	home
	cluster lab.Cluster
	config  config.Cluster // how to reach it
	app     *app.App
}

// startCluster takes the data directory, starts the stack and opens the
// application on it. What was started is stopped again when a step fails.
func (s *session) startCluster(ctx context.Context, o labOptions) (*hosted, error) {
	e := &hosted{}
	if err := s.start(ctx, e, o); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (s *session) start(ctx context.Context, e *hosted, o labOptions) error {
	var topology geo.Topology
	var err error
	if e.home, topology, err = s.openHome(); err != nil {
		return err
	}
	if e.cluster, err = s.startStack(ctx, o, topology, e.dir); err != nil {
		return err
	}
	e.config = endpoints(topology, e.cluster.Endpoints())
	e.app, err = app.Open(ctx, app.Config{
		Cluster:    e.config,
		Roles:      app.Roles{Write: true, Materialize: true, Observe: true},
		FreshViews: e.cluster.FreshViews(), OnReady: e.viewReady(s.log),
		Version: s.env.Build.Version, Lab: labPort{e.cluster}.Describe, Logger: s.log,
	})
	return err
}

// viewReady opens a rebuilt view to strangers.
func (e *hosted) viewReady(log *slog.Logger) func(string) {
	return func(region string) {
		if err := e.cluster.ViewReady(region, true); err != nil {
			log.Error("open the view to other clients", "region", region, "error", err)
		}
	}
}

// persistent is where the stack keeps its data; nil keeps it in memory.
func (s *session) persistent(dir *datadir.Dir) *datadir.Dir {
	if s.memory {
		return nil
	}
	return dir
}

// endpoints describes a stack's regions as a configuration would.
func endpoints(topology geo.Topology, e lab.Endpoints) config.Cluster {
	c := config.Cluster{Topology: topology, Registry: config.Registry{URL: e.RegistryURL}}
	for _, r := range e.Regions {
		c.Regions = append(c.Regions, config.RegionEndpoint{
			Region: r.Region, Brokers: r.Brokers, RedisURL: config.URL(r.RedisURL), RedisAddr: r.RedisAddr,
		})
	}
	return c
}

// clusterOf describes a running cluster of another process.
func clusterOf(running datadir.Cluster) (config.Cluster, error) {
	e := lab.Endpoints{RegistryURL: running.Registry}
	var regions []geo.Region
	for _, r := range running.Regions {
		region := geo.Region{Name: r.Name, Index: r.Index}
		regions = append(regions, region)
		e.Regions = append(e.Regions, lab.RegionEndpoint{Region: region, Brokers: r.Kafka, RedisURL: r.RedisURL, RedisAddr: r.Redis})
	}
	topology, err := geo.NewTopology(regions...)
	return endpoints(topology, e), err
}

// httpSettings are those of the API at an address; by default a free port.
func (e *hosted) httpSettings(listen string) config.HTTP {
	return config.HTTP{Listen: cmp.Or(listen, "127.0.0.1:0"), Token: config.Secret(e.token)}
}

func (e *hosted) startSim(ctx context.Context, o upOptions) error {
	if o.sim == 0 {
		return nil
	}
	_, err := e.app.Simulator().Start(ctx, api.SimStart{Rate: o.sim, Seed: o.seed})
	return err
}

// stackGrace is how long the end of a stack may take: brokers close their logs.
const stackGrace = 20 * time.Second

// close ends the stack and gives the directory back. The application was closed
// by its host.
func (e *hosted) close() error {
	if e.cluster == nil {
		return e.home.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stackGrace)
	defer cancel()
	return errors.Join(e.dir.Retract(), e.cluster.Close(ctx), e.dir.Close())
}
