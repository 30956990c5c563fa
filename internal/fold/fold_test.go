package fold

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
)

// onEngines runs a test with each engine; the scripts on both servers.
func onEngines(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Run("model", func(t *testing.T) { test(t, Model()) })
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) { test(t, openRedis(t, start(t))) })
	}
}

func servers() map[string]func(*testing.T) string {
	return map[string]func(*testing.T) string{
		"miniredis": func(t *testing.T) string { return "redis://" + miniredis.RunT(t).Addr() },
		"redis":     func(t *testing.T) string { return redistest.Start(t).URL },
	}
}

const scratch = 3

func openRedis(t *testing.T, url string) *Redis {
	t.Helper()
	r, err := OpenRedis(context.Background(), url, scratch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func lines(events []event.Event) string {
	var b strings.Builder
	for _, e := range events {
		text, err := e.MarshalJSON()
		if err != nil {
			panic(err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}

func canonical(views []crdt.View) string {
	var b []byte
	for _, v := range views {
		if !v.Empty() {
			b = append(v.AppendCanonical(b), '\n')
		}
	}
	return string(b)
}

func folded(t *testing.T, in string, o Options) string {
	t.Helper()
	o.TempDir = t.TempDir()
	var out bytes.Buffer
	if _, err := Run(context.Background(), strings.NewReader(in), &out, o); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	return out.String()
}

// TestVectors folds each published vector on each engine in several orders,
// with repeats, in every cut.
func TestVectors(t *testing.T) {
	onEngines(t, func(t *testing.T, e Engine) {
		file, err := os.Open("../crdt/testdata/fold.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		n := 0
		for s := bufio.NewScanner(file); s.Scan(); n++ {
			var v struct {
				Name   string        `json:"name"`
				Now    int64         `json:"now"`
				Events []event.Event `json:"events"`
				View   crdt.View     `json:"view"`
			}
			if err := json.Unmarshal(s.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			want := canonical([]crdt.View{v.View})
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			for chunk := 0; chunk <= len(v.Events); chunk++ {
				order := crdttest.Shuffle(rng, v.Events)
				if got := folded(t, lines(order), Options{Engine: e, Now: v.Now, Chunk: chunk}); got != want {
					t.Errorf("%s, chunk %d\n got %swant %sorder:\n%s", v.Name, chunk, got, want, lines(order))
				}
			}
		}
		if n < 40 {
			t.Fatalf("%d vectors, want at least 40", n)
		}
	})
}

// TestHistories compares whole outputs with the model's on many keys, so that
// parts are merged in the order of keys.
func TestHistories(t *testing.T) {
	onEngines(t, func(t *testing.T, e Engine) {
		for seed := range uint64(3) {
			rng := rand.New(rand.NewPCG(seed, 2))
			keys := [][]byte{{0xff, 0}, {0}, []byte("a"), []byte("a\x00")}
			for i := range 60 {
				keys = append(keys, fmt.Append(nil, "key:", i))
			}
			events := crdttest.Generate(rng, crdttest.Options{Events: 600, Keys: keys})
			want := canonical(crdt.Fold(events, crdttest.DefaultNow))
			for _, chunk := range []int{0, 1, 13, 5000} {
				o := Options{Engine: e, Now: crdttest.DefaultNow, Chunk: chunk}
				if got := folded(t, lines(crdttest.Shuffle(rng, events)), o); got != want {
					t.Fatalf("seed %d, chunk %d\n got %s\nwant %s", seed, chunk, got, want)
				}
			}
		}
	})
}

// A late barrier below more increments than Redis remembers singly is answered
// from the temporary file.
func TestRepairFromTheSpool(t *testing.T) {
	onEngines(t, func(t *testing.T, e Engine) {
		var events []event.Event
		for i := range int64(400) {
			events = append(events, counterEvent("us", 0, i, i+1, event.Incr{Delta: i}))
		}
		events = append(events,
			counterEvent("eu", 1, 50, 1, event.Set{Value: []byte("1000")}), counterEvent("ap", 2, 120, 1, event.Del{}))
		want := canonical(crdt.Fold(events, crdttest.DefaultNow))
		for _, chunk := range []int{0, 100, 401} {
			if got := folded(t, lines(events), Options{Engine: e, Now: crdttest.DefaultNow, Chunk: chunk}); got != want {
				t.Errorf("chunk %d: got %s, want %s", chunk, got, want)
			}
		}
	})
}

func counterEvent(origin string, region uint8, ms, seq int64, args event.Args) event.Event {
	return event.Event{
		Version: 1, MinVersion: 1, ID: fmt.Sprint(origin, seq), Origin: origin,
		HLC:  hlc.Timestamp{Physical: crdttest.DefaultNow - 10_000 + ms, Region: region},
		Lane: lane.ID{Slot: 1, Incarnation: 1}, Seq: seq, Key: []byte("n"), Args: args,
	}
}

func TestBadLinesAreNamedAndPassed(t *testing.T) {
	good := lines([]event.Event{counterEvent("us", 0, 0, 1, event.Incr{Delta: 1})})
	bad := strings.Replace(good, `"seq":1`, `"seq":0`, 1)
	in := good + "{\n\n" + bad + strings.Repeat("x", maxLine+10) + "\n" + "[]\n" + strings.TrimSuffix(strings.Replace(good, `"seq":1`, `"seq":2`, 1), "\n")
	var named []string
	var out bytes.Buffer
	sum, err := Run(context.Background(), strings.NewReader(in), &out, Options{
		Engine: Model(), Now: crdttest.DefaultNow, TempDir: t.TempDir(),
		Rejected: func(line int, err error) { named = append(named, fmt.Sprint(line, " ", event.AsReject(err).Reason)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2 bad json", "4 bad seq", "5 record too large", "6 bad json"}
	if !slices.Equal(named, want) || sum != (Summary{Lines: 6, Rejected: 4, Views: 1}) {
		t.Errorf("named %q, want %q; summary %+v", named, want, sum)
	}
	if got := out.String(); got != `{"key":"n","type":"string","value":"2"}`+"\n" {
		t.Errorf("got %s", got)
	}
}

// What is not understood stops everything before the first line is written.
func TestFutureEventsBlock(t *testing.T) {
	good := lines([]event.Event{counterEvent("us", 0, 0, 1, event.Incr{Delta: 1})})
	for _, line := range []string{
		strings.Replace(good, `"op":"INCR"`, `"op":"HINCRBY"`, 1),
		strings.Replace(good, `{"event_id"`, `{"min_ver":2,"event_id"`, 1),
	} {
		var out bytes.Buffer
		_, err := Run(context.Background(), strings.NewReader(good+line), &out, Options{Engine: Model(), TempDir: t.TempDir()})
		var block *BlockError
		if !errors.As(err, &block) || block.Line != 2 || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", line, err, out.String())
		}
	}
}

// A database that holds anything is refused and left as it is; one that was
// used is empty afterwards, also after an interruption.
func TestScratchDatabase(t *testing.T) {
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			url, ctx := start(t), context.Background()
			raw, err := view.Open(view.Config{URL: url, DB: scratch})
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			size := func() int64 {
				n, err := raw.Size(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			r, err := OpenRedis(ctx, url, scratch)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := OpenRedis(ctx, url, scratch); fail.CodeOf(err) != fail.NotAllowed {
				t.Errorf("a claimed database is claimed again: %v", err)
			}
			stopped, cancel := context.WithCancel(ctx)
			in := lines([]event.Event{counterEvent("us", 0, 0, 1, event.Incr{Delta: 1})})
			_, err = Run(stopped, &cancelling{strings.NewReader(in), cancel}, &bytes.Buffer{}, Options{Engine: r, TempDir: t.TempDir()})
			if err == nil {
				t.Error("an interrupted fold succeeded")
			}
			if err := r.Close(ctx); err != nil || size() != 0 {
				t.Errorf("closed: %v, %d keys are left", err, size())
			}
			if err := raw.MarkRebuilding(ctx); err != nil { // any key at all
				t.Fatal(err)
			}
			if _, err := OpenRedis(ctx, url, scratch); fail.CodeOf(err) != fail.NotAllowed || size() != 1 {
				t.Errorf("a database with a key: %v, %d keys afterwards", err, size())
			}
		})
	}
	if _, err := OpenRedis(context.Background(), "redis://127.0.0.1:1", view.LeaseDB); fail.CodeOf(err) != fail.Usage {
		t.Errorf("the lease database: %v", err)
	}
}

// cancelling ends a context when it has been read.
type cancelling struct {
	*strings.Reader
	cancel context.CancelFunc
}

func (c *cancelling) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if err != nil {
		c.cancel()
	}
	return n, err
}

// FuzzLine feeds arbitrary lines: each gets one verdict, the same every time,
// and an accepted event survives being written again.
func FuzzLine(f *testing.F) {
	for _, e := range crdttest.Generate(rand.New(rand.NewPCG(1, 1)), crdttest.Options{Events: 40}) {
		text, _ := e.MarshalJSON()
		f.Add(text)
	}
	f.Add([]byte(`{"min_ver":2}`))
	f.Add([]byte(`{"op":"HINCRBY","hlc":{},"slot":0,"region_idx":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.ContainsAny(text, "\n") || len(bytes.TrimSpace(text)) == 0 {
			return
		}
		var lines []int
		run := func(in []byte) (string, Summary, error) {
			var out bytes.Buffer
			sum, err := Run(context.Background(), bytes.NewReader(in), &out, Options{
				Engine: Model(), Now: crdttest.DefaultNow, Rejected: func(line int, err error) {
					if event.AsReject(err) == nil {
						t.Fatalf("rejected without a reason: %v", err)
					}
					lines = append(lines, line)
				},
			})
			return out.String(), sum, err
		}
		once, sum, err := run(text)
		var block *BlockError
		if err != nil && !errors.As(err, &block) {
			t.Fatalf("no verdict: %v", err)
		}
		if sum.Rejected != len(lines) || sum.Rejected > sum.Lines {
			t.Fatalf("summary %+v, rejected lines %v", sum, lines)
		}
		if err != nil || sum.Rejected > 0 {
			return
		}
		var e event.Event
		if err := e.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		again, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if twice, _, err := run(slices.Concat(text, []byte("\n"), again)); err != nil || twice != once {
			t.Fatalf("once %s\ntwice %s (%v)", once, twice, err)
		}
	})
}
