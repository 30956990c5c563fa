package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/pause"
)

type statusOptions struct {
	watch    bool
	interval time.Duration
	until    string
	timeout  time.Duration
}

const untilConverged = "converged"

func newStatus(s *session) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What each region has, lacks and complains about",
		Long: `Show per region: end offsets, applied positions, lag per origin in events and
time, what mirrors have yet to bring, keys, clock, alarms; and each mirror flow.
APPLIED/END has the position per origin, and the log's end where it is not there.

--until converged returns when every region holds every event.`,
		Example: `  geokv status
  geokv status --watch
  geokv status --until converged --timeout 60s
  geokv status -o json | jq '.regions[] | {name, redis, lag_events}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.status(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.watch, "watch", "w", false, "repeat until interrupted; a cluster that goes away is waited for")
	f.DurationVar(&o.interval, "interval", time.Second, "how often --watch and --until look")
	f.StringVar(&o.until, "until", "", "return when the cluster is: converged")
	f.DurationVar(&o.timeout, "timeout", 60*time.Second, "how long --until waits")
	_ = cmd.RegisterFlagCompletionFunc("until", cobra.FixedCompletions([]string{untilConverged}, cobra.ShellCompDirectiveNoFileComp))
	return group("watch", cmd)
}

func (o statusOptions) validate() error {
	switch {
	case o.until != "" && o.until != untilConverged:
		return fail.New(fail.Usage, "--until %q: want %s", o.until, untilConverged)
	case o.interval < 10*time.Millisecond:
		return fail.New(fail.Usage, "--interval %v, want 10ms or more", o.interval)
	}
	return nil
}

func (s *session) status(ctx context.Context, o statusOptions) error {
	if err := s.formats(out.Table, out.JSON, out.JSONL); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	b, err := s.connect(ctx, need{})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	switch {
	case o.until != "":
		return s.statusUntil(ctx, b, o)
	case o.watch:
		return s.statusWatch(ctx, b, o)
	}
	report, err := b.Status(ctx)
	if err != nil {
		return err
	}
	return s.printReport(report)
}

// statusWatch shows one report after the other, and waits for a server that goes
// away.
func (s *session) statusWatch(ctx context.Context, b backend, o statusOptions) error {
	ask := b.Status
	if r, isRemote := b.(*remote); isRemote {
		ask = func(ctx context.Context) (api.Report, error) { return r.StatusWhenBack(ctx, o.interval) }
	}
	for {
		report, err := ask(ctx)
		if err != nil {
			return err
		}
		if s.printer.TTY && s.printer.Format == out.Table {
			s.printer.Printf("\x1b[H\x1b[2J")
		}
		if s.printer.Format == out.JSON { // a stream is lines
			err = s.printer.Line(report)
		} else {
			err = s.printReport(report)
		}
		if err != nil {
			return err
		}
		if !pause.For(ctx, o.interval) {
			return ctx.Err()
		}
	}
}

func (s *session) statusUntil(ctx context.Context, b backend, o statusOptions) error {
	last, err := awaitConverged(ctx, b, o.interval, o.timeout)
	if err != nil && fail.CodeOf(err) != fail.Diverged {
		return err
	}
	if err := s.printReport(last); err != nil {
		return err
	}
	return err
}

// awaitConverged looks until every region holds every event. It returns the last
// report; with an error of code Diverged when time ran out before.
func awaitConverged(ctx context.Context, b backend, every, timeout time.Duration) (last api.Report, err error) {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		report, err := b.Status(waiting)
		switch {
		case err == nil && report.Converged:
			return report, nil
		case err == nil:
			last = report
		case waiting.Err() == nil:
			return last, err
		}
		if !pause.For(waiting, every) {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return last, ctx.Err()
	case last.AtMS == 0:
		return last, fail.New(fail.Timeout, "no report of the cluster within %v", timeout).
			WithHint("geokv status --until converged --timeout waits longer")
	}
	return last, fail.New(fail.Diverged, "regions have not converged within %v", timeout).
		WithHint("geokv status shows which region lacks what")
}

func (s *session) printReport(r api.Report) error {
	if s.printer.Format != out.Table {
		return s.printer.Result(r, nil)
	}
	for _, g := range []out.Grid{regionsGrid(r), partsGrid(r), flowsGrid(r)} {
		if err := s.printer.Grid(g); err != nil {
			return err
		}
		s.printer.Printf("\n")
	}
	s.printAlarms(r)
	s.printer.Printf("%s   registry %s   api %s\n", convergedText(s.printer, r), out.Safe(r.Registry), out.Safe(r.API))
	return nil
}

func convergedText(p *out.Printer, r api.Report) string {
	if r.Converged {
		return p.Style(out.Good, "converged")
	}
	return p.Style(out.Warn, "not converged")
}

func regionsGrid(r api.Report) out.Grid {
	g := out.Grid{Columns: out.Columns("REGION", "STATE", ">KEYS", ">LAG", ">LAG TIME", ">GAP", "APPLIED/END~")}
	for _, region := range r.Regions {
		g.Add(
			out.Cell{Text: region.Name},
			out.Cell{Text: stateText(region), Role: stateRole(region.State)},
			out.Cell{Text: countText(region.Keys)},
			out.Cell{Text: countText(lagOf(region))},
			out.Cell{Text: lagText(region)},
			out.Cell{Text: countText(mirrorGap(region))},
			out.Cell{Text: originsText(region)},
		)
	}
	return g
}

// partsGrid has the addresses apart from the numbers: a terminal of 80 columns
// has room for one of the two.
func partsGrid(r api.Report) out.Grid {
	g := out.Grid{Columns: out.Columns("REGION", "KAFKA~", "REDIS~", "DETAIL~")}
	for _, region := range r.Regions {
		g.Add(out.Text(region.Name, strings.Join(region.Kafka, ","), region.Redis, region.Detail)...)
	}
	return g
}

func stateText(r api.RegionReport) string {
	if r.State == api.StateRebuilding {
		return fmt.Sprintf("%s %.0f%%", r.State, r.RebuildPercent)
	}
	return string(r.State)
}

func stateRole(s api.State) out.Role {
	switch s {
	case api.StateUp:
		return out.Good
	case api.StateCut, api.StateRebuilding:
		return out.Warn
	}
	return out.Bad
}

// originsText has one number for a log that is applied to its end.
func originsText(r api.RegionReport) string {
	parts := make([]string, len(r.Origins))
	for i, o := range r.Origins {
		parts[i] = fmt.Sprintf("%s %d", o.Origin, o.Applied)
		if o.Applied != o.End {
			parts[i] += fmt.Sprintf("/%d", o.End)
		}
	}
	return strings.Join(parts, "  ")
}

// lagOf is what a region has to apply; one that does not answer lists no origins.
func lagOf(r api.RegionReport) int64 {
	if len(r.Origins) == 0 {
		return api.Unknown
	}
	return r.LagEvents
}

func lagText(r api.RegionReport) string {
	if len(r.Origins) == 0 {
		return "-"
	}
	return out.Millis(r.LagMS)
}

// mirrorGap sums what a region's origins have and it has not.
func mirrorGap(r api.RegionReport) int64 {
	if len(r.Origins) == 0 {
		return api.Unknown // it does not answer
	}
	var gap int64
	for _, o := range r.Origins {
		if o.MirrorGap == api.Unknown {
			return api.Unknown
		}
		gap += o.MirrorGap
	}
	return gap
}

func countText(n int64) string {
	if n == api.Unknown {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func flowsGrid(r api.Report) out.Grid {
	g := out.Grid{Columns: out.Columns("FLOW", "STATE", ">DELAY", ">GAP", "~")}
	for _, f := range r.Flows {
		role := out.Good
		if f.State != api.FlowUp && f.State != api.FlowExternal {
			role = out.Warn
		}
		g.Add(out.Cell{Text: f.From + "->" + f.To}, out.Cell{Text: string(f.State), Role: role},
			out.Cell{Text: out.Millis(f.DelayMS)}, out.Cell{Text: countText(f.GapEvents)}, out.Cell{Text: f.Detail})
	}
	return g
}

func (s *session) printAlarms(r api.Report) {
	for _, region := range r.Regions {
		for _, a := range region.Alarms {
			s.printer.Printf("%s %s in %s (%d times): %s", s.printer.Style(out.Bad, "alarm"), a.Code, region.Name, a.Count, out.Safe(a.Message))
			if a.Hint != "" {
				s.printer.Printf("\n  hint: %s", out.Safe(a.Hint))
			}
			s.printer.Printf("\n\n")
		}
		for _, o := range region.Origins {
			for _, h := range o.Holes {
				s.printer.Printf("%s in %s: events of %s, partition %d, lane %s, seq %s were never delivered\n\n",
					s.printer.Style(out.Bad, "hole"), region.Name, o.Origin, h.Partition, h.Lane, h.Seqs)
			}
		}
	}
}
