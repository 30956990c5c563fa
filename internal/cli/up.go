package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/pause"
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
  geokv up --stack process                 real Kafka, MirrorMaker 2, registry and Redis
  geokv up --stack compose                 the same in containers`,
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
	if err := errors.Join(checkSim(o.sim), o.lab.check()); err != nil {
		return err
	}
	if o.lab.stack == stackCompose {
		return s.upContainers(ctx, o)
	}
	began := time.Now()
	e, err := s.startCluster(ctx, o.lab)
	if err != nil {
		return err
	}
	err = s.host(ctx, e.app, e.httpSettings(o.http), labPort{e.cluster}, func(ctx context.Context, address string) error {
		url := "http://" + address
		if err := e.publish(e.config, url); err != nil {
			return err
		}
		if err := e.startSim(ctx, o); err != nil {
			return err
		}
		waits := rebuilding(ctx, e.app.Ready)
		d := e.describe(e.config, url, time.Since(began))
		d.Rebuilding = waits
		if err := s.announce(e.home, d); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	return errors.Join(err, e.close())
}

// labOptions say which stack to run.
type labOptions struct {
	stack string
	redis string
}

// checkSim refuses a rate of --sim that cannot be; 0 means no traffic.
func checkSim(rate float64) error {
	if rate == 0 {
		return nil
	}
	return checkRate("--sim", rate)
}

// check refuses what cannot be run before anything is done on its account.
func (o *labOptions) check() error {
	if !slices.Contains([]string{stackEmbedded, stackProcess, stackCompose}, o.stack) {
		return fail.New(fail.Usage, "--stack %q: want %s, %s or %s", o.stack, stackEmbedded, stackProcess, stackCompose)
	}
	if o.redis != lab.RedisEmbedded && o.redis != lab.RedisExec {
		return fail.New(fail.Usage, "--redis %q: want %s or %s", o.redis, lab.RedisEmbedded, lab.RedisExec)
	}
	return nil
}

func (o *labOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.stack, "stack", stackEmbedded, "what to run: embedded, or real Kafka, MirrorMaker 2, registry and Redis as a process each or by compose")
	_ = cmd.RegisterFlagCompletionFunc("stack", cobra.FixedCompletions([]string{stackEmbedded, stackProcess, stackCompose}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(&o.redis, "redis", lab.RedisEmbedded, "embedded, or exec to run a redis-server per region")
	_ = cmd.RegisterFlagCompletionFunc("redis", cobra.FixedCompletions([]string{lab.RedisEmbedded, lab.RedisExec}, cobra.ShellCompDirectiveNoFileComp))
}

// settleWithin is how long up waits for views that are soon whole.
const settleWithin = 500 * time.Millisecond

// rebuilding reports that reads have to wait for a large log to be applied.
func rebuilding(ctx context.Context, ready func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return false
		}
		if !pause.For(ctx, 20*time.Millisecond) {
			return fail.CodeOf(err) == fail.Rebuilding
		}
	}
}

// started is the JSON of up: one line when everything answers, reads perhaps with
// REBUILDING.
type started struct {
	API      string           `json:"api"`
	Registry string           `json:"registry"`
	Regions  []datadir.Region `json:"regions"`
	Data     string           `json:"data"`
	ReadyMS  int64            `json:"ready_ms"`

	Rebuilding bool `json:"rebuilding,omitempty"` // reads wait until the views are rebuilt from the log
}

func (s *session) announce(h home, d started) error {
	if s.printer.Format != out.Table {
		return s.printer.Line(d)
	}
	g := out.Grid{Columns: out.Columns("REGION", "KAFKA", "REDIS")}
	for _, r := range d.Regions {
		g.Add(out.Text(r.Name, strings.Join(r.Kafka, ","), r.Redis)...)
	}
	if err := s.printer.Grid(g); err != nil {
		return err
	}
	p := s.printer
	p.Printf("\nregistry  %s\napi       %s\ndata      %s\n", d.Registry, d.API, d.Data)
	if h.fresh {
		p.Printf("token     %s   (for writes over HTTP; kept in the data directory)\n", h.token)
	} else {
		p.Printf("token     in %s   (for writes over HTTP)\n", datadir.TokenFile(d.Data))
	}
	p.Printf("\nready after %s. ", out.Duration(time.Duration(d.ReadyMS)*time.Millisecond))
	if d.Rebuilding {
		p.Printf("The views are being rebuilt from the log: reads wait (geokv status). ")
	}
	p.Printf("In another terminal:\n")
	name, flags := s.program(), s.locationFlags()
	region := d.Regions[len(d.Regions)/2].Name
	for _, line := range []string{
		"produce incr sales:total 1 --region " + region + " --wait-all", "get sales:total --region all", "tail", "status --watch",
	} {
		p.Printf("  %s %s%s\n", name, line, flags)
	}
	p.Printf("\nCtrl-C ends.\n")
	return nil
}
