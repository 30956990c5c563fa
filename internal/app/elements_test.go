package app

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/view"
)

// atOnce answers as Redis does for a small set or hash: all of it, whatever
// number was asked for.
type atOnce struct {
	value crdt.Value
	asked view.ReadOptions
}

func (r *atOnce) ReadPage(_ context.Context, key []byte, o view.ReadOptions) (view.Page, error) {
	r.asked = o
	return view.Page{View: crdt.View{Key: key, Value: r.value}, Total: 25}, nil
}

func TestPagesOfElementsKeepTheirLimit(t *testing.T) {
	set, hash := crdt.Value{Type: crdt.Set}, crdt.Value{Type: crdt.Hash}
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("m%02d", i)
		want = append(want, name)
		set.Members = append(set.Members, []byte(name))
		hash.Fields = append(hash.Fields, event.FieldValue{Field: []byte(name), Value: []byte("v")})
	}
	for _, value := range []crdt.Value{set, hash} {
		reader := &atOnce{value: value}
		var got []string
		for q := (api.KeyQuery{Limit: 4}); ; {
			page, err := readElements(t.Context(), reader, q, 1)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, m := range page.View.Members {
				names = append(names, string(m))
			}
			for _, f := range page.View.Fields {
				names = append(names, string(f.Field))
			}
			if len(names) == 0 || len(names) > 4 {
				t.Fatalf("%v: a page of %d after %v", value.Type, len(names), got)
			}
			got = append(got, names...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: pages hold %v", value.Type, got)
		}
	}
}

func TestCursorsOfElements(t *testing.T) {
	reader := &atOnce{value: crdt.Value{Type: crdt.Stream}}
	for cursor, asked := range map[string]string{"": "", "17": "17", "1700000000000-51": "1700000000000-51", "8-0-bQ": "8"} {
		if _, err := readElements(t.Context(), reader, api.KeyQuery{Limit: 3, Cursor: cursor}, 1); err != nil || reader.asked.Cursor != asked {
			t.Errorf("cursor %q: asked Redis from %q (%v), want %q", cursor, reader.asked.Cursor, err, asked)
		}
	}
	if _, err := readElements(t.Context(), reader, api.KeyQuery{Limit: 3, Cursor: "here"}, 1); fail.CodeOf(err) != fail.Usage {
		t.Errorf("cursor here: got %v", err)
	}
	set := &atOnce{value: crdt.Value{Type: crdt.Set}}
	if _, err := readElements(t.Context(), set, api.KeyQuery{Limit: 3, Cursor: "1700000000000-51"}, 1); fail.CodeOf(err) != fail.Usage {
		t.Errorf("a stream's cursor on a set: got %v", err)
	}
	if _, err := readElements(t.Context(), reader, api.KeyQuery{Limit: api.WholeValue}, 1); err != nil || reader.asked != (view.ReadOptions{Now: 1, Most: api.MaxWhole}) {
		t.Errorf("a whole value is asked for as %+v (%v)", reader.asked, err)
	}
}
