package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// Model is the whole program's state. Update changes it and never waits: all
// I/O is in the commands it returns.
type Model struct {
	c      *common
	feed   *feed
	rates  *rates
	layout layout
	title  Where // what this terminal is looking at

	regions   *regionsPane
	events    *eventLog
	mirrors   *mirrorsPane
	simulator *simPane

	focus    scope
	zoomed   bool
	overlays []overlay
	form     *form // kept for its region and operation, and for the answer to what it sent

	mouse    bool
	copy     func(string) tea.Cmd
	stop     func() tea.Cmd // stops the program until the shell continues it
	streamUp bool
	stream   error // why the event stream is down
	lab      *api.Lab
	labErr   error
	notice   notice
	busy     int // calls under way that the user asked for
}

// notice is a message that goes away by itself.
type notice struct {
	text  string
	bad   bool
	until time.Time
}

const noticeTime = 6 * time.Second

func newModel(c *common, o Options) *Model {
	rates := newRates(len(c.regions))
	m := &Model{
		c: c, feed: newFeed(feedLimit), rates: rates, title: o.Title,
		regions: newRegionsPane(c), events: newEventLog(c), mirrors: newMirrorsPane(c, rates),
		simulator: &simPane{c: c, mix: o.Mix}, focus: scopeEvents, mouse: !o.NoMouse,
		copy: func(string) tea.Cmd { return nil }, stop: func() tea.Cmd { return nil },
	}
	m.form = newForm(c, m.events)
	if o.Notice != "" {
		m.say(o.Notice, false)
	}
	return m
}

// Init starts the two chains that keep the picture fresh: looks at the cluster,
// and news of the event stream.
func (m *Model) Init() tea.Cmd {
	return tea.Batch(m.poll(), m.feed.next(m.c.ctx), tick())
}

// tickMsg comes once a second, for clocks, rates and notices.
type tickMsg struct{}

func tick() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return tickMsg{} }) }

// Update takes one message.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	return m, m.update(msg)
}

func (m *Model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.layout.width, m.layout.height = msg.Width, msg.Height
		m.arrange()
	case tea.KeyMsg:
		return m.pressed(msg)
	case tea.MouseMsg:
		m.moused(msg)
	case tickMsg:
		return tick()
	case feedMsg:
		m.takeNews(news(msg))
		return m.feed.next(m.c.ctx)
	case pollNowMsg:
		return m.poll()
	case pollMsg:
		return tea.Batch(pollLater(), m.takeLook(msg))
	case keyMsg:
		if n := m.inspector(); n != nil {
			n.take(msg)
		}
	case receiptMsg:
		m.takeReceipt(msg)
	case planMsg:
		m.form.takePlan(msg)
	case doneMsg:
		return m.takeDone(msg)
	case resumedMsg:
		return m.resumed(msg)
	}
	return nil
}

// takeReceipt shows what became of a write: in the form, unless that is closed or
// has another write on its lines.
func (m *Model) takeReceipt(msg receiptMsg) {
	command := strings.TrimPrefix(produceCommand(msg.op), "geokv produce ")
	switch shown := m.form.takeReceipt(msg) && m.formOpen(); {
	case shown:
	case msg.err != nil:
		m.say("refused: "+command+": "+msg.err.Error(), true)
	case msg.receipt.Outcome != event.Durable:
		m.say("unknown, it may be or become durable: "+command+", id "+msg.receipt.EventID, true)
	default:
		m.say("durable: "+command, false)
	}
}

// poll looks at the cluster, at the keys that events touched too.
func (m *Model) poll() tea.Cmd {
	m.regions.watch(m.events)
	return m.c.poll(m.regions.watchedKeys())
}

func (m *Model) takeNews(n news) {
	for i := range n.observations {
		o := &n.observations[i]
		m.rates.add(o, m.c.place(originName(o)), m.c.place(o.Region))
	}
	m.events.add(n)
	if n.fresh {
		m.streamUp, m.stream = n.connected, n.down
	}
}

// takeLook takes over one look at the cluster; an open inspector is judged by it
// and reads again.
func (m *Model) takeLook(p pollMsg) tea.Cmd {
	m.regions.take(p)
	m.simulator.take(p.sim, p.simErr)
	if m.labErr = p.labErr; p.labErr == nil {
		m.lab = &p.lab
	}
	if p.err == nil {
		m.mirrors.take(&p.report, m.lab)
	}
	m.arrange() // more keys may be known now
	if n := m.inspector(); n != nil {
		if p.err == nil {
			n.settle(&p.report)
		}
		return n.read(m.regions.report)
	}
	return nil
}

func (m *Model) arrange() {
	// what every region pane could show: frame, facts, origins, keys
	wanted := 2 + 2 + min(len(m.c.regions), 3) + 1 + max(len(m.regions.heldWatched())+len(m.regions.all), 1)
	if len(m.c.regions) > 3 {
		wanted *= 3
	}
	m.layout = arrange(m.layout.width, m.layout.height, m.focus, m.zoomed, len(m.mirrors.flows), wanted)
	l := m.layout
	m.regions.SetSize(l.regions.w, l.regions.h)
	m.events.SetSize(l.events.w, l.events.h)
	m.mirrors.SetSize(l.mirrors.w, l.mirrors.h)
	m.simulator.SetSize(l.simulator.w, l.simulator.h)
	for _, o := range m.overlays {
		o.SetSize(l.width, l.height)
	}
}

// scope is where the next key goes.
func (m *Model) scope() scope {
	if n := len(m.overlays); n > 0 {
		return m.overlays[n-1].scope()
	}
	return m.focus
}

func (m *Model) push(o overlay) {
	o.SetSize(m.layout.width, m.layout.height)
	m.overlays = append(m.overlays, o)
}

func (m *Model) pop() {
	if n := len(m.overlays); n > 0 {
		m.overlays = m.overlays[:n-1]
	}
}

func (m *Model) inspector() *inspector {
	for _, o := range m.overlays {
		if n, ok := o.(*inspector); ok {
			return n
		}
	}
	return nil
}

func (m *Model) formOpen() bool {
	for _, o := range m.overlays {
		if o == overlay(m.form) {
			return true
		}
	}
	return false
}

func (m *Model) say(text string, bad bool) {
	m.notice = notice{clean(text), bad, m.c.wall().Add(noticeTime)}
}

// notify says something in the last line for a while.
func (m *Model) notify(text string, bad bool) tea.Cmd {
	m.say(text, bad)
	return nil
}

// doneMsg answers something the user asked the cluster to do.
type doneMsg struct {
	done string // what is so now
	err  error
	lab  *api.Lab
	sim  *api.Sim
}

func (m *Model) takeDone(d doneMsg) tea.Cmd {
	m.busy--
	if d.err != nil {
		return m.notify(d.err.Error(), true)
	}
	if d.lab != nil {
		m.lab = d.lab
		m.mirrors.take(nil, d.lab)
	}
	if d.sim != nil {
		m.simulator.take(*d.sim, nil)
	}
	return m.notify(d.done, false)
}

// ask does something on the cluster and reports how it went.
func (m *Model) ask(doing string, timeout time.Duration, do func(ctx context.Context) doneMsg) tea.Cmd {
	m.busy++
	m.say(doing+m.c.ellipsis, false)
	return m.c.call(timeout, func(ctx context.Context) tea.Msg { return do(ctx) })
}

// naming gives the names of regions by their index in stamps.
func (m *Model) naming() func(int) string {
	names := map[int]string{}
	if report := m.regions.report; report != nil {
		for _, r := range report.Regions {
			names[r.Index] = r.Name
		}
	}
	return func(index int) string {
		if name, ok := names[index]; ok {
			return name
		}
		return fmt.Sprintf("region %d", index)
	}
}
