package tui

import (
	"slices"

	"github.com/geokv/geokv/internal/event"
)

// watched is a key that the region panes show beside the demo keys, because an
// event touched it: what one writes oneself is seen to agree like the rest.
type watched struct {
	name string // clean
	raw  []byte
	held bool // by some region, since it is watched, as far as they could be asked
}

const (
	maxWatched      = 6              // each costs a question to every region, at every look
	watchedElements = 100            // of a container that are read
	largestWatched  = 4 * maxPayload // bytes that are read of a key again and again
	maxLarge        = 1000           // keys that are remembered for being larger
)

func watches(keys []watched, name string) bool {
	return slices.ContainsFunc(keys, func(k watched) bool { return k.name == name })
}

// touched are the keys that the newest events touched, newest first: at most n,
// none for whose event left says so. Large values are left to the inspector.
func (l *eventLog) touched(n int, left func(*row) bool) []watched {
	var keys []watched
	for i := len(l.rows) - 1; i >= 0 && len(keys) < n; i-- {
		r := l.rows[i]
		if r.event.Args != nil && r.reason == "" && r.whole && !left(r) && !watches(keys, r.key) {
			keys = append(keys, watched{name: r.key, raw: r.event.Key})
		}
	}
	return keys
}

// watch takes over the keys that events touched last. A key keeps its line until
// a newer one needs it, so that lines stand still.
func (p *regionsPane) watch(log *eventLog) {
	room := p.watchedRoom()
	newest := log.touched(room, p.leaves)
	old := func(k watched) bool { return !watches(newest, k.name) }
	if len(p.watched) > room {
		p.watched = slices.DeleteFunc(p.watched, old)
	}
	for _, k := range newest {
		switch {
		case watches(p.watched, k.name):
		case len(p.watched) < room:
			p.watched = append(p.watched, k)
		default:
			p.watched[slices.IndexFunc(p.watched, old)] = k
		}
	}
}

// leaves reports an event whose key is not to be watched: a demo key, which is
// listed anyway, or one that was found large, until an event gives it another
// value.
func (p *regionsPane) leaves(r *row) bool {
	at, large := p.large[r.key]
	if op := r.event.Op(); op == event.OpSet || op == event.OpDel {
		large = large && r.event.HLC.Physical <= at
	}
	return large || p.raw[r.key] != nil
}

// leave stops watching a key: to read it at every look costs too much.
func (p *regionsPane) leave(k *keyValue) {
	if len(p.large) >= maxLarge {
		clear(p.large)
	}
	p.large[k.name] = k.atMS
	p.watched = slices.DeleteFunc(p.watched, func(w watched) bool { return w.name == k.name })
}

// watchedRoom is how many keys are shown beside the demo keys: as many as find
// room, and where the demo keys take it all half of the lines.
func (p *regionsPane) watchedRoom() int {
	g := p.grid()
	if p.w == 0 || g.table || len(p.all) == 0 {
		return 0
	}
	lines := g.height - 2 - p.factCount(g)
	return max(min(max(lines/2, lines-len(p.heldDemo())), maxWatched), 0)
}

// heldWatched names the watched keys that some region held since they are.
func (p *regionsPane) heldWatched() (names []string) {
	for _, k := range p.watched {
		if k.held {
			names = append(names, k.name)
		}
	}
	return names
}

// heldDemo names the demo keys that some region held since the start.
func (p *regionsPane) heldDemo() []string {
	return slices.DeleteFunc(slices.Clone(p.all), func(name string) bool { return !p.held[name] })
}

// watchedKeys are the keys to ask for, beside the demo keys.
func (p *regionsPane) watchedKeys() [][]byte {
	keys := make([][]byte, len(p.watched))
	for i, k := range p.watched {
		keys[i] = k.raw
	}
	return keys
}
