package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/addrtest"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// Every method of the client reaches the method it is for, arguments and
// answers unchanged.
func TestEveryCallSurvivesTheWire(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	health, err := f.client.Health(ctx)
	must(err)
	same(t, "health", health.Regions, []string{"us", "eu", "ap"})
	if health.Status != "ok" || health.Version != "v1" || !health.Writes || health.Epoch != f.hub.Epoch() {
		t.Errorf("health %+v", health)
	}

	op := event.Operation{Region: "eu", Key: []byte("k\xff/ü"), Args: event.SAdd{Members: [][]byte{[]byte("a"), {0xfe}}}, EventID: "mine"}
	got, err := f.client.Produce(ctx, op)
	must(err)
	same(t, "receipt", got, receipt(event.Durable))
	same(t, "operation", f.lastOp(), op)

	f.set(func(f *fakeService) { f.outcome = event.FateUnknown })
	got, err = f.client.Produce(ctx, op)
	must(err)
	same(t, "receipt of an unknown fate", got.Outcome, event.FateUnknown)

	plan, err := f.client.Plan(ctx, op)
	must(err)
	same(t, "plan", plan, api.Plan{Event: sampleEvent(1), Topic: "eu.events", Partition: geo.PartitionOf(op.Key)})

	q := api.KeyQuery{Region: "us", Key: []byte("a/b//../\x00\xff?#%"), Limit: 17, Cursor: "c=&"}
	page, err := f.client.Key(ctx, q)
	must(err)
	same(t, "key query", f.askedKey(), q)
	wantView := f.view
	wantView.Key = q.Key
	same(t, "key", page, api.KeyPage{Region: "us", AtMS: 5, View: wantView, Total: 2, Next: "next", Facts: &api.Facts{Type: "string", Parked: []string{"set"}}})

	_, err = f.client.Key(ctx, api.KeyQuery{Region: "us", Key: q.Key, Limit: api.WholeValue})
	must(err)
	same(t, "limit of a whole value", f.askedKey().Limit, api.WholeValue)

	q.Type = crdt.Set
	page, err = f.client.Key(ctx, q)
	must(err)
	same(t, "parked value", page.View, crdt.View{Key: q.Key, Value: f.view.Parked[0]})
	q.Type = crdt.Hash
	page, err = f.client.Key(ctx, q)
	must(err)
	same(t, "value of a type it has not", page.View, crdt.View{Key: q.Key})

	keys, err := f.client.Keys(ctx, api.KeysQuery{Region: "ap", Match: "a*", Cursor: "7", Limit: 3})
	must(err)
	same(t, "keys", keys, api.KeyList{Region: "ap", Keys: []event.Bytes{event.Bytes("a*"), {0xff}}, Cursor: "7x"})

	state, err := f.client.State(ctx, "ap")
	must(err)
	wantState, _ := f.State(ctx, "ap")
	same(t, "state", state, wantState)

	report, err := f.client.Status(ctx)
	must(err)
	wantReport, _ := f.Status(ctx)
	same(t, "status", report, wantReport)

	awaited, err := f.client.Await(ctx, receipt(event.Durable), []string{"ap", "us", "ap"}, time.Second)
	must(err)
	same(t, "awaited", awaited.Regions, []api.AwaitedRegion{{Region: "ap", Applied: true}})
	same(t, "awaited regions", f.awaited, []string{"ap", "us"})
	same(t, "awaited receipt", awaited.Receipt, receipt(event.Durable).Token())
	_, err = f.client.Await(ctx, receipt(event.Durable), nil, time.Second)
	must(err)
	same(t, "awaited without regions", f.awaited, []string{"us", "eu", "ap"})
	f.serves = []string{"us", "ap"}
	_, err = f.client.Await(ctx, receipt(event.Durable), nil, time.Second)
	must(err)
	same(t, "awaited of a server of two regions", f.awaited, []string{"us", "ap"})
	served, err := f.client.Health(ctx)
	must(err)
	same(t, "regions of a server of two", served.Regions, []string{"us", "ap"})

	sim, err := f.client.StartSim(ctx, api.SimStart{Rate: 50, Seed: 9, Regions: []string{"us"}})
	must(err)
	same(t, "sim start", sim, api.Sim{Running: true, Rate: 50, Seed: 9, Regions: []string{"us"}})
	sim, err = f.client.SetSimRate(ctx, 75.5)
	must(err)
	same(t, "sim rate", sim.Rate, 75.5)
	sim, err = f.client.StopSim(ctx)
	must(err)
	again, err := f.client.Sim(ctx)
	must(err)
	same(t, "sim stop", again, sim)

	us2eu := geo.Flow{From: "us", To: "eu"}
	_, err = f.client.CutLink(ctx, us2eu)
	must(err)
	_, err = f.client.DelayLink(ctx, us2eu, 300*time.Millisecond)
	must(err)
	_, err = f.client.HealLink(ctx, us2eu)
	must(err)
	_, err = f.client.StopRegion(ctx, "eu")
	must(err)
	lab, err := f.client.StartRegion(ctx, "eu")
	must(err)
	same(t, "links", lab.Links, []api.LabLink{{From: "us", To: "eu", State: "cut"}, {From: "us", To: "eu", State: "delay", DelayMS: 300}, {From: "us", To: "eu", State: "heal"}})
	same(t, "regions", lab.Regions, []api.LabRegion{{Region: "eu"}, {Region: "eu", Up: true}})
	again2, err := f.client.Lab(ctx)
	must(err)
	same(t, "lab", again2, lab)
}

// A token that no header can carry is refused before a write, whose fate would
// otherwise seem unknown.
func TestTokenThatCannotBeSent(t *testing.T) {
	if _, err := client.New(client.Config{URL: "127.0.0.1:1", Token: "two\nlines"}); fail.CodeOf(err) != fail.Usage {
		t.Errorf("got %v", err)
	}
}

func TestLogOverTheWire(t *testing.T) {
	f := newFixture(t)
	f.set(func(f *fakeService) { f.logLines = 3000 })
	q := api.LogQuery{SinceMS: 5, UntilMS: 9, Limit: 4000}
	var got []api.Observation
	collect := func(o api.Observation) error { got = append(got, o); return nil }
	if err := f.client.Log(t.Context(), q, collect); err != nil {
		t.Fatal(err)
	}
	same(t, "query", f.logQuery, q)
	same(t, "lines", got, observations(0, 3000))

	got = nil
	all := api.LogQuery{SinceMS: 5, UntilMS: 9}
	if err := f.client.Log(t.Context(), all, collect); err != nil {
		t.Fatal(err)
	}
	same(t, "query without a limit", f.logQuery, all)

	got = nil
	f.set(func(f *fakeService) {
		f.logLines, f.logErr = 2, fail.New(fail.Unavailable, "Kafka of eu went away").WithHint("start it")
	})
	err := f.client.Log(t.Context(), q, collect)
	if fail.CodeOf(err) != fail.Unavailable || fail.HintOf(err) != "start it" || len(got) != 2 {
		t.Errorf("a failure after two lines: %d lines and %v", len(got), err)
	}
	f.set(func(f *fakeService) { f.logLines = 0 })
	if err := f.client.Log(t.Context(), q, collect); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("a failure before any line: %v", err)
	}
	f.set(func(f *fakeService) { f.logLines, f.logErr = 2, nil })
	enough := errors.New("enough")
	if err := f.client.Log(t.Context(), q, func(api.Observation) error { return enough }); err != enough {
		t.Errorf("emit's error: got %v", err)
	}
}

// Whatever code the service answers with, the client gets the same error.
func TestErrorsSurviveTheWire(t *testing.T) {
	statuses := map[fail.Code]int{
		fail.Internal: 500, fail.Usage: 400, fail.Rejected: 422, fail.NotFound: 404, fail.NotAllowed: 403, fail.WrongType: 409,
		fail.Unavailable: 503, fail.Rebuilding: 503, fail.Clock: 503, fail.Busy: 503, fail.Timeout: 504, fail.Diverged: 409,
	}
	f := newFixture(t)
	for code, status := range statuses {
		f.set(func(f *fakeService) { f.err = fail.New(code, "tick eu: %s", code).WithHint("hint of %s", code) })
		_, err := f.client.Produce(t.Context(), event.Operation{Key: []byte("k"), Args: event.Del{}})
		var got *fail.Error
		if !errors.As(err, &got) || got.Code != code || got.Message != "tick eu: "+string(code) || got.Hint != "hint of "+string(code) {
			t.Errorf("%s: got %+v", code, err)
		}
		resp, err := http.Get(f.http.URL + "/api/status")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", code, resp.StatusCode, status)
		}
	}
}

func TestClientWithTheWrongToken(t *testing.T) {
	f := newFixture(t)
	c, err := client.New(client.Config{URL: f.http.URL, Token: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	_, err = c.Produce(t.Context(), event.Operation{Key: []byte("k"), Args: event.Del{}})
	if fail.CodeOf(err) != fail.NotAllowed || fail.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("reads need no token: %v", err)
	}
}

// A write whose answer got lost may be in the log: calling it failed would make
// its writer repeat it.
func TestProduceWithoutAnAnswerIsUnknown(t *testing.T) {
	op := event.Operation{Region: "eu", Key: []byte("k"), Args: event.Del{}, EventID: "mine"}
	answers := map[string]http.HandlerFunc{
		"connection dropped": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"gateway timeout":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 504) },
		"truncated answer":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"event_id":`)) },
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
			<-r.Context().Done()
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(answer)
			s.Config.ErrorLog = nil
			s.Start()
			defer s.Close()
			c, err := client.New(client.Config{URL: s.URL, Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdleConnections()
			got, err := c.Produce(t.Context(), op)
			want := event.Receipt{EventID: "mine", Region: "eu", Partition: geo.PartitionOf(op.Key), Offset: -1, Outcome: event.FateUnknown}
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			if _, err := c.Status(t.Context()); err == nil {
				t.Error("a read without an answer did not fail")
			}
		})
	}
}

func TestProduceThatWasNeverSentHasFailed(t *testing.T) {
	c, err := client.New(client.Config{URL: addrtest.Refusing(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Produce(t.Context(), event.Operation{Key: []byte("k"), Args: event.Del{}})
	if fail.CodeOf(err) != fail.Unavailable || fail.HintOf(err) == "" {
		t.Errorf("got %v, want UNAVAILABLE with a hint", err)
	}
}

func TestClientRefusesABadAddress(t *testing.T) {
	for _, bad := range []string{"", "ftp://x", "http://", "http://%zz"} {
		if _, err := client.New(client.Config{URL: bad}); fail.CodeOf(err) != fail.Usage {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	c, err := client.New(client.Config{URL: "127.0.0.1:8080"})
	if err != nil || !slices.Contains([]string{"http://127.0.0.1:8080"}, c.URL()) {
		t.Errorf("got %v", err)
	}
}
