package web_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/watch"
	"github.com/geokv/geokv/internal/web"
)

const token = "0123456789abcdef0123456789abcdef"

var began = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// fakeService answers from memory and remembers what it was asked.
type fakeService struct {
	hub *watch.Hub

	serves   []string // nil: all regions
	mu       sync.Mutex
	err      error // what every method returns when set
	outcome  event.Durability
	ops      []event.Operation
	keyQuery api.KeyQuery
	awaited  []string
	sinceMS  int64
	logQuery api.LogQuery
	logLines int
	logErr   error
	view     crdt.View
	recent   []api.Observation
	hold     chan struct{} // Await waits for it when set
}

func newFake() *fakeService {
	return &fakeService{
		hub: watch.NewHub(began, 0), outcome: event.Durable,
		view: crdt.View{Value: crdt.Value{Type: crdt.String, String: []byte("10")}, Parked: []crdt.Value{{Type: crdt.Set, Members: [][]byte{[]byte("a")}}}},
	}
}

func (f *fakeService) Topology() geo.Topology { return geo.Default() }
func (f *fakeService) Regions() []string {
	if f.serves != nil {
		return f.serves
	}
	return geo.Default().Names()
}

func (f *fakeService) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeService) Ready(context.Context) error { return f.fail() }

func (f *fakeService) Produce(_ context.Context, op event.Operation) (event.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops = append(f.ops, op)
	return receipt(f.outcome), f.err
}

func receipt(outcome event.Durability) event.Receipt {
	return event.Receipt{
		EventID: "01JCK", Region: "eu", Topic: "eu.events", Partition: 3, Offset: 7,
		HLC: event.Stamp{PhysicalMS: 1700000000000, Logical: 5, Region: "eu"}, Slot: 2, Incarnation: 1700000000000000, Seq: 9, Outcome: outcome,
	}
}

func (f *fakeService) Plan(_ context.Context, op event.Operation) (api.Plan, error) {
	return api.Plan{Event: sampleEvent(1), Topic: "eu.events", Partition: geo.PartitionOf(op.Key)}, f.fail()
}

func (f *fakeService) Key(_ context.Context, q api.KeyQuery) (api.KeyPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keyQuery = q
	v := f.view
	v.Key = q.Key
	return api.KeyPage{Region: q.Region, AtMS: 5, View: v, Total: 2, Next: "next", Facts: &api.Facts{Type: "string", Parked: []string{"set"}}}, f.err
}

func (f *fakeService) Keys(_ context.Context, q api.KeysQuery) (api.KeyList, error) {
	return api.KeyList{Region: q.Region, Keys: []event.Bytes{event.Bytes(q.Match), {0xff}}, Cursor: q.Cursor + "x"}, f.fail()
}

func (f *fakeService) State(_ context.Context, region string) (api.RegionState, error) {
	return api.RegionState{Region: region, AtMS: 6, Keys: []api.KeyPage{{Region: region, View: crdt.View{Key: []byte("sales:total")}}}}, f.fail()
}

func (f *fakeService) Status(context.Context) (api.Report, error) {
	return api.Report{
		AtMS: 7, Converged: true, Registry: "http://r", API: "http://a",
		Regions: []api.RegionReport{{
			Name: "us", State: api.StateUp, Kafka: []string{"k:1"}, Redis: "r:1", Keys: 4, Counters: api.Counters{Applied: 12, QuarantineDropped: 3},
			Origins: []api.OriginReport{{Origin: "eu", LagEvents: 3, LagMS: 1500}},
			Alarms:  []api.Alarm{{Code: "BLOCKED", Count: 2}},
		}, {
			Name: "ap", State: api.StateDown, Keys: api.Unknown,
			Origins: []api.OriginReport{{Origin: "us", MirrorGap: api.Unknown}},
		}},
		Flows: []api.FlowReport{{From: "us", To: "eu", State: "up", GapEvents: 8}, {From: "us", To: "ap", State: "down", GapEvents: api.Unknown}},
	}, f.fail()
}

func (f *fakeService) Await(ctx context.Context, r event.Receipt, regions []string) (api.Awaited, error) {
	f.mu.Lock()
	f.awaited = regions
	hold, err := f.hold, f.err
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return api.Awaited{}, fail.Wrap(fail.Timeout, ctx.Err(), "wait for ap")
		}
	}
	return api.Awaited{Receipt: r.Token(), WaitedMS: 3, Regions: []api.AwaitedRegion{{Region: "ap", Applied: true}}}, err
}

func (f *fakeService) Events() *watch.Hub { return f.hub }

func (f *fakeService) Recent(_ context.Context, limit int, sinceMS int64) ([]api.Observation, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sinceMS = sinceMS
	return f.recent[max(0, len(f.recent)-limit):], 41, f.err
}

func (f *fakeService) Log(_ context.Context, q api.LogQuery, emit func(api.Observation) error) error {
	f.mu.Lock()
	f.logQuery = q
	n, logErr := f.logLines, f.logErr
	f.mu.Unlock()
	for i := range n {
		if err := emit(observation(i)); err != nil {
			return err
		}
	}
	return logErr
}

// fakeSim is a simulator that only remembers.
type fakeSim struct{ state api.Sim }

func (f *fakeSim) State() api.Sim { return f.state }
func (f *fakeSim) Start(_ context.Context, s api.SimStart) (api.Sim, error) {
	f.state = api.Sim{Running: true, Rate: s.Rate, Seed: s.Seed, Regions: s.Regions}
	return f.state, nil
}
func (f *fakeSim) Stop(context.Context) (api.Sim, error) {
	f.state.Running = false
	return f.state, nil
}
func (f *fakeSim) SetRate(_ context.Context, rate float64) (api.Sim, error) {
	f.state.Rate = rate
	return f.state, nil
}

// fakeLab is a lab that only remembers.
type fakeLab struct{ lab api.Lab }

func (f *fakeLab) Describe() api.Lab      { return f.lab }
func (f *fakeLab) Cut(fl geo.Flow) error  { return f.link(fl, api.ActionCut, 0) }
func (f *fakeLab) Heal(fl geo.Flow) error { return f.link(fl, api.ActionHeal, 0) }
func (f *fakeLab) Delay(fl geo.Flow, d time.Duration) error {
	return f.link(fl, api.ActionDelay, d.Milliseconds())
}
func (f *fakeLab) link(fl geo.Flow, action string, delayMS int64) error {
	f.lab.Links = append(f.lab.Links, api.LabLink{From: fl.From, To: fl.To, State: api.FlowState(action), DelayMS: delayMS})
	return nil
}
func (f *fakeLab) StopRegion(_ context.Context, name string) error  { return f.region(name, false) }
func (f *fakeLab) StartRegion(_ context.Context, name string) error { return f.region(name, true) }
func (f *fakeLab) region(name string, up bool) error {
	f.lab.Regions = append(f.lab.Regions, api.LabRegion{Region: name, Up: up})
	return nil
}

func sampleEvent(n int) event.Event {
	return event.Event{
		Version: event.FormatVersion, MinVersion: event.FormatVersion, ID: "e", Origin: "eu",
		HLC:  hlc.Timestamp{Physical: 1700000000000 + int64(n), Region: 1},
		Lane: lane.ID{Slot: 1, Incarnation: 1}, Seq: int64(n + 1), Key: []byte("k"), Args: event.Incr{Delta: int64(n)},
	}
}

func observation(n int) api.Observation {
	return api.Observation{Kind: api.KindSeen, Region: "us", AtMS: 1700000000000 + int64(n), Topic: "eu.events", Offset: int64(n), Event: sampleEvent(n)}
}

// observations makes n of them, numbered from first.
func observations(first, n int) []api.Observation {
	out := make([]api.Observation, n)
	for i := range out {
		out[i] = observation(first + i)
	}
	return out
}

// fixture is a server over fakes on a loopback port.
type fixture struct {
	*fakeService
	sim    *fakeSim
	lab    *fakeLab
	server *web.Server
	http   *httptest.Server
	client *client.Client
}

func newFixture(t *testing.T, change ...func(*web.Config)) *fixture {
	t.Helper()
	f := &fixture{fakeService: newFake(), sim: &fakeSim{}, lab: &fakeLab{lab: api.Lab{Stack: "embedded", Links: []api.LabLink{}, Regions: []api.LabRegion{}}}}
	c := web.Config{Service: f.fakeService, Sim: f.sim, Lab: f.lab, Token: token, Version: "v1"}
	for _, ch := range change {
		ch(&c)
	}
	var err error
	if f.server, err = web.New(c); err != nil {
		t.Fatal(err)
	}
	f.http = httptest.NewServer(f.server.Handler())
	if f.client, err = client.New(client.Config{URL: f.http.URL, Token: token}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.hub.Close() // ends the streams, so that Close need not wait for them
		f.client.CloseIdleConnections()
		f.http.Close()
	})
	return f
}

func (f *fakeService) set(change func(*fakeService)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeService) lastOp() event.Operation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ops) == 0 {
		return event.Operation{}
	}
	return f.ops[len(f.ops)-1]
}

func (f *fakeService) askedKey() api.KeyQuery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keyQuery
}

func names(all []api.Observation) []int64 {
	out := make([]int64, len(all))
	for i, o := range all {
		out[i] = o.Offset
	}
	return slices.Clone(out)
}

func jsonUnmarshal(text string, v any) error { return json.Unmarshal([]byte(text), v) }
