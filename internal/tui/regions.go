package tui

import (
	"slices"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
)

// regionsPane shows every region: its state, how far it has come, and live the
// keys that events touched last and the demo keys, with a mark on each that
// differs between regions now.
type regionsPane struct {
	c    *common
	w, h int

	report   *api.Report // the newest; nil before the first
	at       time.Time   // when it came
	err      error       // why there is no newer one
	states   []regionKeys
	all      []string // every demo key, clean, in the cluster's order
	raw      map[string][]byte
	held     map[string]bool  // that some region held since the start
	watched  []watched        // other keys, which events touched
	large    map[string]int64 // keys that are too large to be watched, and when that was found
	names    []string         // the listed keys: watched ones, then demo keys
	verdicts map[string]verdict

	region int // selected
	key    int // selected, in names
	top    int // first key on screen
	from   int // first region on screen, where not all fit
}

func newRegionsPane(c *common) *regionsPane {
	return &regionsPane{c: c, verdicts: map[string]verdict{}, raw: map[string][]byte{}, held: map[string]bool{}, large: map[string]int64{}, states: make([]regionKeys, len(c.regions))}
}

// SetSize sets the outer size of the pane.
func (p *regionsPane) SetSize(w, h int) { p.w, p.h = w, h }

// take takes over one look at the cluster.
func (p *regionsPane) take(m pollMsg) {
	p.err = m.err
	for i := range m.states {
		p.takeState(i, m.states[i])
	}
	p.list()
	p.compare(m)
	if m.err == nil {
		p.report, p.at = &m.report, m.at
	}
}

// takeState keeps the values of the look before when a region does not answer,
// or that of a key that it did not answer for.
func (p *regionsPane) takeState(i int, now regionKeys) {
	if i >= len(p.states) {
		return
	}
	if now.err != nil {
		now.keys = p.states[i].keys
		p.states[i] = now
		return
	}
	before := p.states[i]
	for j := range now.keys {
		k := &now.keys[j]
		was, known := before.find(k.name)
		if k.err != nil {
			was.raw, was.name, was.watched, was.err, was.changed = k.raw, k.name, true, k.err, false
			*k = was
			p.hold(k)
			continue
		}
		k.changed = known && was.atMS != 0 && was.digest != k.digest
		if k.watched {
			p.hold(k)
			if k.size > largestWatched {
				p.leave(k)
			}
			continue
		}
		if _, known := p.raw[k.name]; !known {
			p.raw[k.name] = k.raw
			p.all = append(p.all, k.name)
		}
		p.held[k.name] = p.held[k.name] || k.present
	}
	p.states[i] = now
}

// hold notes that a region holds a watched key, or may.
func (p *regionsPane) hold(k *keyValue) {
	for i := range p.watched {
		if p.watched[i].name == k.name {
			p.watched[i].held = p.watched[i].held || k.present || k.err != nil
		}
	}
}

// list lists the keys that some region held since they are looked at, and keeps
// the cursor on its key.
func (p *regionsPane) list() {
	at := ""
	if p.key < len(p.names) {
		at = p.names[p.key]
	}
	p.names = slices.Concat(p.heldWatched(), p.heldDemo())
	if i := slices.Index(p.names, at); i >= 0 {
		p.key = i
	}
	p.key = min(p.key, max(len(p.names)-1, 0))
}

// compare judges every listed key over the regions that answered for it.
func (p *regionsPane) compare(m pollMsg) {
	var after *api.Report
	if m.err == nil {
		after = &m.report
	}
	clear(p.verdicts)
	for _, name := range p.names {
		var values []keyValue
		for _, state := range m.states {
			if v, ok := state.find(name); ok && state.err == nil && v.err == nil {
				values = append(values, v)
			}
		}
		if v := judge(values, p.report, after); v != same {
			p.verdicts[name] = v
		}
	}
}

func (s regionKeys) find(name string) (keyValue, bool) {
	for _, k := range s.keys {
		if k.name == name {
			return k, true
		}
	}
	return keyValue{}, false
}

// reportOf finds a region's part of the newest report.
func (p *regionsPane) reportOf(name string) *api.RegionReport {
	if p.report == nil {
		return nil
	}
	for i := range p.report.Regions {
		if p.report.Regions[i].Name == name {
			return &p.report.Regions[i]
		}
	}
	return nil
}

// condition is a region's state as the last look found it, "" when unknown: what
// the report says, but a view that could not be read for being rebuilt is being
// rebuilt, whatever the report, which came a moment later, makes of it.
func (p *regionsPane) condition(i int) api.State {
	r := p.reportOf(p.c.regions[i])
	switch {
	case r == nil || p.err != nil:
		return ""
	case fail.CodeOf(p.states[i].err) == fail.Rebuilding && (r.State == api.StateUp || r.State == api.StateCut):
		return api.StateRebuilding
	}
	return r.State
}

// selectedRegion is the region under the cursor.
func (p *regionsPane) selectedRegion() string {
	if p.region >= len(p.c.regions) {
		return ""
	}
	return p.c.regions[p.region]
}

// selectedKey is the key under the cursor; nil when none is listed.
func (p *regionsPane) selectedKey() []byte {
	if p.key >= len(p.names) {
		return nil
	}
	for _, k := range p.watched {
		if k.name == p.names[p.key] {
			return k.raw
		}
	}
	return p.raw[p.names[p.key]]
}

// act does what a key of this pane means; false when the pane does not know it.
func (p *regionsPane) act(a action) bool {
	switch a {
	case actUp:
		p.key = max(p.key-1, 0)
	case actDown:
		p.key = min(p.key+1, max(len(p.names)-1, 0))
	case actLeft:
		p.region = max(p.region-1, 0)
	case actRight:
		p.region = min(p.region+1, len(p.c.regions)-1)
	default:
		return false
	}
	return true
}

// grid is how the region panes are laid out: so many side by side in so many
// rows of a height; or, where they do not fit, one line per region.
type grid struct {
	perRow, rows int
	height       int // of one pane
	table        bool
}

const (
	minPane       = 24 // cells
	minPaneHeight = 6
)

func (p *regionsPane) grid() grid {
	n := len(p.c.regions)
	g := grid{perRow: min(n, max(p.w/minPane, 1))}
	g.rows = (n + g.perRow - 1) / g.perRow
	g.perRow = (n + g.rows - 1) / g.rows // five and five, not seven and three
	g.height = p.h / g.rows
	g.table = g.height < minPaneHeight || p.w < 2*minPane && n > 1
	return g
}

// click selects the region, and the key, at a place in the pane.
func (p *regionsPane) click(x, y int) {
	g := p.grid()
	if g.table {
		if i := y - 2 + p.from; y >= 2 && y < p.h-1 && i < len(p.c.regions) {
			p.region = i
		}
		return
	}
	paneRow := y / g.height
	for column := range g.perRow {
		left, width := p.column(g, paneRow, column)
		i := paneRow*g.perRow + column
		if width == 0 || x < left || x >= left+width || i >= len(p.c.regions) {
			continue
		}
		p.region = i
		if k := y%g.height - 1 - p.factCount(g) + p.top; k >= p.top && k < len(p.names) && y%g.height < g.height-1 {
			p.key = k
		}
	}
}

// column is the place and width of a pane in its row: the row's width is shared
// out to the last cell.
func (p *regionsPane) column(g grid, paneRow, column int) (left, width int) {
	inRow := min(g.perRow, len(p.c.regions)-paneRow*g.perRow)
	if inRow <= 0 || column >= inRow {
		return 0, 0
	}
	left = p.w * column / inRow
	return left, p.w*(column+1)/inRow - left
}

// factCount is how many lines stand above the keys, alike in every pane, so that
// a key stands in the same line everywhere.
func (p *regionsPane) factCount(g grid) int {
	n := 0
	for i := range p.c.regions {
		_, width := p.column(g, i/g.perRow, i%g.perRow)
		n = max(n, len(p.facts(i, width-2, g.height-2)))
	}
	return min(n, g.height-2)
}
