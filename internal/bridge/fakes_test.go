package bridge_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
)

var eu = geo.Region{Name: "eu", Index: 1}

// fakeRegistry knows one schema.
type fakeRegistry struct {
	mu   sync.Mutex
	text string
	down bool
}

func (r *fakeRegistry) Schema(context.Context, int) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text, nil
}

func (r *fakeRegistry) Register(_ context.Context, _, schema string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return 0, errors.New("registry is down")
	}
	r.text = schema
	return 1, nil
}

// rig is one region: its log, its Redis and as many bridges as a test opens.
type rig struct {
	t     testing.TB
	log   *fakeLog
	redis *fakeRedis
	codec *avro.Codec

	mu   sync.Mutex
	skew time.Duration // of the wall clock of every bridge
}

func newRig(t testing.TB) *rig {
	return &rig{t: t, log: newFakeLog(), redis: newFakeRedis(), codec: avro.NewCodec(&fakeRegistry{}, "")}
}

// wall is a clock that the test moves by skew.
func (g *rig) wall() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Add(g.skew)
}

func (g *rig) setClock(skew time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.skew = skew
}

func (g *rig) open() *bridge.Bridge { return g.openWith(nil) }

func (g *rig) openWith(change func(*bridge.Config)) *bridge.Bridge {
	g.t.Helper()
	cfg := bridge.Config{
		Region: eu, Topics: []string{"us.events", "eu.events"},
		Log: g.log, Codec: g.codec, Guard: g.redis, Positions: g.redis, Leases: g.redis, Wall: g.wall,
	}
	if change != nil {
		change(&cfg)
	}
	b, err := bridge.Open(g.t.Context(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// run keeps the bridge tended until stop is called.
func (g *rig) run(b *bridge.Bridge) (stop func()) {
	ctx, cancel := context.WithCancel(g.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func op(t testing.TB, line string) event.Operation {
	t.Helper()
	words, err := event.SplitWords(line)
	if err != nil {
		t.Fatal(err)
	}
	o, err := event.ParseCommand(words)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (g *rig) write(b *bridge.Bridge, line string) event.Receipt {
	g.t.Helper()
	r, err := b.Write(g.t.Context(), op(g.t, line))
	if err != nil {
		g.t.Fatalf("%s: %v", line, err)
	}
	return r
}

func alarmed(b *bridge.Bridge, code string) bool {
	for _, a := range b.State().Alarms {
		if a.Code == code {
			return true
		}
	}
	return false
}

func stampOf(r event.Receipt) hlc.Timestamp {
	return hlc.Timestamp{Physical: r.HLC.PhysicalMS, Logical: r.HLC.Logical, Region: uint8(eu.Index)}
}
