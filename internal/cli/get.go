package cli

import (
	"context"
	"os"
	"strings"
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
	cursor  string
	raw     bool
}

func newGet(s *session) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Read a key in one region, or in all side by side",
		Long: `Read a key. With --region all every region is read and compared: same, pending
(a region has events still to apply), or different.

The whole value is read, as of one instant, when it has at most 100,000 elements;
--limit reads a part of a large one, and says with which --cursor to go on.

Control characters and bytes that are not UTF-8 are shown as escapes such as \n
and \xff, and a backslash as \\. --raw writes a string's bytes as they are, and
nothing else.

--after RECEIPT waits until the region has that write: what you wrote in one
region you can then read in any other.`,
		Example: `  geokv get sales:total
  geokv get sales:total --region all
  geokv get session:42 --region ap --after "$(geokv produce set session:42 open -o json)"
  geokv get report.pdf --raw > report.pdf
  geokv get orders:feed --limit 20 -o json                # a part, and where it goes on`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.get(cmd.Context(), o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.region, "region", "r", "", "region to read, or all (default: the first)")
	f.StringVar(&o.after, "after", "", "wait for this write first: a receipt as produce prints it, or @FILE with what it printed")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long --after waits")
	f.IntVar(&o.limit, "limit", 0, "read at most so many elements of a container, up to 10000 (0: all)")
	f.StringVar(&o.cursor, "cursor", "", "with --limit: go on where the part before ended")
	f.BoolVar(&o.raw, "raw", false, "write the bytes of a string and nothing else")
	s.completeRegions(cmd, "region", allRegions)
	cmd.ValidArgsFunction = s.completeKeys
	return group("data", cmd)
}

func (s *session) get(ctx context.Context, o getOptions, key string) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	if o.raw && s.printer.Format != out.Table {
		return fail.New(fail.Usage, "--raw says how to print, and so does -o %s: give one of them", s.printer.Format)
	}
	q, err := o.query(key)
	if err != nil {
		return err
	}
	b, err := s.connect(ctx, need{})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	regions := chosen(o.region, b.Regions())
	if err := s.waitFor(ctx, b, o, regions); err != nil {
		return err
	}
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
	if o.raw {
		return s.printRaw(page.View)
	}
	if err := s.printer.Result(partOrWhole(page), func() out.Grid { return viewGrid(page.View) }); err != nil {
		return err
	}
	return s.missing(key, page)
}

func (s *session) printRaw(v crdt.View) error {
	if v.Type != crdt.String {
		return fail.New(fail.Usage, "key %q holds a %s: --raw writes strings only", string(v.Key), v.Type).
			WithHint("leave --raw out; -o json is for programs")
	}
	_, err := s.printer.Out.Write(v.String)
	return err
}

func (o getOptions) query(key string) (api.KeyQuery, error) {
	q := api.KeyQuery{Key: []byte(key), Limit: o.limit, Cursor: o.cursor}
	if err := event.ValidateKey(q.Key); err != nil {
		return q, fail.Wrap(fail.Usage, err, "read the key")
	}
	switch {
	case o.limit < 0 || o.limit > api.MaxPage:
		return q, fail.New(fail.Usage, "--limit %d, want 1 to %d, or 0 for all", o.limit, api.MaxPage)
	case o.limit == 0 && o.cursor != "":
		return q, fail.New(fail.Usage, "--cursor goes on with a part of a value: give --limit too")
	case o.limit > 0 && o.region == allRegions:
		return q, fail.New(fail.Usage, "--region all compares whole values, so it takes no --limit")
	case o.raw && o.region == allRegions:
		return q, fail.New(fail.Usage, "--raw writes the value of one region: name one with --region")
	case o.limit == 0:
		q.Limit = api.WholeValue
	}
	return q, nil
}

// part is a view that was cut at --limit.
type part struct {
	crdt.View
	Total int64  `json:"total"`
	Next  string `json:"next"`
}

func partOrWhole(page api.KeyPage) any {
	if page.Next == "" {
		return page.View
	}
	return part{page.View, page.Total, page.Next}
}

// MarshalJSON adds to the canonical view where the rest is.
func (p part) MarshalJSON() ([]byte, error) {
	view, err := p.View.MarshalJSON()
	if err != nil {
		return nil, err
	}
	rest, err := event.Marshal(map[string]any{"next": p.Next, "total": p.Total})
	if err != nil {
		return nil, err
	}
	view[len(view)-1] = ','
	return append(view, rest[1:]...), nil
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

func (s *session) waitFor(ctx context.Context, b backend, o getOptions, regions []string) error {
	if o.after == "" {
		return nil
	}
	receipt, err := s.readReceipt(o.after)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read --after").WithHint("give what produce printed under RECEIPT, or its JSON")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	_, err = b.Await(ctx, receipt, regions)
	return err
}

// readReceipt reads a receipt's JSON or token, or the file that holds one.
func (s *session) readReceipt(text string) (event.Receipt, error) {
	if name, isFile := strings.CutPrefix(text, "@"); isFile {
		content, err := os.ReadFile(s.path(name))
		if err != nil {
			return event.Receipt{}, err
		}
		text = string(content)
	}
	text, err := receiptIn(text)
	if err != nil {
		return event.Receipt{}, err
	}
	return event.ParseReceipt(text)
}

// missing makes a key without a value a status of its own, for scripts.
func (s *session) missing(key string, page api.KeyPage) error {
	if page.View.Type != crdt.None {
		if page.Next != "" {
			s.printer.Note("this is a part: %s has %s elements; go on with --cursor %s", out.Safe(key), out.Count(page.Total), page.Next)
		}
		return nil
	}
	return fail.New(fail.NotFound, "key %q has no value in region %s", key, page.Region)
}

// valueText renders a value on one line.
func valueText(v crdt.Value) string {
	var parts []string
	switch v.Type {
	case crdt.String:
		return out.Literal(v.String)
	case crdt.Set:
		for _, m := range v.Members {
			parts = append(parts, out.Literal(m))
		}
	case crdt.ZSet:
		for _, m := range v.Scored {
			parts = append(parts, out.Literal(m.Member)+" "+event.FormatScore(m.Score))
		}
	case crdt.Hash:
		for _, f := range v.Fields {
			parts = append(parts, out.Literal(f.Field)+"="+out.Literal(f.Value))
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
		pairs[i] = out.Literal(f.Field) + "=" + out.Literal(f.Value)
	}
	return strings.Join(pairs, " ")
}

// viewGrid shows a value with one row per element.
func viewGrid(v crdt.View) out.Grid {
	var g out.Grid
	switch v.Type {
	case crdt.String:
		g.Columns = out.Columns("VALUE")
		g.Add(out.Text(out.Literal(v.String))...)
	case crdt.Set:
		g.Columns = out.Columns("MEMBER")
		for _, m := range v.Members {
			g.Add(out.Text(out.Literal(m))...)
		}
	case crdt.ZSet:
		g.Columns = out.Columns(">SCORE", "MEMBER")
		for _, m := range v.Scored {
			g.Add(out.Text(event.FormatScore(m.Score), out.Literal(m.Member))...)
		}
	case crdt.Hash:
		g.Columns = out.Columns("FIELD", "VALUE")
		for _, f := range v.Fields {
			g.Add(out.Text(out.Literal(f.Field), out.Literal(f.Value))...)
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
