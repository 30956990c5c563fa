package cli

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

type produceOptions struct {
	region  string
	eventID string
	wait    bool
	waitAll bool
	timeout time.Duration
	dryRun  bool
	direct  bool
}

func newProduce(s *session) *cobra.Command {
	var o produceOptions
	cmd := &cobra.Command{
		Use:   "produce OPERATION KEY [ARGUMENT...] | produce -",
		Short: "Append one operation, or many from standard input",
		Long: `Append an operation, written as in redis-cli, to a region's log and print the
receipt. With - each line of standard input is one operation as JSON.

The write goes through the bridge of a running cluster; --direct makes this
process a bridge of its own. geokv help operations lists the operations.`,
		Example: `  geokv produce incr sales:total 1 --region eu --wait-all
  geokv produce set session:42 open PX 5000
  geokv produce xadd orders:feed '*' sku laptop price 999
  geokv produce set k v --event-id order-17        # safe to repeat
  geokv produce - < operations.jsonl`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: s.completeOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Equal(args, []string{"-"}) {
				return s.produceMany(cmd.Context(), o)
			}
			return s.produceOne(cmd.Context(), o, unmarkNumbers(args))
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.region, "region", "r", "", "region to write in (default: the first)")
	f.StringVar(&o.eventID, "event-id", "", "your own id: repeating the write with it counts once")
	f.BoolVar(&o.wait, "wait", false, "return when the region's own view has the write")
	f.BoolVar(&o.waitAll, "wait-all", false, "return when every region has the write")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long --wait and --wait-all wait")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the event, its partition and stamp; append nothing")
	f.BoolVar(&o.direct, "direct", false, "be a bridge of its own instead of using the running one")
	s.completeRegions(cmd, "region")
	return group("data", cmd)
}

// completeOperation offers operations, then keys.
func (s *session) completeOperation(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return s.completeKeys(cmd, args[1:], typed)
	}
	return []cobra.Completion{
		"set", "del", "incr", "incrby", "decr", "decrby", "sadd", "srem", "zadd", "zrem", "hset", "hdel", "xadd", "xdel", "xtrim",
	}, cobra.ShellCompDirectiveNoFileComp
}

// negative matches words that are numbers, not flags.
var negative = regexp.MustCompile(`^-(\d+(\.\d+)?([eE][+-]?\d+)?|\.\d+|inf)$`)

const numberMark = "\x00" // cannot occur in an argument of a process

// markNumbers lets `produce incr k -5` mean a number: the flag parser would take
// -5 for a flag. unmarkNumbers takes the marks off again.
func markNumbers(args []string) []string {
	if !slices.Contains(args, "produce") {
		return args
	}
	marked := slices.Clone(args)
	for i, word := range marked {
		if negative.MatchString(word) {
			marked[i] = numberMark + word
		}
	}
	return marked
}

func unmarkNumbers(words []string) []string {
	plain := slices.Clone(words)
	for i, word := range plain {
		plain[i] = strings.TrimPrefix(word, numberMark)
	}
	return plain
}

func (o produceOptions) operation(words []string) (event.Operation, error) {
	op, err := event.ParseCommand(words)
	if err != nil {
		return op, malformed(err)
	}
	return o.complete(op), nil
}

// complete fills in what flags say and the operation leaves open.
func (o produceOptions) complete(op event.Operation) event.Operation {
	if op.Region == "" {
		op.Region = o.region
	}
	if op.EventID == "" {
		op.EventID = o.eventID
	}
	return op
}

// malformed gives an operation that cannot be read the code of bad usage.
func malformed(err error) error {
	if fail.CodeOf(err) != fail.Internal {
		return err
	}
	return fail.Wrap(fail.Usage, err, "read the operation").WithHint("geokv help operations")
}

func (s *session) produceOne(ctx context.Context, o produceOptions, words []string) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	op, err := o.operation(words)
	if err != nil {
		return err
	}
	b, err := s.connect(ctx, need{write: true, direct: o.direct})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	if o.dryRun {
		return s.showPlan(ctx, b, op)
	}
	receipt, err := b.Produce(ctx, op)
	if err != nil {
		return err
	}
	waited, err := o.await(ctx, b, receipt)
	if err != nil {
		_ = s.printReceipt(receipt, nil) // the write stands; the caller needs its receipt
		return err
	}
	if err := s.printReceipt(receipt, waited); err != nil {
		return err
	}
	return unknownFate(receipt)
}

// await waits as the flags ask; nil when they ask for nothing.
func (o produceOptions) await(ctx context.Context, b backend, receipt event.Receipt) (*api.Awaited, error) {
	if !o.wait && !o.waitAll || !placed(receipt) {
		return nil, nil
	}
	var regions []string // all
	if !o.waitAll {
		regions = []string{receipt.Region}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	waited, err := b.Await(ctx, receipt, regions)
	return &waited, err
}

func unknownFate(r event.Receipt) error {
	if r.Outcome == event.Durable {
		return nil
	}
	err := fail.New(fail.Timeout, "the fate of the write is unknown: it may be, or become, durable")
	if r.EventID == "" { // no answer came, and nobody had named the write
		return err.WithHint("look with geokv tail before repeating it; with an --event-id of your own a repeat counts once")
	}
	return err.WithHint("repeat it with --event-id %s to the same region: it counts once", r.EventID)
}

// printed is a receipt with what waiting for it told.
type printed struct {
	event.Receipt
	Token    string `json:"token,omitempty"` // none when no answer told the write's place
	WaitedMS *int64 `json:"waited_ms,omitempty"`
}

func printedOf(r event.Receipt) printed {
	if !placed(r) {
		return printed{Receipt: r}
	}
	return printed{Receipt: r, Token: r.Token()}
}

// placed tells a receipt that a bridge made from one that stands for a lost
// answer: sequence numbers count from 1.
func placed(r event.Receipt) bool { return r.Seq > 0 }

func (s *session) printReceipt(r event.Receipt, waited *api.Awaited) error {
	p := printedOf(r)
	if waited != nil {
		p.WaitedMS = &waited.WaitedMS
	}
	return s.printer.Result(p, func() out.Grid { return receiptGrid(p) })
}

func receiptGrid(p printed) out.Grid {
	g := out.Grid{Columns: out.Columns("OUTCOME", "REGION", "TOPIC", ">PARTITION", ">OFFSET", "RECEIPT")}
	cells := out.Text(string(p.Outcome), orDash(p.Region), orDash(p.Topic), strconv.Itoa(int(p.Partition)), offsetOf(p.Receipt), orDash(p.Token))
	if p.WaitedMS != nil {
		g.Columns = append(g.Columns, out.Column{Name: "WAITED", Right: true})
		cells = append(cells, out.Cell{Text: out.Millis(*p.WaitedMS)})
	}
	g.Add(cells...)
	return g
}

// offsetOf shows no offset while the fate is unknown.
func offsetOf(r event.Receipt) string {
	if r.Offset < 0 {
		return "-"
	}
	return strconv.FormatInt(r.Offset, 10)
}

func orDash(text string) string { return cmp.Or(text, "-") }

func (s *session) showPlan(ctx context.Context, b backend, op event.Operation) error {
	plan, err := b.Plan(ctx, op)
	if err != nil {
		return err
	}
	return s.printer.Result(plan, func() out.Grid { return planGrid(plan) })
}

// planGrid has columns wide enough for the plans of further lines.
func planGrid(plan api.Plan) out.Grid {
	g := out.Grid{Columns: []out.Column{
		{Name: "OP", Min: 5}, {Name: "KEY", Cut: true, Min: 20}, {Name: "REGION", Min: 6}, {Name: "TOPIC", Min: 9},
		{Name: "PARTITION", Right: true}, {Name: "HLC", Min: 20}, {Name: "EVENT ID"},
	}}
	e := plan.Event
	g.Add(out.Text(string(e.Op()), out.Literal(e.Key), e.Origin, plan.Topic, strconv.Itoa(int(plan.Partition)), stampText(e), e.ID)...)
	return g
}

// stampText names the region whose clock it was, as receipts do.
func stampText(e event.Event) string {
	return fmt.Sprintf("%d.%d@%s", e.HLC.Physical, e.HLC.Logical, e.Origin)
}
