package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/wal"
)

type topicsOptions struct {
	wal.TopicOptions
	wait time.Duration
}

func newTopics(s *session) *cobra.Command {
	var o topicsOptions
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Create the event topics of every region and check their settings",
		Long: `Create every region's event topics on every region's Kafka where they are missing,
with the settings that keep events: 12 partitions, no retention, no compaction, the
timestamp bound on the region's own topic. A topic that exists and would lose data
is refused with what is wrong; --repair sets right what can be without loss.

geokv serve, materialize and up do the same at their start, without --repair.`,
		Example: `  geokv topics --config geokv.yaml
  geokv topics --replication 3 --min-isr 2
  geokv topics --repair -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.topics(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.Replication, "replication", 0, "replication factor of new topics (0: the broker's default)")
	f.IntVar(&o.MinISR, "min-isr", 0, "min.insync.replicas (0: the broker's default)")
	f.BoolVar(&o.Repair, "repair", false, "set existing topics right where nothing is lost by it")
	f.DurationVar(&o.wait, "wait", 30*time.Second, "how long to wait for brokers")
	return group("other", cmd)
}

func (s *session) topics(ctx context.Context, o topicsOptions) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	cluster, err := s.anyCluster("topics", hintNameCluster)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	regions, failed := app.EnsureTopics(ctx, cluster, o.TopicOptions, s.log)
	if err := s.printer.Result(regions, func() out.Grid { return topicsGrid(regions) }); err != nil {
		return err
	}
	if failed != nil && ctx.Err() != nil && fail.CodeOf(failed) == fail.Internal {
		return fail.Wrap(fail.Timeout, failed, "wait for the brokers").WithHint("are they running? geokv status")
	}
	return failed
}

func topicsGrid(regions []app.RegionTopics) out.Grid {
	g := out.Grid{Columns: []out.Column{{Name: "REGION"}, {Name: "TOPIC"}, {Name: "SETTING"}, {Name: "IS"}, {Name: "SHOULD BE"}, {Name: "LOSES"}}}
	for _, r := range regions {
		switch {
		case r.Problem != "":
			g.Add(out.Text(r.Region, "all", "all", "unknown", "right", "-")...)
		case len(r.Findings) == 0:
			g.Add(out.Text(r.Region, "all", "all", "right", "right", "-")...)
		}
		for _, f := range r.Findings {
			g.Add(out.Text(r.Region, f.Topic, f.Setting, f.Got, f.Want, f.Loses)...)
		}
	}
	return g
}
