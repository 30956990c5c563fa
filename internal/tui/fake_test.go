package tui

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// noon is when every test takes place.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fakeSource is a cluster whose every state a test can set. It fails the test
// when it is asked while the program updates or draws: that would be I/O where
// none may be.
type fakeSource struct {
	t       testing.TB
	drawing atomic.Bool

	mu     sync.Mutex
	report api.Report
	err    error // of every question
	states map[string]api.RegionState
	unread map[string]error                  // of a region's keys
	keys   map[string]map[string]api.KeyPage // region, key
	sim    api.Sim
	lab    api.Lab
	labErr error
	refuse error // of writes and faults
	calls  []string
	news   chan News
}

var _ Source = (*fakeSource)(nil)

func newFake(t testing.TB, regions ...string) *fakeSource {
	f := &fakeSource{t: t, states: map[string]api.RegionState{}, keys: map[string]map[string]api.KeyPage{}, news: make(chan News)}
	f.report = api.Report{AtMS: noon.UnixMilli(), Converged: true}
	f.sim = api.Sim{Rate: 20, Seed: 42, Regions: regions}
	f.lab = api.Lab{Stack: "embedded"}
	for i, name := range regions {
		f.report.Regions = append(f.report.Regions, healthy(name, i, regions))
		f.states[name] = api.RegionState{Region: name, AtMS: noon.UnixMilli(), Keys: shop()}
		f.keys[name] = map[string]api.KeyPage{}
		f.lab.Regions = append(f.lab.Regions, api.LabRegion{Region: name, Up: true})
		for _, other := range regions {
			if other != name {
				f.report.Flows = append(f.report.Flows, api.FlowReport{From: name, To: other, State: "up"})
				f.lab.Links = append(f.lab.Links, api.LabLink{From: name, To: other, State: "up"})
			}
		}
	}
	return f
}

func healthy(name string, index int, regions []string) api.RegionReport {
	r := api.RegionReport{Name: name, Index: index, State: api.StateUp, Keys: 34, Slot: 3, ClockOffsetMS: int64(index)}
	for i, origin := range regions {
		end := int64(1204 + 100*i)
		o := api.OriginReport{Origin: origin, End: end, Applied: end}
		for p := range int32(geo.Partitions) {
			o.Partitions = append(o.Partitions, api.PartitionReport{Partition: p, End: 100, Applied: 100})
		}
		r.Origins = append(r.Origins, o)
	}
	return r
}

// shop is the demo keys.
func shop() []api.KeyPage {
	page := func(key string, v crdt.Value, total int64) api.KeyPage {
		return api.KeyPage{AtMS: noon.UnixMilli(), View: crdt.View{Key: []byte(key), Value: v}, Total: total}
	}
	text := func(s string) crdt.Value { return crdt.Value{Type: crdt.String, String: []byte(s)} }
	return []api.KeyPage{
		page("cart:active", crdt.Value{Type: crdt.Set, Members: [][]byte{[]byte("ann"), []byte("bob"), []byte("cleo")}}, 3),
		page("inventory:laptop", text("93"), 2),
		page("inventory:phone", text("150"), 3),
		page("inventory:lastSeen", text("watch seen in eu"), 16),
		page("leaderboard:spenders", crdt.Value{Type: crdt.ZSet, Scored: []event.ScoredMember{{Member: []byte("ann"), Score: 89}, {Member: []byte("bob"), Score: 1299.5}}}, 2),
		page("orders:feed", crdt.Value{Type: crdt.Stream, Entries: []crdt.Entry{{ID: event.StreamID{MS: 1, Seq: 1}}}}, 1204),
		page("sales:total", text("128"), 3),
		page("vip:customers", crdt.Value{}, 0),
	}
}

func (f *fakeSource) asked(format string, args ...any) {
	if f.drawing.Load() {
		f.t.Errorf("Update or View asked the cluster: "+format, args...)
	}
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeSource) lock() func() {
	f.mu.Lock()
	return f.mu.Unlock
}

func (f *fakeSource) Status(context.Context) (api.Report, error) {
	defer f.lock()()
	f.asked("status")
	return f.report, f.err
}

func (f *fakeSource) State(_ context.Context, region string) (api.RegionState, error) {
	defer f.lock()()
	f.asked("state %s", region)
	if err := f.unread[region]; err != nil {
		return api.RegionState{}, err
	}
	return f.states[region], f.err
}

func (f *fakeSource) Key(_ context.Context, q api.KeyQuery) (api.KeyPage, error) {
	defer f.lock()()
	f.asked("key %s %s %q", q.Region, q.Key, q.Cursor)
	if f.err != nil {
		return api.KeyPage{}, f.err
	}
	page, ok := f.keys[q.Region][string(q.Key)+q.Cursor]
	if !ok {
		page = api.KeyPage{Region: q.Region, AtMS: noon.UnixMilli(), View: crdt.View{Key: q.Key}}
	}
	return page, nil
}

func (f *fakeSource) Produce(_ context.Context, op event.Operation) (event.Receipt, error) {
	defer f.lock()()
	f.asked("produce %s %s", op.Region, strings.Join(op.Command(), " "))
	return event.Receipt{
		EventID: "01M838ZVVBKPX29DYVZMR4JBXN", Region: op.Region, Topic: geo.Topic(op.Region), Partition: 5, Offset: 7,
		HLC: event.Stamp{PhysicalMS: noon.UnixMilli(), Region: op.Region}, Slot: 3, Incarnation: 1795400000000000, Seq: 8, Outcome: event.Durable,
	}, f.refuse
}

func (f *fakeSource) Plan(_ context.Context, op event.Operation) (api.Plan, error) {
	defer f.lock()()
	f.asked("plan %s %s", op.Region, strings.Join(op.Command(), " "))
	e := event.Event{ID: "plan", Origin: op.Region, HLC: hlc.Timestamp{Physical: noon.UnixMilli()}, Lane: lane.ID{Slot: 3, Incarnation: 17}, Seq: 9, Key: op.Key, Args: op.Args}
	return api.Plan{Event: e, Topic: geo.Topic(op.Region), Partition: 5}, f.refuse
}

func (f *fakeSource) Follow(ctx context.Context, _ int, each func(News) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-f.news:
			if err := each(n); err != nil {
				return err
			}
		}
	}
}

func (f *fakeSource) Sim(context.Context) (api.Sim, error) {
	defer f.lock()()
	f.asked("sim")
	return f.sim, f.err
}

func (f *fakeSource) StartSim(_ context.Context, start api.SimStart) (api.Sim, error) {
	defer f.lock()()
	f.asked("sim start %g", start.Rate)
	f.sim.Running, f.sim.Rate = true, start.Rate
	return f.sim, f.refuse
}

func (f *fakeSource) StopSim(context.Context) (api.Sim, error) {
	defer f.lock()()
	f.asked("sim stop")
	f.sim.Running = false
	return f.sim, f.refuse
}

func (f *fakeSource) SetSimRate(_ context.Context, rate float64) (api.Sim, error) {
	defer f.lock()()
	f.asked("sim rate %g", rate)
	f.sim.Rate = rate
	return f.sim, f.refuse
}

func (f *fakeSource) Lab(context.Context) (api.Lab, error) {
	defer f.lock()()
	f.asked("lab")
	return f.lab, f.labErr
}

func (f *fakeSource) link(flow geo.Flow, change func(*api.LabLink)) (api.Lab, error) {
	links := append([]api.LabLink(nil), f.lab.Links...)
	for i := range links {
		if links[i].From == flow.From && links[i].To == flow.To {
			change(&links[i])
		}
	}
	f.lab.Links = links
	return f.lab, f.refuse
}

func (f *fakeSource) CutLink(_ context.Context, flow geo.Flow) (api.Lab, error) {
	defer f.lock()()
	f.asked("cut %s", flow)
	return f.link(flow, func(l *api.LabLink) { l.State = "cut" })
}

func (f *fakeSource) HealLink(_ context.Context, flow geo.Flow) (api.Lab, error) {
	defer f.lock()()
	f.asked("heal %s", flow)
	return f.link(flow, func(l *api.LabLink) { l.State = "up" })
}

func (f *fakeSource) DelayLink(_ context.Context, flow geo.Flow, d time.Duration) (api.Lab, error) {
	defer f.lock()()
	f.asked("delay %s %v", flow, d)
	return f.link(flow, func(l *api.LabLink) { l.DelayMS = d.Milliseconds() })
}

func (f *fakeSource) StopRegion(_ context.Context, region string) (api.Lab, error) {
	defer f.lock()()
	f.asked("stop %s", region)
	return f.lab, f.refuse
}

func (f *fakeSource) StartRegion(_ context.Context, region string) (api.Lab, error) {
	defer f.lock()()
	f.asked("start %s", region)
	return f.lab, f.refuse
}

// take returns the calls since the last time, without the regular looks.
func (f *fakeSource) take() []string {
	defer f.lock()()
	var calls []string
	for _, c := range f.calls {
		if c != "status" && c != "sim" && c != "lab" && !strings.HasPrefix(c, "state ") {
			calls = append(calls, c)
		}
	}
	f.calls = nil
	if len(calls) > 0 && strings.HasPrefix(calls[0], "key ") { // regions are asked at once
		slices.Sort(calls)
	}
	return calls
}

// screen is a program under test.
type screen struct {
	*Model
	t      testing.TB
	fake   *fakeSource
	now    time.Time
	copied string
	quit   bool // the program was asked to end
	stops  int  // times it was asked to stop
}

func newScreen(t testing.TB, w, h int, regions ...string) *screen {
	if len(regions) == 0 {
		regions = []string{"us", "eu", "ap"}
	}
	return newScreenWith(t, w, h, Options{Regions: regions, Theme: ThemeDark, NoColor: true})
}

func newScreenWith(t testing.TB, w, h int, o Options) *screen {
	t.Helper()
	s := &screen{t: t, fake: newFake(t, o.Regions...), now: noon}
	o.Source, o.Title, o.API = s.fake, "attached to", "http://127.0.0.1:8080"
	o.Mix = []Share{{"purchase", 50}, {"cart add", 20}, {"cart drop", 10}, {"vip join", 10}, {"restock", 5}, {"inventory race", 5}}
	o.Wall, o.Zone, o.Out = func() time.Time { return s.now }, time.UTC, os.Stdout
	c := newCommon(t.Context(), o)
	c.renderer.SetColorProfile(termenv.Ascii)
	if !o.NoColor {
		c.renderer.SetColorProfile(termenv.TrueColor)
	}
	s.Model = newModel(c, o)
	s.Model.copy = func(text string) tea.Cmd { s.copied = text; return nil }
	s.Model.stop = func() tea.Cmd { s.stops++; return nil }
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	s.look()
	return s
}

// send gives a message to Update and returns the command.
func (s *screen) send(msg tea.Msg) tea.Cmd {
	s.fake.drawing.Store(true)
	defer s.fake.drawing.Store(false)
	_, cmd := s.Update(msg)
	return cmd
}

// run carries out a command and gives its answer to Update.
func (s *screen) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.QuitMsg:
		s.quit = true
	default:
		s.run(s.send(msg))
	}
}

// look is one look at the cluster, twice, so that it stands still between.
func (s *screen) look() {
	for range 2 {
		s.send(s.poll()())
		if n := s.inspector(); n != nil {
			s.run(n.read(s.regions.report))
		}
	}
	if n := s.inspector(); n != nil {
		s.send(s.poll()())
	}
}

// press presses keys, as bubbletea names them, and carries out what they ask for.
func (s *screen) press(keys ...string) {
	for _, k := range keys {
		s.run(s.send(keyPress(k)))
	}
}

func (s *screen) typeText(text string) {
	for _, r := range text {
		s.run(s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
	}
}

// keyPress makes the message whose String is k.
func keyPress(k string) tea.KeyMsg {
	for t := tea.KeyType(-120); t < 130; t++ {
		if msg := (tea.KeyMsg{Type: t}); msg.String() == k && t != tea.KeyRunes {
			return msg
		}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
}

// draw returns the screen and checks its size.
func (s *screen) draw() string {
	s.t.Helper()
	s.fake.drawing.Store(true)
	text := s.View()
	s.fake.drawing.Store(false)
	checkSize(s.t, text, s.layout.width, s.layout.height)
	return text
}

func checkSize(t testing.TB, text string, w, h int) {
	t.Helper()
	lines := strings.Split(text, "\n")
	if len(lines) != h {
		t.Errorf("%d lines, want %d", len(lines), h)
	}
	for i, line := range lines {
		if got := lipgloss.Width(line); got != w {
			t.Errorf("line %d has %d cells, want %d: %q", i, got, w, line)
			return
		}
	}
}

// written makes an event of a region, n milliseconds after noon.
func written(origin string, index int, n int64, args event.Args, key string) event.Event {
	return event.Event{
		Version: 1, MinVersion: 1, ID: fmt.Sprintf("01M838ZVVB%s%04d", strings.ToUpper(origin), n), Origin: origin,
		HLC:  hlc.Timestamp{Physical: noon.UnixMilli() - 10_000 + n, Region: uint8(index)},
		Lane: lane.ID{Slot: 3, Incarnation: 1795400000000000}, Seq: n + 1, Key: []byte(key), Args: args,
	}
}

// seenIn and appliedIn are observations of an event in a region.
func seenIn(e event.Event, region string, delay int64) api.Observation {
	return api.Observation{
		Kind: api.KindSeen, Region: region, AtMS: e.HLC.Physical + delay, DelayMS: delay,
		Topic: geo.Topic(e.Origin), Partition: geo.PartitionOf(e.Key), Offset: e.Seq + 40, Event: e,
	}
}

func appliedIn(e event.Event, region string, delay int64, outcome event.Outcome) api.Observation {
	o := seenIn(e, region, delay)
	o.Kind, o.Outcome = api.KindApplied, outcome
	return o
}

// everywhere is an event that was seen and applied in each region in turn.
func everywhere(e event.Event, regions []string, outcome event.Outcome) []api.Observation {
	var list []api.Observation
	for i, r := range regions {
		list = append(list, seenIn(e, r, int64(2+3*i)), appliedIn(e, r, int64(4+5*i), outcome))
	}
	return list
}

// observe delivers observations as the feed would.
func (s *screen) observe(list ...api.Observation) {
	s.send(feedMsg{observations: list, connected: true, fresh: true})
}

// traffic is a log with every operation, outcome and state of a block.
func (s *screen) traffic() {
	regions := s.c.regions
	us := regions[0]
	last := regions[len(regions)-1]
	b := func(t string) []byte { return []byte(t) }
	score := []event.ScoredMember{{Member: b("ann"), Score: 1299}}
	pair := []event.FieldValue{{Field: b("sku"), Value: b("laptop")}, {Field: b("price"), Value: b("1299")}}
	args := []event.Args{
		event.Set{Value: b("93")}, event.Set{Value: b("open door"), ExpireAtMS: noon.UnixMilli() + 60_000}, event.Del{}, event.Incr{Delta: 1}, event.Incr{Delta: -5},
		event.SAdd{Members: [][]byte{b("ann"), b("bob")}}, event.SRem{Members: [][]byte{b("ann")}}, event.ZAdd{Members: score}, event.ZRem{Members: [][]byte{b("ann")}},
		event.HSet{Fields: pair}, event.HDel{Fields: [][]byte{b("sku")}}, event.XAdd{Fields: pair},
		event.XDel{IDs: []event.StreamID{{MS: 1795400000000, Seq: 1}}}, event.XTrim{MinID: event.StreamID{MS: 1795400000000}},
	}
	keys := []string{"inventory:laptop", "door:front", "door:back", "sales:total", "inventory:laptop", "cart:active", "cart:active", "leaderboard:spenders",
		"leaderboard:spenders", "session:42", "session:42", "orders:feed", "orders:feed", "orders:feed"}
	var list []api.Observation
	for i, a := range args {
		list = append(list, everywhere(written(us, 0, int64(i), a, keys[i]), regions, event.Applied)...)
	}
	older := written(us, 0, 20, event.Set{Value: b("lost the race")}, "inventory:lastSeen")
	list = append(list, everywhere(older, regions, event.Superseded)...)
	again := written(us, 0, 21, event.Incr{Delta: 7}, "sales:total")
	list = append(list, everywhere(again, regions, event.Duplicate)...)
	bad := written(us, 0, 22, event.Set{Value: b("x")}, "geokv:mine")
	for _, o := range everywhere(bad, regions, event.Rejected) {
		o.Reason = "reserved key"
		list = append(list, o)
	}
	unclear := written(us, 0, 23, event.Set{Value: b("y")}, "restarted")
	list = append(list, everywhere(unclear, regions, event.Unknown)...)
	undecoded := seenIn(written(us, 0, 24, event.Del{}, "from-the-future"), us, 3)
	undecoded.Event = event.Event{Key: b("from-the-future")}
	undecoded.Reason = "schema 99 is unknown"
	list = append(list, undecoded)
	onTheWay := written(last, len(regions)-1, 25, event.Set{Value: b("only there")}, "inventory:lastSeen")
	list = append(list, seenIn(onTheWay, last, 1), appliedIn(onTheWay, last, 3, event.Applied))
	if len(regions) > 1 {
		list = append(list, seenIn(onTheWay, us, 1830))
	}
	s.observe(list...)
}

// own makes a key that some regions hold, with the event that wrote it.
func (s *screen) own(key, value string, regions ...string) {
	e := written(regions[0], s.c.place(regions[0]), int64(len(s.events.rows)+40), event.Set{Value: []byte(value)}, key)
	for _, region := range regions {
		s.fake.keys[region][key] = api.KeyPage{Region: region, AtMS: noon.UnixMilli(), Total: int64(len(value)),
			View: crdt.View{Key: []byte(key), Value: crdt.Value{Type: crdt.String, String: []byte(value)}}}
		s.observe(seenIn(e, region, 1), appliedIn(e, region, 2, event.Applied))
	}
}

func windowSize(w, h int) tea.WindowSizeMsg { return tea.WindowSizeMsg{Width: w, Height: h} }
