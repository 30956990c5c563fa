package crdt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

type vector struct {
	Name   string        `json:"name"`
	Now    int64         `json:"now"`
	Events []event.Event `json:"events"`
	View   View          `json:"view"`
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	f, err := os.Open("testdata/fold.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []vector
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("line %d: %v", len(out)+1, err)
		}
		out = append(out, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestVectorsInEveryOrder folds each of the contract's cases in every order of
// its events.
func TestVectorsInEveryOrder(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) != 40 {
		t.Fatalf("got %d vectors, want 40", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			for _, e := range v.Events {
				if err := e.Validate(); err != nil {
					t.Fatalf("%s: %v", e.ID, err)
				}
			}
			want := v.View.AppendCanonical(nil)
			permute(v.Events, func(order []event.Event) {
				got := fold(order).View(v.View.Key, v.Now).AppendCanonical(nil)
				if !bytes.Equal(got, want) {
					t.Fatalf("order %v:\n got %s\nwant %s", stamps(order), got, want)
				}
			})
			printed := Fold(v.Events, v.Now)
			if v.View.Empty() != (len(printed) == 0) {
				t.Errorf("fold prints %d views, want none only for an empty view", len(printed))
			}
		})
	}
}

// TestVectorViewsRoundTrip reads and writes the contract's views.
func TestVectorViewsRoundTrip(t *testing.T) {
	for _, v := range readVectors(t) {
		var back View
		if err := json.Unmarshal(v.View.AppendCanonical(nil), &back); err != nil || !back.Equal(v.View) {
			t.Errorf("%s: got %s, %v", v.Name, back.AppendCanonical(nil), err)
		}
	}
}

// permute calls f with every order of events (Heap's algorithm); with -short,
// with some orders of the longest lists only.
func permute(events []event.Event, f func([]event.Event)) {
	order := append([]event.Event(nil), events...)
	count, every := 0, 1
	if testing.Short() && len(events) > 7 {
		every = 31
	}
	var visit func(n int)
	visit = func(n int) {
		if n <= 1 {
			if count++; count%every == 0 {
				f(order)
			}
			return
		}
		for i := range n {
			visit(n - 1)
			if n%2 == 0 {
				order[i], order[n-1] = order[n-1], order[i]
			} else {
				order[0], order[n-1] = order[n-1], order[0]
			}
		}
	}
	visit(len(order))
}

func stamps(events []event.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.HLC.String() + " " + string(e.Op())
	}
	return out
}
