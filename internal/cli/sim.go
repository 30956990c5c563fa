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
	"github.com/geokv/geokv/internal/sim"
)

func newSim(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulated traffic: a shop with purchases, carts, restocks and races",
		Long:  "Make the traffic of a shop in the running cluster.\n\nOf a hundred steps are: " + simMix() + ".",
		Example: `  geokv sim start --rate 50
  geokv sim status
  geokv sim rate 500
  geokv sim stop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSimStart(s), newSimStatus(s), newSimStop(s), newSimRate(s), newSimRun(s))
	return group("run", cmd)
}

// simMix tells what the steps are made of.
func simMix() string {
	var shares []string
	for _, share := range sim.Mix() {
		shares = append(shares, fmt.Sprintf("%s %d", share.Kind, share.Percent))
	}
	return strings.Join(shares, ", ")
}

func newSimStart(s *session) *cobra.Command {
	var start api.SimStart
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the simulator of the running cluster",
		Example: `  geokv sim start --rate 50
  geokv sim start --rate 200 --seed 7 --regions us,eu`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkRate("--rate", start.Rate); err != nil {
				return err
			}
			return s.onServer(cmd.Context(), func(ctx context.Context, r *remote) (api.Sim, error) { return r.StartSim(ctx, start) })
		},
	}
	s.simFlags(cmd, &start)
	return cmd
}

// checkRate refuses a rate that the simulator would, before anything is done on
// its account.
func checkRate(flag string, rate float64) error {
	if rate > 0 && rate <= sim.Max {
		return nil
	}
	return fail.New(fail.Usage, "%s %g, want more than 0 and at most %.0f steps per second", flag, rate, sim.Max)
}

func (s *session) simFlags(cmd *cobra.Command, start *api.SimStart) {
	cmd.Flags().Float64Var(&start.Rate, "rate", 20, "steps per second over all regions")
	cmd.Flags().Uint64Var(&start.Seed, "seed", 0, "repeat the run of this seed (0: choose one)")
	cmd.Flags().StringSliceVar(&start.Regions, "regions", nil, "regions that take part (default: all)")
	s.completeRegions(cmd, "regions")
}

func newSimStatus(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show whether it runs, at which rate, and what it did",
		Example: `  geokv sim status
  geokv sim status -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.simStatus(cmd.Context()) },
	}
}

func (s *session) simStatus(ctx context.Context) error {
	return s.onServer(ctx, func(ctx context.Context, r *remote) (api.Sim, error) { return r.Sim(ctx) })
}

func newSimStop(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop it and show what it did",
		Example: `  geokv sim stop
  geokv sim stop -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.onServer(cmd.Context(), func(ctx context.Context, r *remote) (api.Sim, error) { return r.StopSim(ctx) })
		},
	}
}

func newSimRate(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "rate [STEPS_PER_SECOND]",
		Short: "Show or change its rate without a restart",
		Example: `  geokv sim rate
  geokv sim rate 500`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return s.simStatus(cmd.Context())
			}
			rate, err := strconv.ParseFloat(args[0], 64)
			if err != nil {
				return fail.New(fail.Usage, "rate %q: want steps per second, such as 50", args[0])
			}
			if err := checkRate("rate", rate); err != nil {
				return err
			}
			return s.onServer(cmd.Context(), func(ctx context.Context, r *remote) (api.Sim, error) { return r.SetSimRate(ctx, rate) })
		},
	}
}

func newSimRun(s *session) *cobra.Command {
	var start api.SimStart
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run it for a time, then wait until the regions agree",
		Example: `  geokv sim run --for 10s --rate 100
  geokv sim run --for 1m --rate 500 --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.simRun(cmd.Context(), start, length) },
	}
	s.simFlags(cmd, &start)
	cmd.Flags().DurationVar(&length, "for", 10*time.Second, "how long to make traffic")
	return cmd
}

// onServer runs one call against the running server and prints the simulator's
// state.
func (s *session) onServer(ctx context.Context, call func(context.Context, *remote) (api.Sim, error)) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	r, err := s.connectServer(ctx, "control the simulator")
	if err != nil {
		return err
	}
	defer s.disconnect(r)
	state, err := call(ctx, r)
	if err != nil {
		return err
	}
	return s.printSim(state)
}

func (s *session) connectServer(ctx context.Context, what string) (*remote, error) {
	b, err := s.connect(ctx, need{})
	if err != nil {
		return nil, err
	}
	r, ok := b.(*remote)
	if !ok {
		s.disconnect(b)
		return nil, needsServer(what)
	}
	return r, nil
}

func (s *session) simRun(ctx context.Context, start api.SimStart, length time.Duration) error {
	if length <= 0 {
		return fail.New(fail.Usage, "--for %v, want more than 0", length)
	}
	if err := checkRate("--rate", start.Rate); err != nil {
		return err
	}
	r, err := s.connectServer(ctx, "run the simulator")
	if err != nil {
		return err
	}
	defer s.disconnect(r)
	if _, err := r.StartSim(ctx, start); err != nil {
		return err
	}
	interrupted := !pause.For(ctx, length)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	state, err := r.StopSim(stopping)
	if err != nil {
		return err
	}
	if err := s.printSim(state); err != nil {
		return err
	}
	if interrupted {
		return ctx.Err()
	}
	stopped := time.Now()
	if _, err := awaitConverged(ctx, r, 100*time.Millisecond, time.Minute); err != nil {
		return err
	}
	s.printer.Note("all regions hold the same events after %s", out.Duration(time.Since(stopped)))
	return nil
}

func (s *session) printSim(state api.Sim) error {
	return s.printer.Result(state, func() out.Grid {
		g := out.Grid{Columns: out.Columns("STATE", ">RATE", ">SEED", ">STEPS", ">PRODUCED", ">FAILED", ">UNKNOWN", "LAST ERROR~")}
		running := out.Cell{Text: "stopped", Role: out.Dim}
		if state.Running {
			running = out.Cell{Text: "running", Role: out.Good}
		}
		g.Add(running,
			out.Cell{Text: strconv.FormatFloat(state.Rate, 'f', -1, 64)}, out.Cell{Text: strconv.FormatUint(state.Seed, 10)},
			out.Cell{Text: strconv.FormatUint(state.Steps, 10)}, out.Cell{Text: strconv.FormatUint(state.Produced, 10)},
			out.Cell{Text: strconv.FormatUint(state.Failed, 10)}, out.Cell{Text: strconv.FormatUint(state.Unknown, 10)},
			out.Cell{Text: state.Error})
		return g
	})
}
