package view

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view/redistest"
)

// engine is a server that the rules must hold on.
type engine struct {
	name string
	real bool
	url  string
}

// onEngines runs f on the embedded server and on a real one.
func onEngines(t *testing.T, f func(t *testing.T, e engine)) {
	t.Run("miniredis", func(t *testing.T) {
		f(t, engine{"miniredis", false, "redis://" + miniredis.RunT(t).Addr()})
	})
	t.Run("redis", func(t *testing.T) {
		f(t, engine{"redis", true, redistest.Start(t).URL})
	})
}

func openDB(t testing.TB, url string) *DB {
	t.Helper()
	db, err := Open(Config{URL: url, DB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

const testNow int64 = 1_800_000_000_000

// feed applies events of any keys as one partition's log of one topic, the way
// a materializer does: duplicates filtered by lanes, repairs answered from the log.
type feed struct {
	t       testing.TB
	db      *DB
	log     []event.Event // accepted so far, without duplicates
	offset  int64
	lanes   map[string]map[lane.ID]lane.Set // per origin, as one topic stands for all
	seen    map[string]bool
	now     int64
	logical bool
	noFold  bool
	repairs int
}

func newFeed(t testing.TB, db *DB) *feed {
	return &feed{t: t, db: db, seen: map[string]bool{}, now: testNow, logical: true}
}

const testTopic = "us.events"

// apply sends one batch and returns the outcomes of the events that are no duplicates.
func (f *feed) apply(events ...event.Event) []event.Outcome {
	f.t.Helper()
	b := NewBatch(f.now, f.logical)
	if f.noFold {
		b.DisableFolding()
	}
	var top hlc.Timestamp
	for _, e := range events {
		id := fmt.Sprint(e.Origin, e.Lane, e.Seq, string(e.Key))
		if f.seen[id] {
			continue
		}
		f.seen[id] = true
		f.log = append(f.log, e)
		b.Add(e)
		top = hlc.Max(top, e.HLC)
	}
	to := f.offset + int64(len(events))
	b.Ranges = []Range{{Topic: testTopic, From: f.offset, To: to, HLC: top}}
	outcomes, err := f.send(b)
	if err != nil {
		f.t.Fatalf("apply: %v", err)
	}
	f.offset = to
	return outcomes
}

func (f *feed) send(b *Batch) ([]event.Outcome, error) {
	ctx := context.Background()
	outcomes, err := f.db.Apply(ctx, b)
	var repair *RepairError
	if errors.As(err, &repair) {
		f.repairs++
		b.Installs = recount(f.t, repair.Keys, f.log)
		outcomes, err = f.db.Apply(ctx, b)
	}
	return outcomes, err
}

func recount(t testing.TB, keys []RepairKey, log []event.Event) []Install {
	t.Helper()
	installs, err := Recount(keys, func(each func(event.Event)) error {
		for _, e := range log {
			each(e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return installs
}

// views reads every key of the log.
func (f *feed) views(now int64) []crdt.View {
	f.t.Helper()
	var keys [][]byte
	for _, e := range f.log {
		if !slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(e.Key) }) {
			keys = append(keys, e.Key)
		}
	}
	slices.SortFunc(keys, func(a, b []byte) int { return slices.Compare(a, b) })
	all, err := f.db.ReadMany(context.Background(), keys, ReadOptions{Now: now})
	if err != nil {
		f.t.Fatal(err)
	}
	return slices.DeleteFunc(all, crdt.View.Empty)
}

func canonical(views []crdt.View) string {
	var b []byte
	for _, v := range views {
		b = append(v.AppendCanonical(b), '\n')
	}
	return string(b)
}

func describe(events []event.Event) string {
	out := ""
	for _, e := range events {
		text, _ := e.MarshalJSON()
		out += string(text) + "\n"
	}
	return out
}

// vector is one line of the published fold vectors.
type vector struct {
	Name   string        `json:"name"`
	Now    int64         `json:"now"`
	Events []event.Event `json:"events"`
	View   crdt.View     `json:"view"`
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.Open("../crdt/testdata/fold.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []vector
	for s := bufio.NewScanner(file); s.Scan(); {
		var v vector
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if len(out) < 40 {
		t.Fatalf("%d vectors, want at least 40", len(out))
	}
	return out
}

func flush(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }
