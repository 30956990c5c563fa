package tui

import (
	"fmt"

	"github.com/geokv/geokv/internal/api"
)

// Share is one kind of simulated step and how many of a hundred steps it is.
type Share struct {
	Kind    string
	Percent int
}

// simPane shows the traffic simulator and its mix.
type simPane struct {
	c    *common
	w, h int
	mix  []Share

	state api.Sim
	known bool
	err   error // why there is none
}

// SetSize sets the outer size of the pane.
func (p *simPane) SetSize(w, h int) { p.w, p.h = w, h }

func (p *simPane) take(s api.Sim, err error) {
	p.err = err
	if err == nil {
		p.state, p.known = s, true
	}
}

// rateSteps are what the rate keys go through, steps per second.
var rateSteps = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}

// nextRate is the rate above or below the one now.
func (p *simPane) nextRate(up bool) float64 {
	now := p.state.Rate
	if up {
		for _, step := range rateSteps {
			if step > now {
				return step
			}
		}
		return rateSteps[len(rateSteps)-1]
	}
	for i := len(rateSteps) - 1; i >= 0; i-- {
		if rateSteps[i] < now {
			return rateSteps[i]
		}
	}
	return rateSteps[0]
}

// start is what starting it asks for: the rate of the run before, or without one
// whatever the server takes.
func (p *simPane) start() api.SimStart { return api.SimStart{Rate: p.state.Rate} }

// command is the command line that does what the start and stop key does.
func (p *simPane) command() string {
	switch start := p.start(); {
	case p.state.Running:
		return "geokv sim stop"
	case start.Rate == 0:
		return "geokv sim start"
	default:
		return fmt.Sprintf("geokv sim start --rate %g", start.Rate)
	}
}

// View renders the pane as h lines of w cells.
func (p *simPane) View(focused bool) []string {
	c := p.c
	w := p.w - 2
	word, style := "stopped", c.dim
	if p.state.Running {
		word, style = "running "+perSecond(p.state.Rate), c.good
	}
	right := []span{{word, style}}
	if !p.known {
		right = []span{{"unknown", c.dim}}
	}
	return c.box(frame{title: []span{{"4 ", c.dim}, {"simulator", c.title}}, right: right, focused: focused}, p.body(w), p.w, p.h)
}

func (p *simPane) body(w int) []string {
	c := p.c
	var lines []string
	add := func(left, right []span) { lines = append(lines, c.ends(w, false, left, right)) }
	switch {
	case p.err != nil && !p.known:
		return []string{c.plainLine(w, " "+clean(p.err.Error()), c.bad)}
	case !p.known:
		return []string{c.plainLine(w, " asking"+c.ellipsis, c.dim)}
	}
	s := p.state
	add([]span{{" written ", c.dim}, {count(s.Produced), c.text}}, []span{{"steps ", c.dim}, {count(s.Steps) + " ", c.text}})
	failed, unknown := c.text, c.text
	if s.Failed > 0 {
		failed = c.bad
	}
	if s.Unknown > 0 {
		unknown = c.warn
	}
	add([]span{{" failed ", c.dim}, {count(s.Failed), failed}, {"  unknown ", c.dim}, {count(s.Unknown), unknown}},
		[]span{{fmt.Sprintf("  seed %d ", s.Seed), c.dim}})
	if s.Error != "" {
		lines = append(lines, c.plainLine(w, " "+clean(s.Error), c.bad))
	}
	return append(lines, p.mixLines(w)...)
}

// mixLines shows what the steps are made of, as bars where there is room.
func (p *simPane) mixLines(w int) []string {
	c := p.c
	var lines []string
	room := p.h - 2 - 2
	if room < len(p.mix) {
		text := " mix"
		for _, m := range p.mix {
			text += fmt.Sprintf(" %s %d", m.Kind, m.Percent)
		}
		return []string{c.plainLine(w, text, c.dim)}
	}
	for _, m := range p.mix {
		bar := min(m.Percent*(w-22)/100+1, max(w-22, 0))
		lines = append(lines, c.line(w, false, span{fmt.Sprintf(" %-15s %3d%% ", m.Kind, m.Percent), c.dim}, span{repeat(c.on, max(bar, 0)), c.accent}))
	}
	return lines
}
