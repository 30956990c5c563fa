package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// faultTimeout is how long a broker may take to stop or start.
const faultTimeout = 2 * time.Minute

// doLink is what the pane of mirrors does to the selected link, or to all.
func (m *Model) doLink(a action) (tea.Cmd, bool) {
	if a == actHealAll {
		return m.healAll(), true
	}
	f, ok := m.mirrors.selected()
	if !ok {
		return nil, false
	}
	switch a {
	case actCut:
		return m.askCutLink(f), true
	case actHeal:
		return m.healLink(f), true
	case actDelay:
		return m.delayLink(f, m.mirrors.nextDelay(f)), true
	}
	return nil, false
}

func (m *Model) askCutLink(f geo.Flow) tea.Cmd {
	m.push(&confirm{c: m.c, question: "cut " + m.flowText(f) + "?",
		effect: fmt.Sprintf("Nothing from %s reaches %s over this link until you heal it; the other direction goes on.", f.From, f.To),
		do: func() tea.Cmd {
			return m.links("cutting "+m.flowText(f), m.flowText(f)+" is cut", []geo.Flow{f}, Faults.CutLink)
		}})
	return nil
}

func (m *Model) healLink(f geo.Flow) tea.Cmd {
	return m.links("healing "+m.flowText(f), m.flowText(f)+" is up", []geo.Flow{f}, Faults.HealLink)
}

func (m *Model) healAll() tea.Cmd {
	return m.links("healing every link", "every link is up, without delay", m.mirrors.flows, healFully)
}

func (m *Model) delayLink(f geo.Flow, d time.Duration) tea.Cmd {
	done := fmt.Sprintf("%s is delayed by %s", m.flowText(f), millis(d.Milliseconds()))
	if d == 0 {
		done = m.flowText(f) + " has no delay"
	}
	return m.links("delaying "+m.flowText(f), done, []geo.Flow{f}, func(s Faults, ctx context.Context, f geo.Flow) (api.Lab, error) {
		return s.DelayLink(ctx, f, d)
	})
}

func (m *Model) flowText(f geo.Flow) string { return f.From + m.c.arrow + f.To }

func healFully(s Faults, ctx context.Context, f geo.Flow) (api.Lab, error) {
	if _, err := s.HealLink(ctx, f); err != nil {
		return api.Lab{}, err
	}
	return s.DelayLink(ctx, f, 0)
}

// links does the same to several links and reports once.
func (m *Model) links(doing, done string, flows []geo.Flow, do func(Faults, context.Context, geo.Flow) (api.Lab, error)) tea.Cmd {
	if err := m.breakable(); err != nil {
		return m.notify(err.Error(), true)
	}
	source := m.c.source
	return m.ask(doing, callTimeout, func(ctx context.Context) doneMsg {
		var lab api.Lab
		var errs []error
		for _, f := range flows {
			now, err := do(source, ctx, f)
			if err == nil {
				lab = now
			}
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			return doneMsg{err: err}
		}
		return doneMsg{done: done, lab: &lab}
	})
}

// breakable says why nothing can be broken from here.
func (m *Model) breakable() error {
	switch {
	case m.lab == nil && m.labErr != nil:
		return fail.Wrap(fail.Unavailable, m.labErr, "faults cannot be injected here")
	case m.lab == nil:
		return fail.New(fail.Unavailable, "faults: the cluster has not answered yet")
	}
	return nil
}

// linksOf are all links from and to a region.
func (m *Model) linksOf(region string) []geo.Flow {
	var flows []geo.Flow
	for _, f := range m.mirrors.flows {
		if f.From == region || f.To == region {
			flows = append(flows, f)
		}
	}
	return flows
}

// doRegion is what the region panes do to the selected region or key.
func (m *Model) doRegion(a action) (tea.Cmd, bool) {
	region := m.regions.selectedRegion()
	switch a {
	case actOpen:
		return m.inspect(m.regions.selectedKey()), true
	case actCut:
		return m.askCut(region), true
	case actHeal:
		return m.healRegion(region), true
	case actStop:
		return m.askStop(region), true
	case actStart:
		return m.startRegion(region), true
	}
	return nil, false
}

func (m *Model) askCut(region string) tea.Cmd {
	flows := m.linksOf(region)
	m.push(&confirm{c: m.c, question: "cut " + region + " off?",
		effect: fmt.Sprintf("All %d mirror links from and to %s are cut. It goes on taking writes; nothing reaches the others until you heal it.", len(flows), region),
		do:     func() tea.Cmd { return m.links("cutting "+region+" off", region+" is cut off", flows, Faults.CutLink) }})
	return nil
}

func (m *Model) healRegion(region string) tea.Cmd {
	return m.links("healing "+region, region+" is linked again", m.linksOf(region), Faults.HealLink)
}

func (m *Model) askStop(region string) tea.Cmd {
	m.push(&confirm{c: m.c, question: "stop " + region + "?",
		effect: fmt.Sprintf("The Kafka of %s goes away: writes there get no answer in time, so their fate is unknown until it is back, and nothing is mirrored to it or from it. Its data is kept; r starts it again.", region),
		do: func() tea.Cmd {
			return m.regionAction("stopping "+region, region+" is stopped", region, Faults.StopRegion)
		}})
	return nil
}

func (m *Model) startRegion(region string) tea.Cmd {
	return m.regionAction("starting "+region, region+" runs", region, Faults.StartRegion)
}

func (m *Model) regionAction(doing, done, region string, do func(Faults, context.Context, string) (api.Lab, error)) tea.Cmd {
	if err := m.breakable(); err != nil {
		return m.notify(err.Error(), true)
	}
	source := m.c.source
	return m.ask(doing, faultTimeout, func(ctx context.Context) doneMsg {
		lab, err := do(source, ctx, region)
		return doneMsg{done: done, err: err, lab: &lab}
	})
}
