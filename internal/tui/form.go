package tui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// The fields of the form, in order.
const (
	fieldRegion = iota
	fieldOp
	fieldKey
	fieldArgs
	fields
)

// form writes one operation. What it would send is parsed with every key, by
// the same code as the command line, so that only what is right can be sent.
type form struct {
	c    *common
	log  *eventLog
	w, h int

	region int
	op     int // in event.Ops()
	key    input
	args   input
	at     int // field

	asked   int            // numbers what is sent
	awaits  int            // the one whose answer is shown when it comes; 0 when none is under way
	failed  error          // why the last one was refused
	receipt *event.Receipt // of the last one
	plan    *api.Plan      // of the last dry run
}

// receiptMsg answers a write, planMsg a dry run: of which number, as the form may
// have another one on its lines by then.
type (
	receiptMsg struct {
		asked   int
		op      event.Operation
		receipt event.Receipt
		err     error
	}
	planMsg struct {
		asked int
		plan  api.Plan
		err   error
	}
)

func newForm(c *common, log *eventLog) *form {
	f := &form{c: c, log: log, key: newInput(c, event.MaxKeyBytes), args: newInput(c, 64<<10), at: fieldKey}
	for i, op := range event.Ops() {
		if op == event.OpIncr {
			f.op = i
		}
	}
	return f
}

// preset begins a new operation with what is known of it. Region and operation
// stay those of the last one otherwise; what was written is not written again by
// typing on.
func (f *form) preset(op event.Operation) {
	f.awaits, f.failed, f.receipt, f.plan = 0, nil, nil, nil
	f.key.set("")
	f.args.set("")
	f.at = fieldKey
	if i := f.c.place(op.Region); i >= 0 {
		f.region = i
	}
	if len(op.Key) > 0 {
		f.key.set(keyText(op.Key))
		f.at = fieldArgs
	}
	if words := op.Command(); words != nil {
		for i, known := range event.Ops() {
			if known == op.Op() {
				f.op = i
			}
		}
		f.args.set(event.QuoteWords(words[2:]))
	}
}

// keyText writes a key so that literal reads it back.
func keyText(key []byte) string {
	text := string(key)
	if quoted := event.QuoteWords([]string{text}); strings.HasPrefix(quoted, "$'") || literal(text) != text {
		return quoted
	}
	return text
}

func (f *form) scope() scope { return scopeForm }

// SetSize sets the size of the screen.
func (f *form) SetSize(w, h int) { f.w, f.h = w, h }

// words is the command as it would be typed, with what can be left out added.
func (f *form) words() ([]string, error) {
	op := event.Ops()[f.op]
	words := []string{string(op)}
	if key := literal(f.key.Value()); key != "" {
		words = append(words, key)
	}
	args, err := event.SplitWords(f.args.Value())
	if err != nil {
		return nil, err
	}
	switch {
	case op == event.OpXAdd && len(args) > 0 && args[0] != "*":
		words = append(words, "*")
	case op == event.OpXTrim && len(args) == 1:
		words = append(words, "MINID")
	}
	return append(words, args...), nil
}

// operation is what would be sent, or why nothing can be.
func (f *form) operation() (event.Operation, error) {
	words, err := f.words()
	if err != nil {
		return event.Operation{}, err
	}
	op, err := event.ParseCommand(words)
	op.Region = f.c.regions[f.region]
	return op, err
}

func (f *form) act(m *Model, a action) tea.Cmd {
	switch a {
	case actBack:
		m.pop()
	case actNext:
		f.at = (f.at + 1) % fields
	case actPrev:
		f.at = (f.at + fields - 1) % fields
	case actLeft:
		f.choose(-1)
	case actRight:
		f.choose(1)
	case actSend:
		return f.send()
	case actPlan:
		return f.dryRun()
	case actCopy:
		if op, err := f.operation(); err == nil {
			return m.showCommand(produceCommand(op))
		}
	}
	return nil
}

// choose changes a choice, or moves the cursor of a text.
func (f *form) choose(step int) {
	switch f.at {
	case fieldRegion:
		f.region = (f.region + step + len(f.c.regions)) % len(f.c.regions)
	case fieldOp:
		n := len(event.Ops())
		f.op = (f.op + step + n) % n
	default:
		in := f.text()
		in.SetCursor(in.Position() + step)
	}
}

func (f *form) text() *input {
	if f.at == fieldKey {
		return &f.key
	}
	return &f.args
}

func (f *form) typed(_ *Model, msg tea.KeyMsg) tea.Cmd {
	switch f.at {
	case fieldKey, fieldArgs:
		f.text().edit(msg)
	default:
		f.initial(msg.String())
	}
	return nil
}

// initial picks the next choice that begins with a letter.
func (f *form) initial(letter string) {
	names, at := f.c.regions, &f.region
	if f.at == fieldOp {
		names, at = nil, &f.op
		for _, op := range event.Ops() {
			names = append(names, strings.ToLower(string(op)))
		}
	}
	for i := range names {
		next := (*at + 1 + i) % len(names)
		if strings.HasPrefix(names[next], letter) {
			*at = next
			return
		}
	}
}

func (f *form) send() tea.Cmd {
	op, asked, ok := f.ask()
	if !ok {
		return nil
	}
	c := f.c
	return c.call(callTimeout, func(ctx context.Context) tea.Msg {
		receipt, err := c.source.Produce(ctx, op)
		return receiptMsg{asked, op, receipt, err}
	})
}

func (f *form) dryRun() tea.Cmd {
	op, asked, ok := f.ask()
	if !ok {
		return nil
	}
	c := f.c
	return c.call(callTimeout, func(ctx context.Context) tea.Msg {
		plan, err := c.source.Plan(ctx, op)
		return planMsg{asked, plan, err}
	})
}

// ask numbers what is sent, unless it is not right or its answer is awaited.
func (f *form) ask() (op event.Operation, asked int, ok bool) {
	op, err := f.operation()
	if err != nil || f.awaits > 0 {
		f.failed = err
		return op, 0, false
	}
	f.asked++
	f.awaits, f.failed, f.receipt, f.plan = f.asked, nil, nil, nil
	return op, f.asked, true
}

// takes reports whether an answer is to what is on the form's lines.
func (f *form) takes(asked int, err error) bool {
	if asked != f.awaits {
		return false
	}
	f.awaits, f.failed = 0, err
	return true
}

func (f *form) takeReceipt(m receiptMsg) bool {
	mine := f.takes(m.asked, m.err)
	if mine && m.err == nil {
		f.receipt = &m.receipt
	}
	return mine
}

func (f *form) takePlan(m planMsg) {
	if f.takes(m.asked, m.err) && m.err == nil {
		f.plan = &m.plan
	}
}

// View renders the box.
func (f *form) View() []string {
	c := f.c
	w := min(f.w-4, 92)
	inner := w - 4
	var region, op []span
	for i, name := range c.regions {
		region = append(region, f.choice(name, i == f.region, c.origin(name)))
	}
	for i, o := range event.Ops() {
		op = append(op, f.choice(strings.ToLower(string(o)), i == f.op, c.text))
	}
	usage := event.Usage(event.Ops()[f.op])
	lines := []string{
		f.line(inner, fieldRegion, "region", around(region, f.region, inner-12)),
		f.line(inner, fieldOp, "op", around(op, f.op, inner-12)),
		f.line(inner, fieldKey, "key", f.key.draw(inner-12, f.at == fieldKey, "such as sales:total")),
		f.line(inner, fieldArgs, "arguments", f.args.draw(inner-12, f.at == fieldArgs, argumentHint(usage))),
		spaces(inner),
	}
	lines = append(lines, f.verdictLines(inner, usage)...)
	lines = append(lines, f.answerLines(inner)...)
	title := []span{{"write", c.title}, {"  in one region, for all", c.dim}}
	return c.box(frame{title: title, focused: true}, padded(lines), w, min(len(lines)+2, f.h-2))
}

// argumentHint is the part of the usage after the key.
func argumentHint(usage string) string {
	first, _, _ := strings.Cut(usage, " | INCRBY")
	parts := strings.SplitN(first, " ", 3)
	if len(parts) < 3 {
		return "none"
	}
	return parts[2]
}

func (f *form) choice(name string, chosen bool, style lipgloss.Style) span {
	if chosen {
		return span{"[" + name + "]", style.Bold(true)}
	}
	return span{" " + name + " ", f.c.dim}
}

// around leaves out choices at the left until the chosen one fits.
func around(choices []span, chosen, w int) []span {
	for chosen > 0 && spanCells(choices[:chosen+1]) > w {
		choices, chosen = choices[1:], chosen-1
	}
	return choices
}

func (f *form) line(w, field int, name string, value []span) string {
	c := f.c
	cursor, style := " ", c.dim
	if f.at == field {
		cursor, style = c.cursor, c.accent
	}
	return c.line(w, false, append([]span{{cursor, c.accent}, {fit(name, 10, "") + " ", style}}, value...)...)
}

// verdictLines say what is wrong with the operation, or show it as a command.
func (f *form) verdictLines(w int, usage string) []string {
	c := f.c
	op, err := f.operation()
	switch {
	case f.key.Value() == "" && f.args.Value() == "":
		return []string{c.line(w, false, span{"usage  ", c.dim}, span{usage, c.text})}
	case err != nil:
		lines := wrapped(c, w, "not yet  ", clean(err.Error()), c.warn)
		return append(lines, c.plainLine(w, "         "+clean(fail.HintOf(err)), c.dim))
	}
	return []string{c.line(w, false, span{"$ ", c.accent}, span{clean(produceCommand(op)), c.text})}
}

// answerLines show what became of the last write, and its way through the
// regions as far as the observers tell.
func (f *form) answerLines(w int) []string {
	c := f.c
	lines := []string{spaces(w)}
	switch {
	case f.awaits > 0:
		return append(lines, c.plainLine(w, "sending"+c.ellipsis, c.accent))
	case f.failed != nil:
		lines = append(lines, wrapped(c, w, c.glyphs.rejected+" refused  ", clean(f.failed.Error()), c.bad)...)
		if hint := fail.HintOf(f.failed); hint != "" {
			lines = append(lines, c.plainLine(w, "  "+clean(hint), c.dim))
		}
		return lines
	case f.plan != nil:
		e := f.plan.Event
		return append(lines,
			c.line(w, false, span{"dry run  ", c.accent}, span{fmt.Sprintf("would go to %s/%d", f.plan.Topic, f.plan.Partition), c.text}),
			c.plainLine(w, fmt.Sprintf("stamp %d.%d@%s  lane %s  seq %d; nothing was written", e.HLC.Physical, e.HLC.Logical, e.Origin, e.Lane, e.Seq), c.dim))
	case f.receipt != nil:
		return append(lines, f.receiptLines(w)...)
	}
	return nil
}

func (f *form) receiptLines(w int) []string {
	c, r := f.c, f.receipt
	outcome, style := c.glyphs.applied+" durable", c.good
	if r.Outcome != event.Durable {
		outcome, style = c.unknown+" unknown: it may be or become durable", c.warn
	}
	lines := []string{c.line(w, false, span{outcome + "  ", style}, span{fmt.Sprintf("%s/%d offset %d", r.Topic, r.Partition, r.Offset), c.text})}
	lines = append(lines,
		c.plainLine(w, clean(fmt.Sprintf("id %s  lane %s  seq %d", r.EventID, r.Lane(), r.Seq)), c.dim),
		c.plainLine(w, clean("receipt "+r.Token()), c.dim))
	row := f.log.byID(r.EventID)
	if row == nil {
		return lines
	}
	var blocks []span
	for i, region := range c.regions {
		blocks = append(blocks, span{region, c.origin(region)})
		blocks = append(blocks, c.block(row.sights[i], fullBlock, true)...)
		blocks = append(blocks, span{"   ", c.text})
	}
	return append(lines, c.line(w, false, blocks...))
}

// wrapped renders a labelled text over as many lines as it takes, three at most.
func wrapped(c *common, w int, label, text string, style lipgloss.Style) []string {
	var lines []string
	for i, part := range wrap(text, w-cells(label)) {
		if i == 3 {
			break
		}
		lines = append(lines, c.line(w, false, span{label, style}, span{part, style}))
		label = spaces(cells(label))
	}
	return lines
}
