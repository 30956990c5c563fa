package cli

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/out"
)

type upOptions struct {
	http string
	sim  float64
	seed uint64
	lab  labOptions
}

func newUp(s *session) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a whole cluster on this machine",
		Long: `Run three regions in the foreground, each with a Kafka, a Redis, a bridge and a
materializer, and six mirror flows between them. Nothing else needs to be
installed: Kafka and Redis are served from inside this process, on loopback ports
that any client can use, and the logs are kept in the data directory.

Ctrl-C ends it cleanly, a second Ctrl-C at once. What was acknowledged is in the
logs, and views are rebuilt from them at the next start.`,
		Example: `  geokv up
  geokv up --sim 20                        with traffic
  geokv up --http 127.0.0.1:8080           the API at a fixed address
  geokv up --memory                        keep nothing
  geokv up --redis exec                    a redis-server per region
  geokv up --stack process                 real Kafka, MirrorMaker 2, registry and Redis`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.up(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.http, "http", "", "address of the API (default: a free loopback port)")
	f.Float64Var(&o.sim, "sim", 0, "start simulated traffic of this many steps per second")
	f.Uint64Var(&o.seed, "seed", 0, "seed of the simulated traffic (0: choose one)")
	o.lab.flags(cmd)
	return group("run", cmd)
}

func (s *session) up(ctx context.Context, o upOptions) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	if err := checkListen(o.http); err != nil {
		return err
	}
	began := time.Now()
	e, err := s.startCluster(ctx, o.lab)
	if err != nil {
		return err
	}
	h, err := e.httpSettings(o.http)
	if err != nil {
		return errors.Join(err, e.close())
	}
	err = s.host(ctx, e.app, h, labPort{e.cluster}, func(address string) error {
		if err := e.publish("http://" + address); err != nil {
			return err
		}
		if err := e.startSim(ctx, o); err != nil {
			return err
		}
		return s.announce(e, address, time.Since(began))
	})
	return errors.Join(err, e.close())
}

// labOptions say which stack to run.
type labOptions struct {
	stack string
	redis string
}

func (o *labOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.stack, "stack", stackEmbedded, "what to run: embedded, or process for real Kafka, MirrorMaker 2, registry and Redis")
	_ = cmd.RegisterFlagCompletionFunc("stack", cobra.FixedCompletions([]string{stackEmbedded, stackProcess}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(&o.redis, "redis", lab.RedisEmbedded, "embedded, or exec to run a redis-server per region")
	_ = cmd.RegisterFlagCompletionFunc("redis", cobra.FixedCompletions([]string{lab.RedisEmbedded, lab.RedisExec}, cobra.ShellCompDirectiveNoFileComp))
}

// embedded is a running cluster of this process.
type embedded struct {
	dir     *datadir.Dir
	cluster lab.Cluster
	app     *app.App
	token   string
	fresh   bool // the token was made just now
}

// startCluster takes the data directory, starts the stack and opens the
// application on it. What was started is stopped again when a step fails.
func (s *session) startCluster(ctx context.Context, o labOptions) (*embedded, error) {
	e := &embedded{}
	if err := s.start(ctx, e, o); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (s *session) start(ctx context.Context, e *embedded, o labOptions) error {
	cfg, err := s.loadConfig()
	if err != nil {
		return err
	}
	if cfg.External() {
		return fail.New(fail.Usage, "up: %s names an external cluster", cfg.File).
			WithHint("geokv serve runs against it; geokv up elsewhere, or with --config naming another file, runs one of its own")
	}
	topology := cfg.Topology
	if topology.Len() == 0 {
		topology = geo.Default()
	}
	path, err := s.dataDir()
	if err != nil {
		return err
	}
	if e.dir, err = datadir.Open(path); err != nil {
		return err
	}
	e.fresh = !e.dir.HasToken()
	if e.token, err = e.dir.Token(); err != nil {
		return err
	}
	if e.cluster, err = s.startStack(ctx, o, topology, e.dir); err != nil {
		return err
	}
	e.app, err = app.Open(ctx, app.Config{
		Cluster:    endpoints(topology, e.cluster.Endpoints()),
		Roles:      app.Roles{Write: true, Materialize: true, Observe: true},
		FreshViews: e.cluster.FreshViews(), OnReady: e.viewReady(s.log),
		Version: s.env.Build.Version, Lab: labPort{e.cluster}.Describe, Logger: s.log,
	})
	return err
}

// viewReady opens a rebuilt view to strangers.
func (e *embedded) viewReady(log *slog.Logger) func(string) {
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

func (e *embedded) httpSettings(listen string) (config.HTTP, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	return config.HTTP{Listen: listen, Token: config.Secret(e.token)}, nil
}

// publish lets other commands find the cluster.
func (e *embedded) publish(url string) error {
	c := datadir.Cluster{API: url, Registry: e.cluster.Endpoints().RegistryURL}
	for _, r := range e.cluster.Endpoints().Regions {
		c.Regions = append(c.Regions, datadir.Region{
			Name: r.Region.Name, Index: r.Region.Index, Kafka: r.Brokers, Redis: r.RedisAddr, RedisURL: r.RedisURL,
		})
	}
	return e.dir.Publish(c)
}

func (e *embedded) startSim(ctx context.Context, o upOptions) error {
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
func (e *embedded) close() error {
	var failures []error
	if e.dir != nil {
		failures = append(failures, e.dir.Retract())
	}
	if e.cluster != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stackGrace)
		defer cancel()
		failures = append(failures, e.cluster.Close(ctx))
	}
	if e.dir != nil {
		failures = append(failures, e.dir.Close())
	}
	return errors.Join(failures...)
}

// started is the JSON of up: one line when everything answers.
type started struct {
	API      string           `json:"api"`
	Registry string           `json:"registry"`
	Regions  []datadir.Region `json:"regions"`
	Data     string           `json:"data"`
	ReadyMS  int64            `json:"ready_ms"`
}

func (s *session) announce(e *embedded, address string, took time.Duration) error {
	if s.printer.Format != out.Table {
		return s.printer.Line(e.describe(address, took))
	}
	g := out.Grid{Columns: out.Columns("REGION", "KAFKA", "REDIS")}
	for _, r := range e.cluster.Endpoints().Regions {
		g.Add(out.Text(r.Region.Name, strings.Join(r.Brokers, ","), r.RedisAddr)...)
	}
	if err := s.printer.Grid(g); err != nil {
		return err
	}
	p := s.printer
	p.Printf("\nregistry  %s\napi       http://%s\ndata      %s\n", e.cluster.Endpoints().RegistryURL, address, e.dir.Path())
	if e.fresh {
		p.Printf("token     %s   (for writes over HTTP; kept in the data directory)\n", e.token)
	}
	p.Printf("\nready after %s. In another terminal:\n", out.Duration(took))
	hint := s.locationFlags()
	p.Printf("  geokv produce incr sales:total 1 --region eu --wait-all%s\n", hint)
	p.Printf("  geokv get sales:total --region all%s\n  geokv tail%s\n  geokv status --watch%s\n\nCtrl-C ends.\n", hint, hint, hint)
	return nil
}

// locationFlags repeats what other commands need to find this cluster.
func (s *session) locationFlags() string {
	switch {
	case s.data != "":
		return " --data " + s.data
	case s.memory:
		return " --memory"
	}
	return ""
}

func (e *embedded) describe(address string, took time.Duration) started {
	d := started{API: "http://" + address, Registry: e.cluster.Endpoints().RegistryURL, Data: e.dir.Path(), ReadyMS: took.Milliseconds()}
	for _, r := range e.cluster.Endpoints().Regions {
		d.Regions = append(d.Regions, datadir.Region{Name: r.Region.Name, Index: r.Region.Index, Kafka: r.Brokers, Redis: r.RedisAddr})
	}
	return d
}
