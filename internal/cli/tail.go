package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/filter"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/timeline"
)

type tailOptions struct {
	since  string
	until  string
	last   int
	exit   bool
	filter string
	format string
	settle time.Duration
}

func newTail(s *session) *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail [FILTER]",
		Short: "Follow the event log, and where each event has been seen and applied",
		Long: `Print one line per event, with the regions on whose Kafka it has been seen and in
whose view it has been applied. An event is printed when every region has applied
it, at the latest --settle after it was first seen.

SEEN and APPLIED name those regions, .. stands for one that is still to come, and
-- for what the log does not tell of an event read from it (--since, -n, --exit).

-o jsonl prints the events themselves, at once; --exit stops at the end of the log.
What a slow reader could not be given is counted on stderr.

FILTER: words in key, operation, origin, id or argument; key: op: origin: id:
pick one of them, /.../ is a regular expression, slow:>100ms, ! the opposite.`,
		Example: `  geokv tail
  geokv tail 'key:inventory !op:=set'
  geokv tail --since 5m --exit -o jsonl
  geokv tail -n 20 -f '%t %r %op %k %lag\n'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("last") && o.last < 1 {
				return fail.New(fail.Usage, "-n %d, want 1 or more", o.last)
			}
			return s.tail(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "start here: a duration ago (5m), a time (RFC 3339 or Unix milliseconds), or beginning")
	f.StringVar(&o.until, "until", "", "stop before this time, given as for --since; implies --exit")
	f.IntVarP(&o.last, "last", "n", 0, "start with the last n events that FILTER chooses")
	f.BoolVar(&o.exit, "exit", false, "stop at the end of the log")
	f.StringVarP(&o.format, "format", "f", "", "print with a template, e.g. '%r %k %op %lag\\n' (geokv help formats)")
	f.DurationVar(&o.settle, "settle", time.Second, "how long an event may wait for its last region before it is printed")
	return group("watch", cmd)
}

// tailPlan is what the options mean.
type tailPlan struct {
	query    api.LogQuery
	history  bool // read the logs first
	live     bool // then follow
	last     int  // of the history only so many, the newest that the filter chooses; 0 all
	filter   filter.Filter
	template *out.Template
	settle   time.Duration
}

func (o tailOptions) plan(now time.Time, words []string) (p tailPlan, err error) {
	p = tailPlan{live: !o.exit && o.until == "", settle: o.settle}
	if p.filter, err = filter.Parse(strings.Join(words, " ")); err != nil {
		return p, fail.Wrap(fail.Usage, err, "read the filter")
	}
	if o.format != "" {
		t, err := out.ParseTemplate(o.format, tailTokens())
		if err != nil {
			return p, err
		}
		p.template = &t
	}
	if p.query.SinceMS, err = when(o.since, now); err != nil {
		return p, fail.Wrap(fail.Usage, err, "read --since")
	}
	if p.query.UntilMS, err = when(o.until, now); err != nil {
		return p, fail.Wrap(fail.Usage, err, "read --until")
	}
	if o.since != "" && o.until != "" && p.query.UntilMS <= p.query.SinceMS {
		return p, fail.New(fail.Usage, "--until %s is not after --since %s", o.until, o.since)
	}
	if p.last = o.last; p.filter.Empty() {
		p.query.Limit = o.last // the servers need not read more
	}
	p.history = o.since != "" || o.last > 0 || !p.live
	return p, nil
}

func (s *session) tail(ctx context.Context, o tailOptions, words []string) error {
	if err := s.formats(out.Table, out.JSON, out.JSONL); err != nil {
		return err
	}
	if o.format != "" && s.printer.Format != out.Table {
		return fail.New(fail.Usage, "-f says how to print, and so does -o %s: give one of them", s.printer.Format)
	}
	plan, err := o.plan(time.Now(), words)
	if err != nil {
		return err
	}
	b, err := s.connect(ctx, need{observe: plan.live})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	for _, note := range hopeless(plan.filter, b.Regions()) {
		s.printer.Note("%s", out.Safe(note))
	}
	rows := newTailRows(s.printer, plan, b.Regions())
	if !plan.live {
		return rows.fromLog(ctx, b)
	}
	return s.follow(ctx, b, rows)
}

// follow subscribes first and reads the logs then, so that no event falls
// between; what both have is shown once.
func (s *session) follow(ctx context.Context, b backend, rows *tailRows) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	heard := newBacklog(backlogBytes)
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- b.Follow(ctx, func() { closeOnce(ready) }, heard.put) }()
	select {
	case <-ready:
	case err := <-ended:
		return errors.Join(err, context.Cause(ctx))
	}
	if rows.plan.history {
		if err := rows.fromLog(ctx, b); err != nil {
			return err
		}
	}
	return rows.live(ctx, heard, ended)
}

// closeOnce closes a channel that a reconnect may close again.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// fromLog prints the events that are in the logs now.
func (t *tailRows) fromLog(ctx context.Context, b backend) error {
	if t.plan.last == 0 || t.plan.filter.Empty() {
		return b.Log(ctx, t.plan.query, t.history)
	}
	var newest []api.Observation
	err := b.Log(ctx, t.plan.query, func(o api.Observation) error {
		if t.plan.live {
			t.printed.Add(timeline.KeyOf(o))
		}
		if t.plan.filter.Match(subjectOf(timeline.NewRow(o))) {
			newest = append(newest, o)
		}
		if len(newest) > t.plan.last {
			newest[0] = api.Observation{} // let its value go now, not when the array grows
			newest = newest[1:]
		}
		return nil
	})
	for _, o := range newest {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.history(o); err != nil {
			return err
		}
	}
	return err
}

// lastWords is how long tail prints on, at most, when it is told to end: what
// waits may be more than a slow terminal shows in minutes.
const lastWords = 250 * time.Millisecond

// live prints events as their regions report them, until ctx ends.
func (t *tailRows) live(ctx context.Context, heard *backlog, ended <-chan error) error {
	printing, stop := outlast(ctx, lastWords)
	defer stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-heard.news:
			err = t.hear(printing, heard)
		case now := <-tick.C:
			err = t.overdue(printing, now)
		case err = <-ended:
			return errors.Join(err, context.Cause(ctx), t.leave(printing, heard))
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), t.leave(printing, heard))
		}
		if err != nil {
			return err
		}
	}
}

// hear joins what was observed meanwhile, and tells how much was not. That may
// take long, so what became overdue is printed in between.
func (t *tailRows) hear(ctx context.Context, heard *backlog) error {
	observations, lost := heard.take()
	if lost > 0 {
		t.printer.Note("%d %s lost on the way, so events may be missing here; geokv tail --since reads them from the log", lost, plural(int(lost), "observation"))
	}
	var now time.Time
	for i, o := range observations {
		if ctx.Err() != nil {
			t.unheard += len(observations) - i
			return nil
		}
		if i%256 == 0 {
			now = time.Now()
			if err := t.overdue(ctx, now); err != nil {
				return err
			}
		}
		if err := t.observe(o, now); err != nil {
			return err
		}
	}
	return nil
}

// leave prints what is left until ctx ends, and counts what is not printed then.
func (t *tailRows) leave(ctx context.Context, heard *backlog) error {
	if err := t.hear(ctx, heard); err != nil {
		return err
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	left := t.unheard
	for _, w := range t.waiting {
		if !t.printed.Has(timeline.KeyOf(w.first)) {
			left++
		}
	}
	if left > 0 {
		t.printer.Note("%d %s not printed any more; geokv tail --since reads them from the log", left, plural(left, "observation"))
	}
	return nil
}
