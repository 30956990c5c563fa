package cli

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

type getOptions struct {
	region  string
	after   string
	timeout time.Duration
	limit   int
}

func newGet(s *session) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Read a key in one region, or in all side by side",
		Long: `Read a key. With --region all every region is read and compared: same, pending
(a region has events still to apply), or different.

--after RECEIPT waits until the region has that write: what you wrote in one
region you can then read in any other.`,
		Example: `  geokv get sales:total
  geokv get sales:total --region all
  geokv get session:42 --region ap --after "$(geokv produce set session:42 open -o json)"
  geokv get orders:feed --limit 20 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.get(cmd.Context(), o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.region, "region", "r", "", "region to read, or all (default: the first)")
	f.StringVar(&o.after, "after", "", "wait for this write first: a receipt as produce prints it, or @FILE with one")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long --after waits")
	f.IntVar(&o.limit, "limit", 1000, "most elements of a container to read")
	s.completeRegions(cmd, "region")
	cmd.ValidArgsFunction = s.completeKeys
	return group("data", cmd)
}

func (s *session) get(ctx context.Context, o getOptions, key string) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	b, err := s.connect(ctx, need{})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	regions := chosen(o.region, b.Regions())
	if err := o.waitFor(ctx, b, regions); err != nil {
		return err
	}
	q := api.KeyQuery{Key: []byte(key), Limit: o.limit}
	if o.region == allRegions {
		return s.getEverywhere(ctx, b, q)
	}
	q.Region = regions[0]
	page, err := b.Key(ctx, q)
	if err != nil {
		return err
	}
	if page.View.Type == crdt.None && s.printer.Format == out.Table {
		return s.missing(key, page)
	}
	if err := s.printer.Result(page.View, func() out.Grid { return viewGrid(page.View) }); err != nil {
		return err
	}
	return s.missing(key, page)
}

const allRegions = "all"

// chosen names the regions that --region means.
func chosen(flag string, known []string) []string {
	switch flag {
	case "":
		return known[:1]
	case allRegions:
		return known
	}
	return []string{flag}
}

func (o getOptions) waitFor(ctx context.Context, b backend, regions []string) error {
	if o.after == "" {
		return nil
	}
	receipt, err := readReceipt(o.after)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read --after").WithHint("give what produce printed under RECEIPT, or its JSON")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	_, err = b.Await(ctx, receipt, regions)
	return err
}

// readReceipt reads a receipt's JSON or token, or the file that holds one.
func readReceipt(text string) (event.Receipt, error) {
	if path, isFile := strings.CutPrefix(text, "@"); isFile {
		content, err := os.ReadFile(path)
		if err != nil {
			return event.Receipt{}, err
		}
		text = string(content)
	}
	return event.ParseReceipt(text)
}

// missing makes a key without a value a status of its own, for scripts.
func (s *session) missing(key string, page api.KeyPage) error {
	if page.View.Type != crdt.None {
		if page.Next != "" {
			s.printer.Note("%s has %s elements; --limit shows more", out.Safe(key), out.Count(page.Total))
		}
		return nil
	}
	return fail.New(fail.NotFound, "key %q has no value in region %s", key, page.Region)
}

// comparison is one key over all regions.
type comparison struct {
	Key     event.Bytes    `json:"key"`
	Verdict string         `json:"verdict"` // same, pending or different
	Regions []regionAnswer `json:"regions"`
}

type regionAnswer struct {
	Region  string           `json:"region"`
	Verdict string           `json:"verdict"` // same, pending, different or unavailable
	View    *crdt.View       `json:"view,omitempty"`
	Error   *api.ErrorDetail `json:"error,omitempty"`
}

const (
	verdictSame        = "same"
	verdictPending     = "pending"
	verdictDifferent   = "different"
	verdictUnavailable = "unavailable"
)

func (s *session) getEverywhere(ctx context.Context, b backend, q api.KeyQuery) error {
	answers := make([]regionAnswer, len(b.Regions()))
	var group sync.WaitGroup
	for i, region := range b.Regions() {
		group.Go(func() {
			at := q
			at.Region = region
			answers[i] = answerOf(b.Key(ctx, at))
			answers[i].Region = region
		})
	}
	group.Wait()
	c := comparison{Key: q.Key, Regions: answers}
	if err := c.judge(ctx, b); err != nil {
		return err
	}
	if err := s.printer.Result(c, func() out.Grid { return comparisonGrid(c) }); err != nil {
		return err
	}
	return c.problem()
}

func answerOf(page api.KeyPage, err error) regionAnswer {
	if err != nil {
		detail := api.ErrorOf(err).Error
		return regionAnswer{Error: &detail, Verdict: verdictUnavailable}
	}
	return regionAnswer{View: &page.View}
}

// judge compares every answer with the first. A difference is pending while any
// region has events still to come, otherwise it is real.
func (c *comparison) judge(ctx context.Context, b backend) error {
	c.Verdict = verdictSame
	difference := ""
	var first *crdt.View
	for i := range c.Regions {
		a := &c.Regions[i]
		switch {
		case a.View == nil:
			if c.Verdict == verdictSame {
				c.Verdict = verdictUnavailable
			}
		case first == nil || a.View.Equal(*first):
			a.Verdict = verdictSame
			first = a.View
		default:
			if difference == "" {
				report, err := b.Status(ctx)
				if err != nil {
					return err
				}
				difference = verdictPending
				if report.Converged {
					difference = verdictDifferent
				}
			}
			a.Verdict, c.Verdict = difference, difference
		}
	}
	return nil
}

func (c comparison) problem() error {
	holds := slices.ContainsFunc(c.Regions, func(a regionAnswer) bool { return a.View != nil && a.View.Type != crdt.None })
	switch {
	case c.Verdict == verdictDifferent:
		return fail.New(fail.Diverged, "key %q differs between regions that applied the same events", string(c.Key))
	case c.Verdict == verdictPending:
		return fail.New(fail.Diverged, "key %q differs: events are still on their way", string(c.Key)).
			WithHint("geokv status shows what each region has yet to apply")
	case c.Verdict == verdictUnavailable:
		return errors.Join(c.unavailable()...)
	case !holds:
		return fail.New(fail.NotFound, "key %q has no value in any region", string(c.Key))
	}
	return nil
}

func (c comparison) unavailable() []error {
	var failures []error
	for _, a := range c.Regions {
		if a.Error != nil {
			failures = append(failures, a.Error.Fail())
		}
	}
	return failures
}

func comparisonGrid(c comparison) out.Grid {
	g := out.Grid{Columns: out.Columns("REGION", "TYPE", "VALUE~", "VERDICT")}
	for _, a := range c.Regions {
		verdict := out.Cell{Text: a.Verdict, Role: verdictRole(a.Verdict)}
		if a.View == nil {
			g.Add(out.Cell{Text: a.Region}, out.Cell{Text: "-"}, out.Cell{Text: a.Error.Message}, verdict)
			continue
		}
		g.Add(out.Cell{Text: a.Region}, out.Cell{Text: a.View.Type.String()}, out.Cell{Text: valueText(a.View.Value)}, verdict)
	}
	return g
}

func verdictRole(verdict string) out.Role {
	switch verdict {
	case verdictSame:
		return out.Good
	case verdictPending:
		return out.Warn
	}
	return out.Bad
}

// valueText renders a value on one line.
func valueText(v crdt.Value) string {
	var parts []string
	switch v.Type {
	case crdt.String:
		return string(v.String)
	case crdt.Set:
		for _, m := range v.Members {
			parts = append(parts, string(m))
		}
	case crdt.ZSet:
		for _, m := range v.Scored {
			parts = append(parts, string(m.Member)+" "+event.FormatScore(m.Score))
		}
	case crdt.Hash:
		for _, f := range v.Fields {
			parts = append(parts, string(f.Field)+"="+string(f.Value))
		}
	case crdt.Stream:
		for _, e := range v.Entries {
			parts = append(parts, e.ID.String()+" "+fieldsText(e.Fields))
		}
	default:
		return "-"
	}
	return strings.Join(parts, ", ")
}

func fieldsText(fields []event.FieldValue) string {
	pairs := make([]string, len(fields))
	for i, f := range fields {
		pairs[i] = string(f.Field) + "=" + string(f.Value)
	}
	return strings.Join(pairs, " ")
}

// viewGrid shows a value with one row per element.
func viewGrid(v crdt.View) out.Grid {
	var g out.Grid
	switch v.Type {
	case crdt.String:
		g.Columns = out.Columns("VALUE")
		g.Add(out.Text(string(v.String))...)
	case crdt.Set:
		g.Columns = out.Columns("MEMBER")
		for _, m := range v.Members {
			g.Add(out.Text(string(m))...)
		}
	case crdt.ZSet:
		g.Columns = out.Columns(">SCORE", "MEMBER")
		for _, m := range v.Scored {
			g.Add(out.Text(event.FormatScore(m.Score), string(m.Member))...)
		}
	case crdt.Hash:
		g.Columns = out.Columns("FIELD", "VALUE")
		for _, f := range v.Fields {
			g.Add(out.Text(string(f.Field), string(f.Value))...)
		}
	case crdt.Stream:
		g.Columns = out.Columns("ID", "FIELDS")
		for _, e := range v.Entries {
			g.Add(out.Text(e.ID.String(), fieldsText(e.Fields))...)
		}
	default:
		g.Columns = out.Columns("VALUE")
	}
	return g
}
