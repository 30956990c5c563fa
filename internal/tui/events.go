package tui

import (
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/filter"
	"github.com/geokv/geokv/internal/timeline"
)

const (
	maxRows  = 20_000
	maxBytes = 48 << 20 // of kept rows, roughly
)

// eventLog is the pane of events: a bounded list that follows the newest, or
// stands still. While it stands still nothing disappears from it and the blocks
// of its rows go on filling; what comes meanwhile is counted.
type eventLog struct {
	c    *common
	w, h int

	rows    []*row // in order of first sight, oldest first
	index   map[timeline.Key]*row
	bytes   int
	evicted uint64 // rows that made room
	dropped uint64 // observations that were never shown: dropped here
	lost    uint64 // or by the source

	filter, find       filter.Filter
	filterSet, findSet bool

	shown   []*row // what is listed: the matching rows, or those when it stopped
	frozen  bool   // stands still
	manual  bool   // because of the pause key, not of scrolling
	waiting int    // matching rows that came since
	cursor  int    // in shown
	top     int    // first line on screen
}

func newEventLog(c *common) *eventLog {
	return &eventLog{c: c, index: map[timeline.Key]*row{}}
}

// SetSize sets the outer size of the pane.
func (l *eventLog) SetSize(w, h int) { l.w, l.h = w, h; l.scroll() }

// lines is how many rows are on screen: frame and column heads take three.
func (l *eventLog) lines() int { return max(l.h-3, 1) }

// add joins observations into rows.
func (l *eventLog) add(n news) {
	l.dropped += n.dropped
	l.lost += n.lost
	for i := range n.observations {
		l.join(n.observations[i])
	}
	l.evict()
	if !l.frozen && len(n.observations) > 0 {
		l.follow()
	}
}

func (l *eventLog) join(o api.Observation) {
	place := l.c.place(o.Region)
	if place < 0 {
		return // a region that this topology does not have
	}
	id := timeline.KeyOf(o)
	r, known := l.index[id]
	if !known {
		r = newRow(o, len(l.c.regions))
		l.index[id] = r
		l.rows = append(l.rows, r)
		l.bytes += r.kept()
	}
	if o.Reason != "" {
		r.reason = clean(o.Reason)
	}
	r.sights[place].Add(o)
	was := r.matched
	l.judge(r)
	if l.frozen && r.matched && !was {
		l.waiting++
	}
}

// judge holds a row against filter and search. A row that was judged keeps its
// place even when a later delay would change the verdict of slow:.
func (l *eventLog) judge(r *row) {
	if !l.filterSet && !l.findSet {
		r.matched, r.found = true, false
		return
	}
	subject := r.subject()
	r.matched = l.filter.Match(subject)
	r.found = l.findSet && l.find.Match(subject)
}

func (l *eventLog) evict() {
	gone := 0
	for gone < len(l.rows)-1 && (len(l.rows)-gone > maxRows || l.bytes > maxBytes) {
		l.bytes -= l.rows[gone].kept()
		delete(l.index, l.rows[gone].id)
		l.rows[gone] = nil
		gone++
	}
	if gone == 0 {
		return
	}
	l.evicted += uint64(gone)
	l.rows = l.rows[gone:]
}

// follow lists the matching rows as they are now, with the cursor on the newest.
func (l *eventLog) follow() {
	l.relist()
	l.cursor = max(len(l.shown)-1, 0)
	l.waiting = 0
	l.scroll()
}

func (l *eventLog) relist() {
	l.shown = l.shown[:0]
	for _, r := range l.rows {
		if r.matched {
			l.shown = append(l.shown, r)
		}
	}
}

// freeze makes the list stand still.
func (l *eventLog) freeze(manual bool) {
	l.manual = l.manual || manual
	if l.frozen {
		return
	}
	l.frozen, l.waiting = true, 0
	l.shown = slices.Clone(l.shown)
}

// resume follows the newest again.
func (l *eventLog) resume() {
	l.frozen, l.manual = false, false
	l.shown = nil
	l.follow()
}

// setFilter shows only what matches, in rows of before and after.
func (l *eventLog) setFilter(f filter.Filter) {
	l.filter, l.filterSet = f, !f.Empty()
	l.rejudge()
}

// setFind marks what matches and goes to the newest of it.
func (l *eventLog) setFind(f filter.Filter) {
	l.find, l.findSet = f, !f.Empty()
	l.rejudge()
}

func (l *eventLog) rejudge() {
	at := l.selected()
	for _, r := range l.rows {
		l.judge(r)
	}
	if !l.frozen {
		l.follow()
		return
	}
	l.shown = nil
	l.relist()
	l.waiting = 0
	l.cursor = max(slices.Index(l.shown, at), 0)
	if at != nil && !at.matched {
		l.cursor = max(len(l.shown)-1, 0)
	}
	l.scroll()
}

// selected is the row under the cursor, nil when the list is empty.
func (l *eventLog) selected() *row {
	if l.cursor < 0 || l.cursor >= len(l.shown) {
		return nil
	}
	return l.shown[l.cursor]
}

// move takes the cursor n rows down, or up. Going up stops the list.
func (l *eventLog) move(n int) {
	if n < 0 {
		l.freeze(false)
	}
	l.goTo(l.cursor + n)
}

func (l *eventLog) goTo(i int) {
	l.cursor = min(max(i, 0), max(len(l.shown)-1, 0))
	l.scroll()
}

// scroll keeps the cursor on screen.
func (l *eventLog) scroll() {
	n := l.lines()
	if l.cursor < l.top {
		l.top = l.cursor
	}
	if l.cursor >= l.top+n {
		l.top = l.cursor - n + 1
	}
	l.top = max(min(l.top, len(l.shown)-n), 0)
}

// jump goes to the next match of the search in a direction; false when there is
// none that way.
func (l *eventLog) jump(step int) bool {
	for i := l.cursor + step; i >= 0 && i < len(l.shown); i += step {
		if l.shown[i].found {
			l.freeze(false)
			l.goTo(i)
			return true
		}
	}
	return false
}

// act does what a key of this pane means; false when the pane does not know it.
func (l *eventLog) act(a action) bool {
	switch a {
	case actUp:
		l.move(-1)
	case actDown:
		l.move(1)
	case actPageUp:
		l.move(-l.lines())
	case actPageDown:
		l.move(l.lines())
	case actFirst:
		l.freeze(false)
		l.goTo(0)
	case actLast:
		l.resume()
	case actPause:
		if l.frozen {
			l.resume()
		} else {
			l.freeze(true)
		}
	case actNextHit:
		l.jump(1)
	case actPrevHit:
		l.jump(-1)
	default:
		return false
	}
	return true
}

// click selects the row at a line of the pane.
func (l *eventLog) click(y int) {
	i := l.top + y - 2
	if y < 2 || i >= len(l.shown) || y >= l.h-1 {
		return
	}
	l.freeze(false)
	l.goTo(i)
}

// byID returns the row of an event id, for the receipt in the write form.
func (l *eventLog) byID(id string) *row {
	for i := len(l.rows) - 1; i >= 0; i-- {
		if l.rows[i].event.ID == id {
			return l.rows[i]
		}
	}
	return nil
}
