package tui

import (
	"context"
	"strings"
	"sync"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/out"
)

const (
	pageElements = 1000
	maxText      = 4 << 10 // bytes of a string that are shown
)

// inspector shows one key over all regions side by side: value, verdict, and
// what the sidecars know in plain words. It reads again with every look at the
// cluster while it is open.
type inspector struct {
	c    *common
	w, h int
	key  []byte

	typing bool // the key is being typed
	input  input

	cards   []card
	cursors [][]string // per region the cursors of the pages before
	page    int
	before  *api.Report // when the values were read
	verdict verdict
	naming  func() func(index int) string // names of regions by index, as known now
	from    int                           // first region on screen
	scroller
}

// card is one region's answer, cut to what can be shown.
type card struct {
	region string
	value  keyValue
	head   string
	lines  []string // clean, one element or a piece of text each
	list   bool     // lines are elements
	facts  []string
	next   string // cursor of the page after
	part   bool   // there is more of the value than is shown
	loose  bool   // the part is one that no other region need have
	err    error
}

// keyMsg is what the regions answered.
type keyMsg struct {
	key    string
	page   int
	before *api.Report
	cards  []card
}

func newInspector(c *common, key []byte, naming func() func(int) string) *inspector {
	n := &inspector{c: c, naming: naming, input: newInput(c, 1024)}
	n.open(key)
	return n
}

func (n *inspector) open(key []byte) {
	n.key, n.cards, n.page, n.verdict = key, nil, 0, same
	n.cursors = [][]string{make([]string, len(n.c.regions))}
	n.typing = len(key) == 0
	n.input.set(string(key))
	n.top, n.from = 0, 0
}

func (n *inspector) scope() scope {
	if n.typing {
		return scopeInput
	}
	return scopeInspector
}

// SetSize sets the size of the screen.
func (n *inspector) SetSize(w, h int) { n.w, n.h = w, h }

// read asks every region for the page that is shown.
func (n *inspector) read(before *api.Report) tea.Cmd {
	if n.typing || len(n.key) == 0 {
		return nil
	}
	c, key, page, cursors := n.c, n.key, n.page, n.cursors[n.page]
	names := n.naming()
	return c.call(callTimeout, func(ctx context.Context) tea.Msg {
		msg := keyMsg{key: string(key), page: page, before: before, cards: make([]card, len(c.regions))}
		var group sync.WaitGroup
		for i, region := range c.regions {
			group.Go(func() {
				q := api.KeyQuery{Region: region, Key: key, Limit: pageElements, Cursor: cursors[i]}
				page, err := c.source.Key(ctx, q)
				msg.cards[i] = c.newCard(region, page, cursors[i] == "" && page.Next == "", err, names)
			})
		}
		group.Wait()
		return msg
	})
}

func (c *common) newCard(region string, p api.KeyPage, whole bool, err error, names func(int) string) card {
	if err != nil {
		return card{region: region, err: err}
	}
	v := p.View
	k := card{region: region, value: newKeyValue(p, whole), next: p.Next, head: v.Type.String(), part: !whole, loose: !whole && unordered(v.Type)}
	switch v.Type {
	case crdt.None:
		k.head = "no value"
	case crdt.String:
		k.head = "string, " + out.Bytes(int64(len(v.String)))
		text := clean(string(v.String[:min(len(v.String), maxText)]))
		if len(v.String) > maxText {
			text += " " + c.ellipsis + " of " + out.Bytes(int64(len(v.String)))
		}
		k.lines = []string{text}
	default:
		k.head += ", " + count(p.Total) + " in all"
		k.lines, k.list = elements(v), true
	}
	for _, parked := range v.Parked {
		k.facts = append(k.facts, "a "+parked.Type.String()+" is hidden beside it: an older write of another type")
	}
	k.facts = append(k.facts, factSentences(p.Facts, names, c.wall(), c.zone)...)
	return k
}

// elements renders a container, one element a line, each cut.
func elements(v crdt.View) []string {
	short := func(b []byte) string { return clean(string(b[:min(len(b), 256)])) }
	var lines []string
	for _, m := range v.Members {
		lines = append(lines, short(m))
	}
	for _, m := range v.Scored {
		lines = append(lines, scoreText(m.Score)+"  "+short(m.Member))
	}
	for _, f := range v.Fields {
		lines = append(lines, short(f.Field)+" = "+short(f.Value))
	}
	for _, e := range v.Entries {
		parts := make([]string, 0, len(e.Fields))
		for _, f := range e.Fields[:min(len(e.Fields), 16)] {
			parts = append(parts, short(f.Field)+"="+short(f.Value))
		}
		lines = append(lines, e.ID.String()+"  "+strings.Join(parts, " "))
	}
	return lines
}

func scoreText(f float64) string { return event.FormatScore(f) }

// take shows an answer, unless another key or page was asked for meanwhile.
func (n *inspector) take(m keyMsg) {
	if m.key != string(n.key) || m.page != n.page {
		return
	}
	unchanged := len(n.cards) == len(m.cards)
	for i := range m.cards {
		unchanged = unchanged && n.cards[i].value.digest == m.cards[i].value.digest
	}
	n.cards, n.before = m.cards, m.before
	if fresh := judge(n.values(), nil, nil); !unchanged || fresh == same {
		n.verdict = fresh
	}
}

// settle judges the values that were read, now that a report came after them.
func (n *inspector) settle(after *api.Report) {
	if len(n.cards) > 0 && n.before != nil {
		n.verdict = judge(n.values(), n.before, after)
	}
}

func (n *inspector) values() []keyValue {
	var values []keyValue
	for _, k := range n.cards {
		if k.err == nil {
			values = append(values, k.value)
		}
	}
	return values
}

// turn goes to the page after, or back to the first.
func (n *inspector) turn(more bool) bool {
	if !more {
		n.page, n.top = 0, 0
		n.cursors = n.cursors[:1]
		return true
	}
	next := make([]string, len(n.cards))
	any := false
	for i, k := range n.cards {
		next[i] = k.next
		any = any || k.next != ""
	}
	if !any {
		return false
	}
	n.cursors = append(n.cursors, next)
	n.page, n.top = n.page+1, 0
	return true
}

func (n *inspector) act(m *Model, a action) tea.Cmd {
	if n.typing {
		return n.actTyping(m, a)
	}
	switch a {
	case actBack:
		m.pop()
	case actLeft:
		n.from = max(n.from-1, 0)
	case actRight:
		n.from++
	case actMore, actLess:
		if !n.turn(a == actMore) {
			return m.notify("that was the last page", false)
		}
		return n.read(m.regions.report)
	case actRefresh:
		return n.read(m.regions.report)
	case actOtherKey:
		n.typing = true
		n.input.set(string(n.key))
	case actWrite:
		return m.openForm(event.Operation{Key: n.key})
	case actCopy:
		return m.showCommand(n.command())
	default:
		n.scroller.act(a)
	}
	return nil
}

func (n *inspector) actTyping(m *Model, a action) tea.Cmd {
	switch {
	case a == actOpen && n.input.Value() != "":
		n.open([]byte(literal(n.input.Value())))
		return n.read(m.regions.report)
	case a == actBack && len(n.key) == 0:
		m.pop()
	case a == actBack:
		n.typing = false
	}
	return nil
}

func (n *inspector) typed(_ *Model, msg tea.KeyMsg) tea.Cmd {
	if n.typing {
		n.input.edit(msg)
	}
	return nil
}

func (n *inspector) command() string {
	words := event.QuoteWords([]string{string(n.key)})
	if strings.HasPrefix(words, "-") {
		words = "-- " + words
	}
	return "geokv get --region all " + words
}

// literal reads a key as it was typed; one that begins with a quote may use
// escapes, for bytes that no keyboard has.
func literal(text string) string {
	if strings.HasPrefix(text, "$'") || strings.HasPrefix(text, "'") || strings.HasPrefix(text, `"`) {
		if words, err := event.SplitWords(text); err == nil && len(words) == 1 {
			return words[0]
		}
	}
	return text
}
