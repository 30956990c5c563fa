package tui

import (
	"context"
	"crypto/sha256"
	"strconv"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
)

const (
	pollInterval = 500 * time.Millisecond
	stateTimeout = 1500 * time.Millisecond
	pollTimeout  = 5 * time.Second
)

// pollMsg is one look at the whole cluster.
type pollMsg struct {
	at     time.Time
	report api.Report
	err    error // the cluster cannot be reached
	states []regionKeys
	sim    api.Sim
	simErr error
	lab    api.Lab
	labErr error
}

type pollNowMsg struct{}

// regionKeys is what a region shows of the watched keys and the demo keys.
type regionKeys struct {
	region string
	keys   []keyValue
	err    error
}

// keyValue is one key as one region shows it, ready to be drawn and compared.
type keyValue struct {
	raw        []byte
	name       string // clean
	text       string // clean, the value in a few words
	digest     [sha256.Size]byte
	watched    bool // else a demo key
	present    bool
	atMS       int64
	expireAtMS int64
	size       int   // bytes that were read of a watched one
	err        error // why it could not be read though its region could: the rest is of a look before
	changed    bool  // since the look before
}

// poll looks at everything at once. The report comes last: with the report of
// the look before it brackets the values, which is what tells a difference that
// is on its way from one that is real.
func (c *common) poll(watched [][]byte) tea.Cmd {
	return c.call(pollTimeout, func(ctx context.Context) tea.Msg {
		msg := pollMsg{states: make([]regionKeys, len(c.regions))}
		var group sync.WaitGroup
		for i, region := range c.regions {
			group.Go(func() { msg.states[i] = c.readState(ctx, region, watched) })
		}
		group.Go(func() { msg.sim, msg.simErr = c.source.Sim(ctx) })
		group.Go(func() { msg.lab, msg.labErr = c.source.Lab(ctx) })
		group.Wait()
		msg.report, msg.err = c.source.Status(ctx)
		msg.at = c.wall()
		return msg
	})
}

func pollLater() tea.Cmd {
	return tea.Tick(pollInterval, func(time.Time) tea.Msg { return pollNowMsg{} })
}

// readState reads the demo keys of a region and then all watched keys at once,
// with a time of their own: they can be large, and what one of them does must
// not cost the others or the region.
func (c *common) readState(ctx context.Context, region string, watched [][]byte) regionKeys {
	keys := c.readDemo(ctx, region)
	if keys.err != nil {
		return keys
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	values := make([]keyValue, len(watched))
	var group sync.WaitGroup
	for i, key := range watched {
		group.Go(func() { values[i] = c.readWatched(ctx, region, key) })
	}
	group.Wait()
	keys.keys = append(keys.keys, values...)
	return keys
}

func (c *common) readDemo(ctx context.Context, region string) regionKeys {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	state, err := c.source.State(ctx, region)
	keys := regionKeys{region: region, err: err}
	for _, page := range state.Keys {
		keys.keys = append(keys.keys, newKeyValue(page, page.Next == ""))
	}
	return keys
}

func (c *common) readWatched(ctx context.Context, region string, key []byte) keyValue {
	page, err := c.source.Key(ctx, api.KeyQuery{Region: region, Key: key, Limit: watchedElements})
	if err != nil {
		return keyValue{raw: key, name: clean(string(key)), watched: true, err: err}
	}
	value := newKeyValue(page, page.Next == "")
	value.watched, value.size = true, len(page.View.AppendCanonical(nil))
	return value
}

// newKeyValue notes what is shown of a value and compared with other regions';
// whole says that the page is all of it.
func newKeyValue(p api.KeyPage, whole bool) keyValue {
	return keyValue{
		raw: p.View.Key, name: clean(string(p.View.Key)), text: summary(p), digest: digestOf(p, whole),
		present: p.View.Type != crdt.None, atMS: p.AtMS, expireAtMS: p.View.ExpireAtMS,
	}
}

// digestOf tells values apart as far as a page of them can. A part of a set or a
// hash is whatever its Redis gave first: only the size is alike everywhere.
func digestOf(p api.KeyPage, whole bool) [sha256.Size]byte {
	v := p.View
	if !whole && unordered(v.Type) {
		v.Members, v.Fields = nil, nil
	}
	digest := v.Digest()
	return sha256.Sum256(strconv.AppendInt(digest[:], p.Total, 10))
}

func unordered(t crdt.Type) bool { return t == crdt.Set || t == crdt.Hash }

// summary renders a value in a few words.
func summary(p api.KeyPage) string {
	v := p.View
	n := max(p.Total, int64(len(v.Members)+len(v.Scored)+len(v.Fields)+len(v.Entries)))
	switch v.Type {
	case crdt.String:
		return clean(string(v.String[:min(len(v.String), 256)]))
	case crdt.Set:
		return plural(n, "member", "members") + previewOf(len(v.Members), func(i int) string { return string(v.Members[i]) })
	case crdt.ZSet:
		last := len(v.Scored) - 1 // the highest scores say more
		return plural(n, "member", "members") + previewOf(len(v.Scored), func(i int) string {
			return string(v.Scored[last-i].Member) + " " + scoreText(v.Scored[last-i].Score)
		})
	case crdt.Hash:
		return plural(n, "field", "fields") + previewOf(len(v.Fields), func(i int) string {
			return string(v.Fields[i].Field) + "=" + string(v.Fields[i].Value[:min(len(v.Fields[i].Value), 64)])
		})
	case crdt.Stream:
		return plural(n, "entry", "entries")
	}
	return "-"
}

// previewOf names the first few of n elements.
func previewOf(n int, element func(int) string) string {
	var names []string
	for i := range min(n, 8) {
		text := element(i)
		names = append(names, clean(text[:min(len(text), 64)]))
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}
