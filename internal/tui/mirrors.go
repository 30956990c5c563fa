package tui

import (
	"fmt"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
)

// mirrorsPane shows the one-way links between regions: state, what has not come
// through, the newest delay, rate and its history.
type mirrorsPane struct {
	c    *common
	w, h int

	flows  []geo.Flow
	states map[geo.Flow]api.FlowReport
	lab    map[geo.Flow]api.LabLink // newer than the report, and it knows delays
	rates  *rates

	cursor, top int
}

func newMirrorsPane(c *common, rates *rates) *mirrorsPane {
	p := &mirrorsPane{c: c, rates: rates, states: map[geo.Flow]api.FlowReport{}, lab: map[geo.Flow]api.LabLink{}}
	for _, from := range c.regions {
		for _, to := range c.regions {
			if from != to {
				p.flows = append(p.flows, geo.Flow{From: from, To: to})
			}
		}
	}
	return p
}

// SetSize sets the outer size of the pane.
func (p *mirrorsPane) SetSize(w, h int) { p.w, p.h = w, h }

func (p *mirrorsPane) take(report *api.Report, lab *api.Lab) {
	if report != nil {
		for _, f := range report.Flows {
			p.states[geo.Flow{From: f.From, To: f.To}] = f
		}
	}
	if lab != nil {
		clear(p.lab)
		for _, l := range lab.Links {
			p.lab[geo.Flow{From: l.From, To: l.To}] = l
		}
	}
}

// selected is the link under the cursor.
func (p *mirrorsPane) selected() (geo.Flow, bool) {
	if p.cursor >= len(p.flows) {
		return geo.Flow{}, false
	}
	return p.flows[p.cursor], true
}

// delaySteps are what the delay key goes through.
var delaySteps = []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// nextDelay is the step after the link's delay now.
func (p *mirrorsPane) nextDelay(f geo.Flow) time.Duration {
	now := time.Duration(p.delay(f)) * time.Millisecond
	for _, step := range delaySteps {
		if step > now {
			return step
		}
	}
	return 0
}

func (p *mirrorsPane) delay(f geo.Flow) int64 {
	if l, ok := p.lab[f]; ok {
		return l.DelayMS
	}
	return p.states[f].DelayMS
}

// state is what the link does now; the report knows of dead ends, the lab of cuts.
func (p *mirrorsPane) state(f geo.Flow) api.FlowState {
	if l, ok := p.lab[f]; ok && l.State == api.FlowCut {
		return l.State
	}
	return p.states[f].State
}

// cut reports whether the link is cut on purpose.
func (p *mirrorsPane) cut(f geo.Flow) bool { return p.state(f) == api.FlowCut }

// act does what a key of this pane means; false when the pane does not know it.
func (p *mirrorsPane) act(a action) bool {
	switch a {
	case actUp:
		p.cursor = max(p.cursor-1, 0)
	case actDown:
		p.cursor = min(p.cursor+1, max(len(p.flows)-1, 0))
	default:
		return false
	}
	return true
}

func (p *mirrorsPane) click(y int) {
	if i := p.top + y - 2; y >= 2 && y < p.h-1 && i < len(p.flows) {
		p.cursor = i
	}
}

// View renders the pane as h lines of w cells.
func (p *mirrorsPane) View(focused bool) []string {
	c := p.c
	inner := p.w - 2
	room := max(p.h-3, 1)
	if p.cursor < p.top {
		p.top = p.cursor
	}
	if p.cursor >= p.top+room {
		p.top = p.cursor - room + 1
	}
	p.top = max(min(p.top, len(p.flows)-room), 0)
	name := p.nameWidth(inner)
	spark := inner - (2 + 2*name + 1 + 1 + 8 + 6 + 6 + 6 + 1)
	body := []string{c.plainLine(inner, "  "+fit("link", 2*name+2, "")+fit("state", 8, "")+
		fitRight("gap", 6, "")+fitRight("lag", 6, "")+fitRight("rate", 6, "")+" "+shorten("history", max(spark, 0), ""), c.dim)}
	for i := p.top; i < min(p.top+room, len(p.flows)); i++ {
		body = append(body, p.flowLine(p.flows[i], inner, name, spark, focused && i == p.cursor))
	}
	if len(p.flows) == 0 {
		body = append(body, c.plainLine(inner, "  one region has no links", c.dim))
	}
	var right []span
	if len(p.flows) > room {
		right = []span{{fmt.Sprintf("%d-%d of %d", p.top+1, min(p.top+room, len(p.flows)), len(p.flows)), c.dim}}
	}
	return c.box(frame{title: []span{{"3 ", c.dim}, {"mirrors", c.title}}, right: right, focused: focused}, body, p.w, p.h)
}

// nameWidth shares the width between names and sparkline.
func (p *mirrorsPane) nameWidth(w int) int {
	longest := 2
	for _, name := range p.c.regions {
		longest = max(longest, len(name))
	}
	if (w - 31 - 2*longest) >= 8 {
		return longest
	}
	return max(min(longest, (w-31)/2), 2)
}

func (p *mirrorsPane) flowLine(f geo.Flow, w, name, spark int, selected bool) string {
	c := p.c
	cursor := " "
	if selected {
		cursor = c.cursor
	}
	glyph, word, style := c.linkMark(p.state(f))
	if d := p.delay(f); d > 0 && word == "up" {
		word, style = "+"+millis(d), c.warn
	}
	i := c.place(f.From)*p.rates.n + c.place(f.To)
	now := c.wall().Unix()
	gap, gapStyle := p.states[f].GapEvents, c.text
	if gap > 0 {
		gapStyle = c.warn
	}
	flow := &p.rates.flows[i]
	lag := "-"
	if ms, known := p.rates.delay(i, now); known {
		lag = millis(ms)
	}
	spans := []span{
		{cursor + " ", c.accent},
		{fit(f.From, name, c.ellipsis), c.origin(f.From)}, {c.arrow, c.dim}, {fit(f.To, name, c.ellipsis) + " ", c.origin(f.To)},
		{fit(glyph+" "+word, 8, ""), style},
		{fitRight(known(gap, shortCount), 6, ""), gapStyle}, {fitRight(lag, 6, ""), c.text},
		{fitRight(perSecond(flow.rate(now)), 6, ""), c.text},
	}
	if spark > 0 {
		spans = append(spans, span{" " + c.sparkline(flow.recent(now, min(spark, rateSpan-4))), c.accent})
	}
	return c.line(w, selected, spans...)
}

func (c *common) linkMark(state api.FlowState) (glyph, word string, style lipgloss.Style) {
	switch state {
	case api.FlowUp:
		return c.up, "up", c.good
	case api.FlowCut:
		return c.cut, "cut", c.bad
	case api.FlowDown:
		return c.down, "down", c.bad
	case "":
		return c.unclear, "?", c.dim
	}
	return c.unclear, string(state), c.dim
}

// known renders a number of the report that may be unknown.
func known(n int64, render func(int64) string) string {
	if n == api.Unknown {
		return "-"
	}
	return render(n)
}

// shortCount renders a number in at most six cells.
func shortCount(n int64) string {
	switch {
	case n < 10_000:
		return count(n)
	case n < 1_000_000:
		return count(n/1000) + "k"
	}
	return count(n/1_000_000) + "M"
}
