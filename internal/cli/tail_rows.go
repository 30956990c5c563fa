package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/filter"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/timeline"
)

const tailMemory = 20_000 // events that wait for their regions

// tailRows joins observations into one line per event and prints each once.
type tailRows struct {
	printer  *out.Printer
	plan     tailPlan
	regions  []string
	timeline *timeline.Timeline
	waiting  []waitingRow // in order of first sight
	printed  timeline.Keys
	unheard  int // observations that were given up because tail ended
	header   bool
}

type waitingRow struct {
	first api.Observation
	since time.Time
}

func newTailRows(p *out.Printer, plan tailPlan, regions []string) *tailRows {
	return &tailRows{
		printer: p, plan: plan, regions: regions,
		timeline: timeline.New(tailMemory),
	}
}

// history prints an event that was read from the log, where nothing tells which
// regions have it.
func (t *tailRows) history(o api.Observation) error {
	if t.plan.live { // otherwise nothing comes twice, and the log may be long
		t.printed.Add(timeline.KeyOf(o))
	}
	return t.print(timeline.NewRow(o), o)
}

// observe joins a live observation. Lines of JSON carry the event alone, so
// they need not wait for its regions.
func (t *tailRows) observe(o api.Observation, now time.Time) error {
	key := timeline.KeyOf(o)
	if t.printed.Has(key) {
		return nil
	}
	row, fresh := t.timeline.Add(o)
	if row.Done(t.regions) || t.printer.Format != out.Table {
		return t.printOnce(key, row, o)
	}
	if fresh {
		t.waiting = append(t.waiting, waitingRow{o, now})
	}
	if len(t.waiting) >= tailMemory { // the timeline would give up the oldest
		return t.printWaiting()
	}
	return nil
}

// overdue prints what has waited long enough, until ctx ends.
func (t *tailRows) overdue(ctx context.Context, now time.Time) error {
	for len(t.waiting) > 0 && ctx.Err() == nil && (now.Sub(t.waiting[0].since) >= t.plan.settle || t.printed.Has(timeline.KeyOf(t.waiting[0].first))) {
		if err := t.printWaiting(); err != nil {
			return err
		}
	}
	return nil
}

// printWaiting prints the event that waits longest, unless it was complete
// before and is printed.
func (t *tailRows) printWaiting() error {
	first := t.waiting[0].first
	key := timeline.KeyOf(first)
	t.waiting = t.waiting[1:]
	row, waits := t.timeline.Get(key)
	if !waits {
		return nil
	}
	return t.printOnce(key, row, first)
}

func (t *tailRows) printOnce(key timeline.Key, row timeline.Row, o api.Observation) error {
	t.printed.Add(key)
	t.timeline.Forget(key)
	return t.print(row, o)
}

// flush prints all that waits, until ctx ends.
func (t *tailRows) flush(ctx context.Context) error {
	for len(t.waiting) > 0 && ctx.Err() == nil {
		if err := t.printWaiting(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tailRows) print(row timeline.Row, o api.Observation) error {
	if !t.plan.filter.Match(subjectOf(row)) {
		return nil
	}
	switch {
	case t.plan.template != nil:
		_, err := fmt.Fprint(t.printer.Out, t.plan.template.Render(func(token string) string {
			return t.safe(t.token(token, row, o))
		}))
		return err
	case t.printer.Format != out.Table:
		if row.Event == nil {
			t.printer.Note("%s/%d offset %d: %s", row.Topic, row.Partition, o.Offset, out.Safe(row.Reason))
			return nil
		}
		return t.printer.Line(row.Event)
	}
	return t.printLine(row)
}

// safe escapes for a terminal; a pipe gets the text as it is.
func (t *tailRows) safe(text string) string {
	if t.printer.TTY {
		return out.Safe(text)
	}
	return text
}

func (t *tailRows) printLine(row timeline.Row) error {
	g := out.Grid{Continued: t.header, Columns: []out.Column{
		{Name: "TIME", Min: 12}, {Name: "ORIGIN", Min: 6}, {Name: "OP", Min: 5}, {Name: "SEEN"}, {Name: "APPLIED"},
		{Name: "LAG", Right: true, Min: 7}, {Name: "KEY", Cut: true, Min: 20}, {Name: "ARGUMENT", Cut: true},
	}}
	t.header = true
	g.Add(out.Text(timeOf(row), originOf(row), opOf(row), t.regionsWhere(row, timeline.Sight.Seen), t.regionsWhere(row, timeline.Sight.Applied), rowLag(row, out.Duration), out.Literal([]byte(keyOf(row))), argumentOf(row))...)
	return t.printer.Grid(g)
}

// regionsWhere keeps a place for every region, so that lines stay aligned: dots
// where the event is not yet, dashes where nothing is known, as of an event that
// was read from the log.
func (t *tailRows) regionsWhere(row timeline.Row, holds func(timeline.Sight) bool) string {
	blank := "."
	if len(row.Regions) == 0 {
		blank = "-"
	}
	names := make([]string, len(t.regions))
	for i, region := range t.regions {
		names[i] = strings.Repeat(blank, len(region))
		if holds(row.Regions[region]) {
			names[i] = region
		}
	}
	return strings.Join(names, " ")
}

func subjectOf(row timeline.Row) filter.Subject {
	s := filter.Subject{Key: keyOf(row), Op: opOf(row), Origin: originOf(row), Argument: argumentOf(row), Slowest: slowest(row)}
	if row.Event != nil {
		s.ID = row.Event.ID
	}
	return s
}

func timeOf(row timeline.Row) string {
	if row.Event == nil {
		return "-"
	}
	return row.Event.HLC.Time().Local().Format("15:04:05.000")
}

func originOf(row timeline.Row) string { return strings.TrimSuffix(row.Topic, ".events") }

// unknownOp stands for the operation of what could not be decoded.
const unknownOp = "?"

func opOf(row timeline.Row) string {
	if row.Event == nil {
		return unknownOp
	}
	return string(row.Event.Op())
}

func keyOf(row timeline.Row) string {
	if row.Event == nil {
		return string(row.Key)
	}
	return string(row.Event.Key)
}

// argumentOf shows the payload as it stands in JSON, or why there is none.
func argumentOf(row timeline.Row) string {
	if row.Event == nil {
		return row.Reason
	}
	return event.PayloadText(row.Event.Args)
}

func slowest(row timeline.Row) time.Duration {
	var worst int64
	for _, s := range row.Regions {
		worst = max(worst, s.AppliedDelayMS)
	}
	return time.Duration(worst) * time.Millisecond
}

// rowLag renders the lag, "-" while no region is known to have applied the event.
func rowLag(row timeline.Row, render func(time.Duration) string) string {
	for _, s := range row.Regions {
		if s.Applied() {
			return render(slowest(row))
		}
	}
	return "-"
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// tailTokens are the tokens of a template, for which token gives the text.
func tailTokens() []out.Token {
	return []out.Token{
		{Name: "t", Help: "time of the write, RFC 3339 in UTC with milliseconds"},
		{Name: "ms", Help: "time of the write, Unix milliseconds"},
		{Name: "hlc", Help: "stamp, physical.logical@region"},
		{Name: "id", Help: "event id"},
		{Name: "r", Help: "origin region"},
		{Name: "k", Help: "key"},
		{Name: "op", Help: "operation"},
		{Name: "v", Help: "its arguments as JSON"},
		{Name: "topic", Help: "topic"},
		{Name: "p", Help: "partition"},
		{Name: "o", Help: "offset on the Kafka where it was seen first"},
		{Name: "lane", Help: "lane, slot.incarnation"},
		{Name: "seq", Help: "sequence number in the lane"},
		{Name: "seen", Help: "regions that have it on their Kafka"},
		{Name: "applied", Help: "regions that have applied it"},
		{Name: "outcome", Help: "at the origin: applied, superseded, duplicate, rejected or unknown"},
		{Name: "lag", Help: "milliseconds from the write to the last region that applied it so far; - while none is known to have"},
		{Name: "j", Help: "the whole event as JSON"},
	}
}

// token gives the text of a template's token.
func (t *tailRows) token(name string, row timeline.Row, o api.Observation) string {
	switch name {
	case "r":
		return originOf(row)
	case "k":
		return keyOf(row)
	case "op":
		return opOf(row)
	case "v":
		return argumentOf(row)
	case "topic":
		return row.Topic
	case "p":
		return strconv.Itoa(int(row.Partition))
	case "o":
		return strconv.FormatInt(o.Offset, 10)
	case "lag":
		return rowLag(row, milliseconds)
	case "seen":
		return t.names(row, timeline.Sight.Seen)
	case "applied":
		return t.names(row, timeline.Sight.Applied)
	case "outcome":
		return string(row.Regions[originOf(row)].Outcome)
	}
	if row.Event == nil {
		return ""
	}
	return eventToken(name, *row.Event)
}

func (t *tailRows) names(row timeline.Row, holds func(timeline.Sight) bool) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(t.regions), func(name string) bool { return !holds(row.Regions[name]) }), ",")
}

func eventToken(name string, e event.Event) string {
	switch name {
	case "id":
		return e.ID
	case "t":
		return e.HLC.Time().UTC().Format("2006-01-02T15:04:05.000Z")
	case "ms":
		return strconv.FormatInt(e.HLC.Physical, 10)
	case "hlc":
		return fmt.Sprintf("%d.%d@%s", e.HLC.Physical, e.HLC.Logical, e.Origin)
	case "lane":
		return e.Lane.String()
	case "seq":
		return strconv.FormatInt(e.Seq, 10)
	case "j":
		text, err := event.Marshal(e)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	return ""
}
