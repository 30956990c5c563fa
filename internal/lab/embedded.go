package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/lab/localredis"
	"github.com/geokv/geokv/internal/lab/memkafka"
	"github.com/geokv/geokv/internal/lab/memredis"
	"github.com/geokv/geokv/internal/lab/memregistry"
	"github.com/geokv/geokv/internal/mirror"
	"github.com/geokv/geokv/internal/wal"
)

// The kinds of Redis that an embedded cluster can have.
const (
	RedisEmbedded = "embedded" // in the process, rebuilt at every start
	RedisExec     = "exec"     // a redis-server child per region, kept in the data directory
)

// EmbeddedConfig says how to start an embedded cluster.
type EmbeddedConfig struct {
	Topology geo.Topology
	// Dir is the data directory, whose lock the caller holds until after Close;
	// nil keeps everything in memory.
	Dir    *datadir.Dir
	Redis  string // RedisEmbedded (default) or RedisExec, which needs Dir
	Wall   func() time.Time
	Logger *slog.Logger
}

// embedded is a Cluster in this process.
type embedded struct {
	cfg      EmbeddedConfig
	secret   string
	regions  []*region // in index order
	registry *memregistry.Server
	mirror   *mirror.Mirror
	stop     context.CancelFunc // ends the mirror
	mirrored sync.WaitGroup
}

type region struct {
	geo.Region
	kafka *memkafka.Kafka
	mem   *memredis.Server   // one of the two
	local *localredis.Server //
}

// StartEmbedded starts a whole cluster in this process, with its topics made.
// Errors are *fail.Error; nothing is left running then.
func StartEmbedded(ctx context.Context, cfg EmbeddedConfig) (Cluster, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	switch cfg.Redis {
	case "":
		cfg.Redis = RedisEmbedded
	case RedisEmbedded:
	case RedisExec:
		if cfg.Dir == nil {
			return nil, fail.New(fail.Usage, "start a cluster in memory with redis-server processes: they need a data directory").
				WithHint("leave out --memory, or use the embedded Redis")
		}
	default:
		return nil, fail.New(fail.Usage, "redis %q: want %s or %s", cfg.Redis, RedisEmbedded, RedisExec)
	}
	e := &embedded{cfg: cfg, secret: datadir.NewSecret()}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.Close(context.WithoutCancel(ctx)))
	}
	return e, nil
}

func (e *embedded) start(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "start the embedded registry")
	}
	if e.registry, err = memregistry.Start(listener, e.cfg.Topology.Topics()...); err != nil {
		return fail.Wrap(fail.Internal, err, "start the embedded registry")
	}
	for _, r := range e.cfg.Topology.Regions() {
		e.regions = append(e.regions, &region{Region: r})
	}
	if err := e.startRegions(ctx); err != nil {
		return err
	}
	return e.startMirror()
}

// startRegions starts all regions at once and returns the first failure when
// all have ended.
func (e *embedded) startRegions(ctx context.Context) error {
	failures := make(chan error, len(e.regions))
	for _, r := range e.regions {
		go func() { failures <- e.startRegion(ctx, r) }()
	}
	var first error
	for range e.regions {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (e *embedded) startRegion(ctx context.Context, r *region) error {
	dir, err := e.sub(r.Name, "kafka")
	if err != nil {
		return err
	}
	logger := e.cfg.Logger.With("region", r.Name)
	r.kafka, err = memkafka.Start(memkafka.Config{Topic: r.Topic(), DataDir: dir, Wall: e.cfg.Wall, Logger: logger})
	if err != nil {
		return err
	}
	if damage := r.kafka.Damage(); len(damage) > 0 {
		logger.Error("stored log is damaged; what follows the damage was cut off; geokv status says what other regions have of it", "found", damage)
	}
	if err := e.makeTopics(ctx, r); err != nil {
		return err
	}
	return e.startRedis(ctx, r, logger)
}

func (e *embedded) makeTopics(ctx context.Context, r *region) error {
	log, err := e.openLog(r.Name)
	if err != nil {
		return err
	}
	defer log.Close()
	return log.EnsureTopics(ctx, r.Topic(), e.cfg.Topology.Topics(), wal.TopicOptions{Replication: 1, Repair: true})
}

func (e *embedded) startRedis(ctx context.Context, r *region, logger *slog.Logger) (err error) {
	if e.cfg.Redis == RedisEmbedded {
		r.mem, err = memredis.Start(memredis.Config{Addr: "127.0.0.1:0", Secret: e.secret, Wall: e.cfg.Wall, Logger: logger})
		return err
	}
	dir, err := e.sub(r.Name, "redis")
	if err != nil {
		return err
	}
	r.local, err = localredis.Start(ctx, localredis.Config{Dir: dir, User: memredis.User, Secret: e.secret, Logger: logger})
	return err
}

func (e *embedded) startMirror() error {
	var store mirror.Store
	if e.cfg.Dir != nil {
		dir, err := e.sub("mirror")
		if err != nil {
			return err
		}
		store = mirror.Files(dir)
	}
	e.mirror = mirror.New(mirror.Config{Topology: e.cfg.Topology, Open: e.openLog, Store: store, Logger: e.cfg.Logger})
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.mirrored.Go(func() { e.mirror.Run(ctx) })
	return nil
}

// openLog opens a region's log for the cluster's own use.
func (e *embedded) openLog(name string) (*wal.Log, error) {
	r, err := e.region(name)
	if err != nil {
		return nil, err
	}
	return wal.Open(wal.Config{Brokers: []string{r.kafka.Addr()}, ClientID: "geokv-lab", Logger: e.cfg.Logger})
}

// sub makes a directory below the data directory, "" in memory.
func (e *embedded) sub(elem ...string) (string, error) {
	if e.cfg.Dir == nil {
		return "", nil
	}
	return e.cfg.Dir.Sub(elem...)
}

func (e *embedded) region(name string) (*region, error) {
	for _, r := range e.regions {
		if r.Name == name {
			return r, nil
		}
	}
	return nil, geo.UnknownRegion(name, e.cfg.Topology.Names())
}

// Stack implements Cluster.
func (e *embedded) Stack() string { return "embedded" }

// FreshViews implements Cluster.
func (e *embedded) FreshViews() bool { return e.cfg.Redis == RedisEmbedded }

// Endpoints implements Cluster.
func (e *embedded) Endpoints() Endpoints {
	out := Endpoints{RegistryURL: e.registry.URL()}
	for _, r := range e.regions {
		out.Regions = append(out.Regions, RegionEndpoint{
			Region: r.Region, Brokers: []string{r.kafka.Addr()},
			RedisURL:  fmt.Sprintf("redis://%s:%s@%s/0", memredis.User, e.secret, r.redisAddr()),
			RedisAddr: r.redisAddr(),
		})
	}
	return out
}

func (r *region) redisAddr() string {
	if r.mem != nil {
		return r.mem.Addr()
	}
	return r.local.Addr()
}

// ViewReady implements Cluster.
func (e *embedded) ViewReady(name string, ready bool) error {
	r, err := e.region(name)
	if err != nil {
		return err
	}
	if r.mem != nil {
		r.mem.SetReady(ready)
	}
	return nil
}

// StopRegion implements Cluster.
func (e *embedded) StopRegion(_ context.Context, name string) error {
	r, err := e.region(name)
	if err != nil {
		return err
	}
	r.kafka.Stop()
	return nil
}

// StartRegion implements Cluster.
func (e *embedded) StartRegion(ctx context.Context, name string) error {
	r, err := e.region(name)
	if err != nil {
		return err
	}
	return r.kafka.Restart(ctx)
}

// RegionUp implements Cluster.
func (e *embedded) RegionUp(name string) bool {
	r, err := e.region(name)
	return err == nil && r.kafka.Up()
}

// Cut implements Cluster.
func (e *embedded) Cut(f geo.Flow) error { return e.mirror.Cut(f) }

// Heal implements Cluster.
func (e *embedded) Heal(f geo.Flow) error { return e.mirror.Heal(f) }

// Delay implements Cluster.
func (e *embedded) Delay(f geo.Flow, d time.Duration) error { return e.mirror.Delay(f, d) }

// Links implements Cluster.
func (e *embedded) Links() []api.LabLink {
	links := []api.LabLink{}
	for _, s := range e.mirror.States() {
		links = append(links, api.LabLink{From: s.Flow.From, To: s.Flow.To, State: s.State, Detail: s.Detail, DelayMS: s.Delay.Milliseconds()})
	}
	return links
}

// Close implements Cluster: mirrors first, so that their positions are those of
// what the logs hold, then views, then logs.
func (e *embedded) Close(ctx context.Context) error {
	if e.stop != nil {
		e.stop()
		e.mirrored.Wait()
	}
	var stopping sync.WaitGroup
	failures := make([]error, len(e.regions)+1)
	for i, r := range e.regions {
		stopping.Go(func() { failures[i] = r.close(ctx) })
	}
	stopping.Wait()
	if e.registry != nil {
		failures[len(e.regions)] = e.registry.Close()
	}
	return errors.Join(failures...)
}

func (r *region) close(ctx context.Context) (err error) {
	if r.mem != nil {
		r.mem.Close()
	}
	if r.local != nil {
		err = r.local.Stop(ctx)
	}
	if r.kafka != nil {
		r.kafka.Close()
	}
	return err
}
