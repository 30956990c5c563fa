package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	luaparse "github.com/yuin/gopher-lua/parse"
)

// TestEveryMutantApplies keeps the list in step with the code: each change
// finds its place exactly once, and changes something.
func TestEveryMutantApplies(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		texts := map[string]string{}
		for _, c := range m.changes {
			text, ok := texts[c.file]
			if !ok {
				read, err := os.ReadFile(filepath.Join(root, c.file))
				if err != nil {
					t.Errorf("%s: %v", m.name, err)
					continue
				}
				text = string(read)
			}
			changed, err := c.apply(text)
			if err != nil || changed == text {
				t.Errorf("%s: %v (changed: %v)", m.name, err, changed != text)
				continue
			}
			texts[c.file] = changed
		}
		for file, text := range texts {
			if _, err := luaparse.Parse(strings.NewReader(text), file); strings.HasSuffix(file, ".lua") && err != nil {
				t.Errorf("%s: the mutant is no Lua: %v", m.name, err)
			}
		}
	}
}

// The list is complete: one mutant at least for each of the planted bugs that
// the suite must catch.
func TestListIsComplete(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range all {
		names = append(names, m.name)
	}
	for _, want := range []string{
		"max-seq-dedup", "relative-ttl", "no-barrier-on-elements", "stamps-as-strings", "late-xadd-dropped",
		"positions-from-kafka", "clamp-per-step", "skip-unknown-op", "position-before-data", "pipeline-reply-ignored",
		"region-index-from-config", "region-order-reversed", "repair-after-position", "sums-without-range", "settle-depends-on-now",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no mutant %s", want)
		}
	}
}

func TestChoiceIsByTheText(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, pick := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"} {
		once, _ := choose(slices.Clone(all), options{n: 3, pick: pick})
		again, _ := choose(slices.Clone(all), options{n: 3, pick: pick})
		for i, m := range once {
			seen[m.name] = true
			if m.name != again[i].name || slices.ContainsFunc(once[:i], func(o mutant) bool { return o.name == m.name }) {
				t.Errorf("%s chooses %v, then %v", pick, once, again)
			}
		}
		if len(once) != 3 {
			t.Errorf("%s chooses %d", pick, len(once))
		}
	}
	if len(seen) < len(all)/2 {
		t.Errorf("16 texts choose only %d of %d", len(seen), len(all))
	}
}
