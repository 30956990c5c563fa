package tui

// The smallest screen on which everything has its place.
const (
	minWidth  = 64
	minHeight = 18
)

// rect is a place on the screen, in cells.
type rect struct{ x, y, w, h int }

func (r rect) contains(x, y int) bool {
	return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h
}

// layout is where each pane stands; one with no width is not on screen.
//
//	header
//	+-------+-------+-------+
//	| us    | eu    | ap    |     regions
//	+-------+---+---+-------+
//	| events    | mirrors   |     on a narrow screen one of the three
//	|           +-----------+     has the whole width: the one that has
//	|           | simulator |     the focus, else the events
//	+-----------+-----------+
//	footer
type layout struct {
	width, height                       int
	regions, events, mirrors, simulator rect
}

// tooSmall says that nothing is on screen but the size that is needed.
func (l layout) tooSmall() bool { return l.width < minWidth || l.height < minHeight }

const sideBySide = 112 // cells from which events and mirrors stand side by side

// arrange computes the layout for a size, the pane that has the focus and
// whether it has the screen for itself. wanted is the height that shows every
// line of the region panes.
func arrange(width, height int, focus scope, zoomed bool, links, wanted int) layout {
	l := layout{width: width, height: height}
	body := rect{0, 1, width, height - 2}
	if zoomed {
		*l.of(focus) = body
		return l
	}
	l.regions = rect{0, 1, width, min(max(body.h*47/100, 7), max(wanted, 7))}
	below := rect{0, 1 + l.regions.h, width, body.h - l.regions.h}
	if width < sideBySide {
		switch focus {
		case scopeMirrors:
			l.mirrors = below
		case scopeSim:
			l.simulator = below
		default:
			l.events = below
		}
		return l
	}
	side := min(max(width*36/100, 44), 72)
	l.events = rect{0, below.y, width - side, below.h}
	mirrors := min(links+3, max(below.h-9, below.h/2))
	l.mirrors = rect{width - side, below.y, side, mirrors}
	l.simulator = rect{width - side, below.y + mirrors, side, below.h - mirrors}
	return l
}

func (l *layout) of(s scope) *rect {
	switch s {
	case scopeRegions:
		return &l.regions
	case scopeMirrors:
		return &l.mirrors
	case scopeSim:
		return &l.simulator
	}
	return &l.events
}

// at finds the pane at a place on the screen.
func (l layout) at(x, y int) (scope, rect, bool) {
	for _, s := range []scope{scopeRegions, scopeEvents, scopeMirrors, scopeSim} {
		if r := *l.of(s); r.contains(x, y) {
			return s, r, true
		}
	}
	return "", rect{}, false
}
