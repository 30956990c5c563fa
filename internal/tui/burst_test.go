package tui

import (
	"cmp"
	"context"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/polltest"
)

const (
	burstRate = 2000 // events a second, six observations each
	keyLimit  = 100 * time.Millisecond
)

// burst makes the observations of the events from n on, as three regions report
// them.
func burst(from, n int64, at func(i int64) int64) []api.Observation {
	regions := []string{"us", "eu", "ap"}
	list := make([]api.Observation, 0, 6*n)
	for i := from; i < from+n; i++ {
		origin := int(i % 3)
		e := written(regions[origin], origin, i, event.Set{Value: []byte("a value of some forty bytes, as they are")}, "inventory:laptop")
		e.HLC.Physical = at(i)
		list = append(list, everywhere(e, regions, event.Applied)...)
	}
	return list
}

// TestBurstTurnsAreShort drives the program with 2,000 events a second for ten
// seconds and more, as fast as it can: one turn takes a delivery of the feed, the
// next a key, and each is drawn. A key waits for one turn at most and needs its
// own, so both together bound key to frame. Processor time is measured, so that a
// busy machine does not fail the test.
func TestBurstTurnsAreShort(t *testing.T) {
	s := newScreen(t, 200, 50)
	perTurn := int64(burstRate * feedInterval / time.Second)
	turns := int(15 * time.Second / feedInterval)
	var waits []time.Duration
	var early, late uint64
	next := int64(0)
	for turn := range turns {
		list := burst(next, perTurn, func(i int64) int64 { return noon.UnixMilli() + i/2 })
		began := usage()
		s.send(feedMsg{observations: list, connected: true, fresh: true})
		_ = s.View()
		s.send(keyPress([]string{"up", "end"}[turn%2]))
		_ = s.View()
		waits = append(waits, usage()-began)
		next += perTurn
		switch turn {
		case turns * 3 / 4: // the log is full by now
			early = heap()
		case turns - 1:
			late = heap()
		}
	}
	slices.Sort(waits)
	p99 := waits[len(waits)*99/100]
	t.Logf("%d events in %d turns: key to frame p50 %v p99 %v max %v, heap %d MiB, then %d MiB", next, turns, waits[len(waits)/2], p99, waits[len(waits)-1], early>>20, late>>20)
	if p99 > keyLimit {
		t.Errorf("p99 %v, want at most %v", p99, keyLimit)
	}
	if late > early+early/5+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", early, late)
	}
	if len(s.events.rows) > maxRows || len(s.events.index) != len(s.events.rows) || s.events.evicted != uint64(next)-uint64(len(s.events.rows)) {
		t.Errorf("%d rows, %d indexed, %d made room, of %d events", len(s.events.rows), len(s.events.index), s.events.evicted, next)
	}
	if s.events.dropped+s.events.lost != 0 {
		t.Errorf("%d observations dropped", s.events.dropped+s.events.lost)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestBurstOfTheWholeProgram runs the program itself under the same load, on the
// clock: ten seconds in CI, as long as GEOKV_BURST says elsewhere (60s is what
// the promise is about), not at all in a quick run. The turns above hold the
// same bound without a clock.
func TestBurstOfTheWholeProgram(t *testing.T) {
	length := 10 * time.Second
	if text := os.Getenv("GEOKV_BURST"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	} else if os.Getenv("CI") == "" {
		t.Skip("set GEOKV_BURST=60s")
	}
	s := newScreen(t, 200, 50)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	source := &streaming{fakeSource: s.fake}
	probe := &probe{Model: s.Model, begun: map[int]time.Time{}}
	s.c.source, s.c.ctx = source, ctx
	s.c.wall = time.Now
	program := tea.NewProgram(probe, tea.WithContext(ctx), tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutSignalHandler())
	feeding, endFeed := context.WithCancel(ctx)
	fed, ran := make(chan struct{}), make(chan error, 1)
	go func() { defer close(fed); s.feed.run(feeding, source) }()
	go func() { _, err := program.Run(); ran <- err }()
	before, began := usage(), time.Now()
	program.Send(tea.WindowSizeMsg{Width: 200, Height: 50})
	for n := 0; time.Since(began) < length; n++ {
		probe.expect(n)
		program.Send(probeKey{n, keyPress([]string{"up", "end"}[n%2])})
		time.Sleep(20 * time.Millisecond)
	}
	took, used := time.Since(began), usage()-before
	endFeed()
	<-fed
	// What ends the program here would lose what is on its way to it.
	polltest.Until(t, "each observation was handed over or dropped", func() bool { return probe.fed.Load() == 6*source.sent })
	program.Quit()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	slices.Sort(probe.waits)
	for i := range probe.waits {
		probe.waits[i] += time.Second / 60 // the renderer's own frame
	}
	p99 := probe.waits[len(probe.waits)*99/100]
	t.Logf("%v at %d events/s: %d keys, key to frame p50 %v p99 %v max %v; %d frames; CPU %.0f %% of a core; heap %d MiB; %d rows, %d made room, %d dropped",
		took.Round(time.Second), burstRate, len(probe.waits), probe.waits[len(probe.waits)/2], p99, probe.waits[len(probe.waits)-1], probe.frames,
		100*used.Seconds()/took.Seconds(), heap()>>20, len(s.events.rows), s.events.evicted, s.events.dropped)
	// The wall clock is only judged on request: a machine that runs other tests
	// beside this one delays keys by itself. TestBurst judges by processor time.
	if p99 > keyLimit && os.Getenv("GEOKV_BURST") != "" {
		t.Errorf("p99 %v, want at most %v", p99, keyLimit)
	}
	// An event is missing only when all six of its observations were dropped.
	shown := uint64(len(s.events.rows)) + s.events.evicted
	if sent := source.sent; shown > sent || shown+s.events.dropped/6 < sent {
		t.Errorf("%d events sent, %d shown and %d observations counted as dropped", sent, shown, s.events.dropped)
	}
}

// streaming is a source with a stream at the burst's rate.
type streaming struct {
	*fakeSource
	sent uint64 // events; to be read when Follow has ended
}

func (s *streaming) Follow(ctx context.Context, _ int, each func(News) error) error {
	tick := time.NewTicker(50 * time.Millisecond) // as the server batches
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			n := int64(now.Sub(began).Seconds()*burstRate) - int64(s.sent)
			list := burst(int64(s.sent), n, func(int64) int64 { return now.UnixMilli() })
			s.sent += uint64(n)
			if err := each(News{Observations: list}); err != nil {
				return err
			}
		}
	}
}

// probe measures from the sending of a key to the view that follows it, and
// counts what the feed brings.
type probe struct {
	*Model
	fed    atomic.Uint64 // observations, shown or dropped
	mu     sync.Mutex
	begun  map[int]time.Time
	last   int
	waits  []time.Duration
	frames int
}

type probeKey struct {
	n   int
	key tea.KeyMsg
}

func (p *probe) expect(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun[n] = time.Now()
}

func (p *probe) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case probeKey:
		p.last = m.n + 1
		msg = m.key
	case feedMsg:
		defer p.fed.Add(uint64(len(m.observations)) + m.dropped)
	}
	return p, p.update(msg)
}

func (p *probe) View() string {
	text := p.Model.View()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames++
	if began, ok := p.begun[p.last-1]; ok {
		p.waits = append(p.waits, time.Since(began))
		delete(p.begun, p.last-1)
	}
	return text
}

func usage() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(cmp.Or(u.Utime.Nano(), 0) + u.Stime.Nano())
}

func BenchmarkView(b *testing.B) {
	s := newScreen(b, 200, 50)
	s.traffic()
	for b.Loop() {
		_ = s.View()
	}
}

func BenchmarkUpdate(b *testing.B) {
	l := newEventLog(&common{regions: []string{"us", "eu", "ap"}, glyphs: unicodeGlyphs})
	l.SetSize(100, 40)
	list := burst(0, 132, func(i int64) int64 { return i })
	b.ReportAllocs()
	for b.Loop() {
		l.add(news{observations: list})
	}
}
