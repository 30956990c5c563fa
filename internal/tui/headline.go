package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
)

// headline is the one thing everybody wants to know: how the cluster is, the
// worst first, and then how its keys stand. The panes show the same facts.
func (m *Model) headline() string {
	c, p := m.c, m.regions
	switch {
	case p.err != nil:
		return c.down + " no answer"
	case p.report == nil:
		return "connecting" + c.ellipsis
	}
	parts := m.troubles()
	if keys := m.keysStand(len(parts) == 0); keys != "" {
		parts = append(parts, keys)
	}
	return strings.Join(parts, "  ")
}

// troubles name the regions and links that are not as they should be.
func (m *Model) troubles() []string {
	c, p := m.c, m.regions
	var parts []string
	say := func(glyph string, who []string, many, what string) {
		if len(who) > 3 {
			who = []string{fmt.Sprintf("%d %s", len(who), many)}
		}
		if len(who) > 0 {
			parts = append(parts, glyph+" "+strings.Join(who, ", ")+" "+what)
		}
	}
	off, cut := m.cutOff()
	say(c.down, p.in(api.StateDown), "regions", "down")
	say(c.down, m.flowTexts(p.linksIn(api.FlowDown)), "links", "down")
	say(c.blocked, p.in(api.StateBlocked), "regions", "blocked")
	say(c.cut, off, "regions", "cut off")
	say(c.cut, m.flowTexts(cut), "links", "cut")
	say(c.rebuilding, p.in(api.StateRebuilding), "regions", "rebuilding"+p.rebuilt())
	say(c.unclear, p.unread(), "regions", "not read")
	return parts
}

// keysStand says how the keys stand over the regions, as far as that is known:
// all agree only where every region's view was read and is whole, and every key
// that the panes list.
func (m *Model) keysStand(calm bool) string {
	c, p := m.c, m.regions
	apart, differ := 0, len(p.verdicts)
	for _, v := range p.verdicts {
		if v == diverged {
			apart++
		}
	}
	known := len(p.in(api.StateDown))+len(p.in(api.StateRebuilding))+len(p.unread()) == 0
	switch {
	case apart > 0:
		return c.diverged + " " + plural(apart, "key", "keys") + " diverged"
	case differ > 0 && calm:
		return c.pending + " " + plural(differ, "key differs", "keys differ") + ", on their way"
	case differ > 0:
		return c.pending + " " + plural(differ, "key differs", "keys differ")
	case known && p.unreadKeys() > 0:
		return c.unclear + " " + plural(p.unreadKeys(), "key", "keys") + " not read"
	case known && p.report.Converged:
		return c.up + " all agree"
	case calm:
		return c.pending + " on their way"
	case known:
		return c.pending + " events wait"
	}
	return ""
}

// in names the regions in a state.
func (p *regionsPane) in(state api.State) (names []string) {
	for i, name := range p.c.regions {
		if p.condition(i) == state {
			names = append(names, name)
		}
	}
	return names
}

// unread names the regions that stand but whose keys could not be read.
func (p *regionsPane) unread() (names []string) {
	for i, name := range p.c.regions {
		if s := p.condition(i); p.states[i].err != nil && (s == api.StateUp || s == api.StateCut) {
			names = append(names, name)
		}
	}
	return names
}

// unreadKeys counts the listed keys that a region did not answer for.
func (p *regionsPane) unreadKeys() (n int) {
	for _, name := range p.names {
		if slices.ContainsFunc(p.states, func(s regionKeys) bool { v, _ := s.find(name); return v.err != nil }) {
			n++
		}
	}
	return n
}

// rebuilt is how far the region that is least far is rebuilt, where all tell.
func (p *regionsPane) rebuilt() string {
	least := 100.0
	for i, name := range p.c.regions {
		if p.condition(i) != api.StateRebuilding {
			continue
		}
		r := p.reportOf(name)
		if r.State != api.StateRebuilding {
			return ""
		}
		least = min(least, r.RebuildPercent)
	}
	return fmt.Sprintf(" %.0f%%", least)
}

// linksIn are the links in a state, but for those of a region that is down: it
// takes its links with it. The report tells, as it does of the regions: of two
// answers of one look each would be right at another moment.
func (p *regionsPane) linksIn(state api.FlowState) (flows []geo.Flow) {
	down := p.in(api.StateDown)
	for _, f := range p.report.Flows {
		if f.State == state && !slices.Contains(down, f.From) && !slices.Contains(down, f.To) {
			flows = append(flows, geo.Flow{From: f.From, To: f.To})
		}
	}
	return flows
}

// cutOff names the regions all of whose links are cut, and gives the cut links
// of the others.
func (m *Model) cutOff() (regions []string, links []geo.Flow) {
	cut := m.regions.linksIn(api.FlowCut)
	whole := func(f geo.Flow) bool { return !slices.Contains(cut, f) }
	for _, name := range m.c.regions {
		if own := m.linksOf(name); len(own) > 0 && !slices.ContainsFunc(own, whole) {
			regions = append(regions, name)
		}
	}
	links = slices.DeleteFunc(cut, func(f geo.Flow) bool {
		return slices.Contains(regions, f.From) || slices.Contains(regions, f.To)
	})
	return regions, links
}

func (m *Model) flowTexts(flows []geo.Flow) (names []string) {
	for _, f := range flows {
		names = append(names, m.flowText(f))
	}
	return names
}
