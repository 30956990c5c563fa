package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/fold"
	"github.com/geokv/geokv/internal/out"
)

type foldOptions struct {
	engine string
	redis  string
	db     int
	now    int64
	chunk  int
}

func newFold(s *session) *cobra.Command {
	var o foldOptions
	cmd := &cobra.Command{
		Use:   "fold",
		Short: "Turn events into the views they amount to, without a cluster",
		Long: `Read events as JSON lines on standard input, as tail -o jsonl prints them, in any
order and with repeats, and print the resulting view of each key as one line of
JSON, in byte order of key. Keys that show nothing are left out.

--engine model computes the views by the reference model; --engine redis by the
scripts that materializers use, in database --db of the Redis at --redis. That
database must be empty; it is emptied again at the end. Both print the same.

A line that is no acceptable event is named on stderr with the reason; the others
are folded, and the exit status is 1. A line that only a newer version
understands stops the fold: without it every view could be wrong.`,
		Example: `  geokv tail --since beginning --exit -o jsonl | geokv fold
  geokv fold --now 1800000000000 < events.jsonl
  geokv fold --engine redis --redis redis://127.0.0.1:6379 --db 9 --chunk 7 < events.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.fold(cmd.Context(), o, cmd.Flags().Changed) },
	}
	f := cmd.Flags()
	f.StringVar(&o.engine, "engine", "model", "what folds: model, or redis for the scripts")
	f.StringVar(&o.redis, "redis", "", "with --engine redis: the server, redis://[user:password@]host:port")
	f.IntVar(&o.db, "db", -1, "with --engine redis: number of an empty scratch database")
	f.Int64Var(&o.now, "now", 0, "read as of this time, Unix milliseconds (default: the present)")
	f.IntVar(&o.chunk, "chunk", 0, "events per batch, 1 or more (default: as suits the engine); the result is the same")
	return group("other", cmd)
}

func (s *session) fold(ctx context.Context, o foldOptions, given func(flag string) bool) (err error) {
	if err := s.formats(out.Table, out.JSON, out.JSONL); err != nil {
		return err
	}
	if !given("now") {
		o.now = time.Now().UnixMilli()
	}
	if given("chunk") && o.chunk < 1 {
		return fail.New(fail.Usage, "--chunk %d, want 1 or more", o.chunk)
	}
	engine, end, err := o.open(ctx, given)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	sum, err := fold.Run(ctx, interruptible(ctx, s.env.In), s.env.Out, fold.Options{
		Engine: engine, Now: o.now, Chunk: o.chunk, Rejected: s.nameRejected,
	})
	if block := (*fold.BlockError)(nil); errors.As(err, &block) {
		return fail.Wrap(fail.Internal, err, "fold events").WithHint("upgrade geokv: a newer version wrote this event")
	}
	if err == nil && sum.Rejected > 0 {
		err = &out.PartlyDone{Err: fail.New(fail.Rejected, "%d of %d lines were rejected", sum.Rejected, sum.Lines).
			WithHint("they are named above; every region leaves out the same ones")}
	}
	return err
}

// open makes the engine, and what gives it back.
func (o foldOptions) open(ctx context.Context, given func(string) bool) (fold.Engine, func() error, error) {
	switch {
	case o.engine != "model" && o.engine != "redis":
		return nil, nil, fail.New(fail.Usage, "--engine %q, want model or redis", o.engine)
	case o.engine == "model" && (given("redis") || given("db")):
		return nil, nil, fail.New(fail.Usage, "--redis and --db belong to --engine redis")
	case o.engine == "model":
		return fold.Model(), func() error { return nil }, nil
	case o.redis == "" || o.db < 0:
		return nil, nil, fail.New(fail.Usage, "--engine redis needs --redis URL and --db NUMBER").
			WithHint("the database must be empty, e.g. --redis redis://127.0.0.1:6379 --db 9")
	}
	r, err := fold.OpenRedis(ctx, o.redis, o.db)
	if err != nil {
		return nil, nil, err
	}
	return r, func() error { // an interrupted fold cleans up too
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return r.Close(ctx)
	}, nil
}

func (s *session) nameRejected(line int, err error) {
	if reject := event.AsReject(err); reject != nil {
		s.printer.Note("line %d: REJECT %s: %s", line, reject.Reason, out.Safe(reject.Detail))
	}
}
