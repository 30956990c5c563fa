// Package process runs the real parts of a cluster as processes on this
// machine, behind the port that the embedded stack has too:
//
//	us                       eu                       ap
//	kafka.Kafka              kafka.Kafka              kafka.Kafka
//	  LOCAL, MIRROR_EU,        LOCAL, MIRROR_US,        LOCAL, MIRROR_US,
//	  MIRROR_AP                MIRROR_AP                MIRROR_EU
//	redis-server             redis-server             redis-server
//	MirrorMaker 2 into us    MirrorMaker 2 into eu    MirrorMaker 2 into ap
//	               one schema registry
//
// A region's own clients use LOCAL. The MirrorMaker that writes into region d
// reads region s through s's listener MIRROR_<D>, which is advertised at a proxy
// in this process: so each of the flows can be cut, delayed and black-holed
// alone while everything else goes on.
//
// Health is by doing: see canary.go.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/lab/localredis"
	"github.com/geokv/geokv/internal/lab/offspring"
	"github.com/geokv/geokv/internal/stack"
	"github.com/geokv/geokv/internal/wal"
)

// Config says how to start a cluster of processes.
type Config struct {
	Topology geo.Topology
	Dir      *datadir.Dir // its lock is held by the caller until after Close
	Parts    stack.Parts
	// Say gets one line per step of the start; nil says nothing.
	Say    func(format string, args ...any)
	Logger *slog.Logger
}

// Cluster is a lab.Cluster of real processes.
type Cluster struct {
	cfg      Config
	training bool   // see Train
	secret   string // of geokv's user at the views
	dirs     dirs
	ports    ports

	regions  []*region // in index order
	registry *offspring.Process
	links    map[geo.Flow]*link
	mirrors  map[string]*mirror // by target
	canary   *canary
}

var _ lab.Cluster = (*Cluster)(nil)

// region is one region's Kafka and Redis.
type region struct {
	geo.Region
	kafka *offspring.Process
	redis *localredis.Server
	log   *wal.Log // for the cluster's own use: topics and canaries

	mu   sync.Mutex
	held bool // by StopRegion
}

// redisUser is geokv's own user at the views.
const redisUser = "geokv"

// Start starts every process, makes the topics and returns when every flow has
// carried a canary. Errors are *fail.Error; nothing is left running then.
func Start(ctx context.Context, cfg Config) (*Cluster, error) { return start(ctx, cfg, false) }

func start(ctx context.Context, cfg Config, training bool) (*Cluster, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Say == nil {
		cfg.Say = func(string, ...any) {}
	}
	if runtime.GOOS == "windows" {
		return nil, fail.New(fail.Unavailable, "run the process stack on Windows: Kafka is not kept going there").
			WithHint("use the embedded stack, or Linux under WSL")
	}
	c := &Cluster{cfg: cfg, training: training, secret: datadir.NewSecret(), links: map[geo.Flow]*link{}, mirrors: map[string]*mirror{}}
	if err := c.start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		return nil, errors.Join(err, c.Close(closing))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.dirs, err = makeDirs(c.cfg.Dir); err != nil {
		return err
	}
	if err := c.endOrphans(); err != nil {
		return err
	}
	if c.ports, err = choosePorts(c.dirs.root, c.cfg.Topology); err != nil {
		return err
	}
	for _, r := range c.cfg.Topology.Regions() {
		c.regions = append(c.regions, &region{Region: r})
	}
	if err := c.openLinks(); err != nil {
		return err
	}
	c.cfg.Say("starting the schema registry and a Kafka and a Redis for each of %d regions", len(c.regions))
	if err := c.startParts(ctx); err != nil {
		return err
	}
	return c.startMirrors(ctx)
}

// endOrphans ends what a parent that was killed left running in this directory,
// before ports are chosen: the orphans have those of the last start.
func (c *Cluster) endOrphans() error {
	ended, err := offspring.EndOrphans(c.dirs.run, c.marker())
	for _, name := range c.cfg.Topology.Names() {
		dir, failed := c.cfg.Dir.Sub("process", name, "redis")
		if failed == nil {
			var found bool
			if found, failed = localredis.EndOrphan(dir); found {
				ended = append(ended, "redis-"+name)
			}
		}
		err = errors.Join(err, failed)
	}
	if len(ended) > 0 {
		c.cfg.Say("ended what an earlier run left behind: %s", strings.Join(ended, ", "))
	}
	return err
}

// marker is in the command line of every Java process of this directory.
func (c *Cluster) marker() string { return "-Dgeokv.stack=" + c.dirs.root }

// startParts starts everything that depends on nothing else, at once.
func (c *Cluster) startParts(ctx context.Context) error {
	starts := []func(context.Context) error{c.startRegistry}
	for _, r := range c.regions {
		starts = append(starts,
			func(ctx context.Context) error { return c.startKafka(ctx, r) },
			func(ctx context.Context) error { return c.startRedis(ctx, r) })
	}
	return atOnce(ctx, starts)
}

// atOnce runs all and returns their failures when all have ended; the first one
// ends the others' context.
func atOnce(ctx context.Context, steps []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		group    sync.WaitGroup
		once     sync.Once
		failures = make([]error, len(steps))
		first    error
	)
	for i, step := range steps {
		group.Go(func() {
			if failures[i] = step(ctx); failures[i] != nil {
				once.Do(func() { first = failures[i]; cancel() })
			}
		})
	}
	group.Wait()
	return first
}

func (c *Cluster) startRedis(ctx context.Context, r *region) error {
	dir, err := c.cfg.Dir.Sub("process", r.Name, "redis")
	if err != nil {
		return err
	}
	r.redis, err = localredis.Start(ctx, localredis.Config{
		Dir: dir, Port: c.ports.Redis[r.Name], Binary: c.cfg.Parts.Redis, User: redisUser, Secret: c.secret,
		Logger: c.cfg.Logger.With("region", r.Name),
	})
	return err
}

// dirs are the places below the data directory.
type dirs struct{ root, run, logs string }

func makeDirs(d *datadir.Dir) (out dirs, err error) {
	if d == nil {
		return out, fail.New(fail.Usage, "start the process stack in memory: Kafka keeps its log on disk").WithHint("leave out --memory")
	}
	for _, part := range []struct {
		path *string
		elem []string
	}{{&out.root, []string{"process"}}, {&out.run, []string{"process", "run"}}, {&out.logs, []string{"process", "logs"}}} {
		if *part.path, err = d.Sub(part.elem...); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Logs is the directory of the processes' output.
func (c *Cluster) Logs() string { return c.dirs.logs }

// child fills what all processes of the cluster have in common.
func (c *Cluster) child(name string, cfg offspring.Config) (*offspring.Process, error) {
	cfg.Name = name
	cfg.LogFile = filepath.Join(c.dirs.logs, name+".log")
	cfg.PIDFile = filepath.Join(c.dirs.run, name+".pid")
	cfg.Logger = c.cfg.Logger
	return offspring.Start(cfg)
}

// Stack implements lab.Cluster.
func (c *Cluster) Stack() string { return "process" }

// FreshViews implements lab.Cluster: views are kept in redis-server's snapshots.
func (c *Cluster) FreshViews() bool { return false }

// ViewReady implements lab.Cluster: redis-server answers as soon as it runs.
func (c *Cluster) ViewReady(region string, _ bool) error {
	_, err := c.region(region)
	return err
}

// Endpoints implements lab.Cluster.
func (c *Cluster) Endpoints() lab.Endpoints {
	out := lab.Endpoints{RegistryURL: c.registryURL()}
	for _, r := range c.regions {
		out.Regions = append(out.Regions, lab.RegionEndpoint{
			Region: r.Region, Brokers: []string{c.localAddr(r.Name)},
			RedisURL:  fmt.Sprintf("redis://%s:%s@%s/0", redisUser, c.secret, r.redis.Addr()),
			RedisAddr: r.redis.Addr(),
		})
	}
	return out
}

func (c *Cluster) region(name string) (*region, error) {
	for _, r := range c.regions {
		if r.Name == name {
			return r, nil
		}
	}
	return nil, geo.UnknownRegion(name, c.cfg.Topology.Names())
}

// How long Close may take when the caller sets no deadline, and after a trial
// run, whose processes write archives as they end.
const (
	closeGrace = 20 * time.Second
	trainGrace = 2 * time.Minute
)

// Close implements lab.Cluster: mirrors first, so that they note how far they
// are; then what they wrote to.
func (c *Cluster) Close(ctx context.Context) error {
	grace := closeGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = time.Until(deadline)
	}
	if c.canary != nil {
		c.canary.close()
	}
	var stopping sync.WaitGroup
	for _, m := range c.mirrors {
		stopping.Go(func() { m.process.Stop(grace / 2) })
	}
	stopping.Wait()
	failures := make([]error, len(c.regions))
	for i, r := range c.regions {
		stopping.Go(func() { failures[i] = r.close(ctx, grace/2) })
	}
	if c.registry != nil {
		stopping.Go(func() { c.registry.Stop(grace / 2) })
	}
	stopping.Wait()
	for _, l := range c.links {
		l.close()
	}
	return errors.Join(failures...)
}

func (r *region) close(ctx context.Context, grace time.Duration) (err error) {
	if r.log != nil {
		r.log.Close()
	}
	if r.redis != nil {
		err = r.redis.Stop(ctx)
	}
	if r.kafka != nil {
		r.kafka.Stop(grace)
	}
	return err
}

// writePart writes a file that a process reads.
func writePart(path string, text []byte) error {
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fail.Wrap(fail.Unavailable, err, "write %s", path).WithHint("is the disk full?")
	}
	return nil
}
