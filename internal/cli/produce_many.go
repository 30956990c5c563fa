package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

const (
	maxLine  = 2 << 20 // a line of JSON; the largest operation is half of it
	inFlight = 256     // operations on their way at once
)

// lineResult is what became of one line of input.
type lineResult struct {
	Line    int              `json:"line"`
	Receipt *printed         `json:"receipt,omitempty"`
	Plan    *api.Plan        `json:"plan,omitempty"`
	Failure *api.ErrorDetail `json:"error,omitempty"`
	unsent  bool             // interrupted before it was; it has no result
}

// produceMany appends the operations of standard input, many at a time but in
// order per key, and prints a result per line in the order of the lines. A bad
// line is named and the others are processed; then the command fails.
func (s *session) produceMany(ctx context.Context, o produceOptions) error {
	if err := s.formats(out.Table, out.JSON, out.JSONL); err != nil {
		return err
	}
	if o.eventID != "" {
		return fail.New(fail.Usage, "--event-id names one write; give each line its own event_id")
	}
	b, err := s.connect(ctx, need{write: true, direct: o.direct})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	results, err := s.produceLines(ctx, b, o)
	if err != nil {
		s.noteCounts(results)
		return err
	}
	return s.summarize(results)
}

// tally counts results; what was printed is not kept.
type tally struct {
	dryRun bool // nothing is written

	lines, durable, planned, unknown, failed int

	unsent []int                    // numbers of the lines that an interruption left out
	stop   int                      // number of the line that an interruption kept from being read; 0 when none
	code   fail.Code                // of the first line that failed
	last   map[string]event.Receipt // newest durable receipt per region and partition
}

func (s *session) produceLines(ctx context.Context, b backend, o produceOptions) (tally, error) {
	order := make(chan chan lineResult, inFlight)
	counted := make(chan tally, 1)
	go func() { counted <- s.printInOrder(order, o.dryRun) }()
	keys, home := newKeyQueues(), b.Regions()[0]
	next, err := eachLine(ctx, s.env.In, func(number int, line []byte) error {
		done := make(chan lineResult, 1)
		select {
		case order <- done:
		case <-ctx.Done():
			return ctx.Err()
		}
		op, err := parseLine(line)
		if err != nil {
			done <- failedLine(number, err)
			return nil
		}
		op = o.complete(op)
		op.Region = cmp.Or(op.Region, home) // or one key would have two queues
		keys.run(op.Region+"\x00"+string(op.Key), func() { done <- produceLine(ctx, b, o, number, op) })
		return nil
	})
	close(order)
	t := <-counted
	if ctx.Err() != nil {
		t.stop = next
	}
	if err == nil && len(t.unsent) > 0 {
		err = ctx.Err()
	}
	if err == nil && (o.wait || o.waitAll) {
		err = t.await(ctx, b, o)
	}
	return t, err
}

func parseLine(line []byte) (event.Operation, error) {
	var op event.Operation
	if len(line) >= maxLine {
		return op, fail.New(fail.Usage, "the line is longer than %s", out.Bytes(maxLine))
	}
	err := event.UnmarshalStrict(line, &op)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return op, malformed(errors.New("the JSON ends too early: a brace, bracket or quote is not closed"))
	case err != nil:
		return op, malformed(err)
	}
	return op, nil
}

// produceLine writes unless ctx has ended. A write that has begun outlasts it for
// a while: its answer is worth more than an unknown fate.
func produceLine(ctx context.Context, b backend, o produceOptions, number int, op event.Operation) lineResult {
	if err := ctx.Err(); err != nil {
		return failedLine(number, err)
	}
	ctx, cancel := outlast(ctx, shutdownGrace)
	defer cancel()
	if o.dryRun {
		plan, err := b.Plan(ctx, op)
		if err != nil {
			return failedLine(number, err)
		}
		return lineResult{Line: number, Plan: &plan}
	}
	receipt, err := b.Produce(ctx, op)
	if err != nil {
		return failedLine(number, err)
	}
	p := printedOf(receipt)
	return lineResult{Line: number, Receipt: &p}
}

// outlast makes a context that ends some time after ctx does.
func outlast(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// failedLine tells why a line was certainly not written: an interruption is no
// failure of the line.
func failedLine(number int, err error) lineResult {
	if errors.Is(err, context.Canceled) {
		return lineResult{Line: number, unsent: true}
	}
	detail := api.ErrorOf(err).Error
	return lineResult{Line: number, Failure: &detail}
}

func (s *session) printInOrder(order <-chan chan lineResult, dryRun bool) tally {
	t := tally{dryRun: dryRun, last: map[string]event.Receipt{}}
	for done := range order {
		r := <-done
		t.add(r)
		s.printLine(r, t)
	}
	return t
}

func (t *tally) add(r lineResult) {
	t.lines++
	switch {
	case r.unsent:
		t.unsent = append(t.unsent, r.Line)
	case r.Failure != nil:
		t.failed++
		t.code = cmp.Or(t.code, r.Failure.Code)
	case r.Plan != nil:
		t.planned++
	case r.Receipt.Outcome == event.Durable:
		t.durable++
		t.last[r.Receipt.Topic+"/"+strconv.Itoa(int(r.Receipt.Partition))] = r.Receipt.Receipt
	default:
		t.unknown++
	}
}

// printLine prints results as lines of JSON; as a table plans, and on stderr what
// failed, since the summary counts the rest.
func (s *session) printLine(r lineResult, t tally) {
	if r.unsent {
		return
	}
	if s.printer.Format != out.Table {
		_ = s.printer.Line(r) // a closed stdout shows at the summary
		return
	}
	switch {
	case r.Plan != nil:
		g := planGrid(*r.Plan)
		g.Continued = t.planned > 1
		_ = s.printer.Grid(g)
	case r.Failure != nil:
		message := strings.TrimPrefix(r.Failure.Message, string(r.Failure.Code)+" ") // Redis begins WRONGTYPE itself
		s.printer.Note("line %d: %s: %s", r.Line, r.Failure.Code, out.Safe(message))
	case r.Receipt != nil && r.Receipt.Outcome != event.Durable:
		s.printer.Note("line %d: unknown: it may be, or become, durable; event id %s", r.Line, out.Safe(orDash(r.Receipt.EventID)))
	}
}

// await waits for the newest write of each partition: what went before it in
// the same partition is applied with it.
func (t tally) await(ctx context.Context, b backend, o produceOptions) error {
	for _, receipt := range t.last {
		if _, err := o.await(ctx, b, receipt); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) summarize(t tally) error {
	s.noteCounts(t)
	return t.failure()
}

// failure has the code of the first line that failed; TIMEOUT when the fate of
// some is unknown and none failed.
func (t tally) failure() error {
	var text string
	switch {
	case t.failed == 0 && t.unknown == 0:
		return nil
	case t.unknown == 0:
		text = "failed"
	case t.failed == 0:
		text = "may be, or become, durable: their fate is unknown"
	default:
		text = fmt.Sprintf("did not become durable: %d failed, of %d the fate is unknown", t.failed, t.unknown)
	}
	return &out.PartlyDone{Err: fail.New(cmp.Or(t.code, fail.Timeout), "%d of %d %s %s", t.failed+t.unknown, t.lines, plural(t.lines, "line"), text).
		WithHint("each is named above; a failed one can be corrected and sent again, an unknown one only with its event_id")}
}

func (s *session) noteCounts(t tally) {
	switch n := len(t.unsent); {
	case n > 0:
		s.printer.Note("interrupted at line %d: %d %s (%s) and what follows were not sent", t.unsent[0], n, plural(n, "line"), ranges(t.unsent))
	case t.stop > 0:
		s.printer.Note("interrupted at line %d: it and what follows were not sent", t.stop)
	}
	s.printer.Note("%d %s: %s", t.lines, plural(t.lines, "line"), t.counts())
}

func (t tally) counts() string {
	text, end := fmt.Sprintf("%d durable, %d unknown, %d failed", t.durable, t.unknown, t.failed), ""
	if t.dryRun {
		text, end = fmt.Sprintf("%d planned, %d failed", t.planned, t.failed), "; nothing was written"
	}
	if n := len(t.unsent); n > 0 {
		text += fmt.Sprintf(", %d not sent", n)
	}
	return text + end
}

// ranges writes ascending numbers as 5,7-260.
func ranges(numbers []int) string {
	var parts []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+n {
			n++
		}
		part := strconv.Itoa(numbers[0])
		if n > 1 {
			part += "-" + strconv.Itoa(numbers[n-1])
		}
		parts, numbers = append(parts, part), numbers[n:]
	}
	return strings.Join(parts, ",")
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
