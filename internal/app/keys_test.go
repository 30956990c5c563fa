package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
)

// keyspace is scanned as Redis scans: a call returns whole buckets, whatever
// number was asked for, and the cursor is the bucket that comes next.
type keyspace struct {
	buckets [][]string
	calls   int
	atOnce  int // buckets per call
}

func (k *keyspace) scan(_ context.Context, cursor uint64, _ string, _ int) (keys [][]byte, next uint64, err error) {
	k.calls++
	end := min(int(cursor)+k.atOnce, len(k.buckets))
	for _, bucket := range k.buckets[cursor:end] {
		for _, name := range bucket {
			keys = append(keys, []byte(name))
		}
	}
	if end == len(k.buckets) {
		return keys, 0, nil
	}
	return keys, uint64(end), nil
}

func names(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("k%03d", (i*37)%1000)) // in no order
	}
	return list
}

// list reads all pages through the text of their cursors, as a client does, and
// calls between after each.
func (k *keyspace) list(t *testing.T, limit int, between func(page int)) (pages [][]string) {
	t.Helper()
	for cursor := ""; ; {
		from, err := parseCursor(cursor)
		if err != nil {
			t.Fatal(err)
		}
		keys, next, err := pageOfKeys(t.Context(), k.scan, api.KeysQuery{Limit: limit}, from)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, key := range keys {
			page = append(page, string(key))
		}
		if pages = append(pages, page); len(pages) > 5000 {
			t.Fatal("the pages have no end")
		}
		if cursor = next.String(); cursor == "" {
			return pages
		}
		between(len(pages))
	}
}

func TestPagesOfKeysKeepTheirLimitAndLoseNothing(t *testing.T) {
	all := names(0, 38)
	spread := make([][]string, 50) // most buckets are empty, some hold several
	for i, name := range all {
		spread[(i*i)%50] = append(spread[(i*i)%50], name)
	}
	for _, buckets := range [][][]string{{all}, spread, {}} {
		for _, atOnce := range []int{1, 7} {
			for _, limit := range []int{1, 2, 3, 10, 38, 100} {
				k := &keyspace{buckets: buckets, atOnce: atOnce}
				pages := k.list(t, limit, func(int) {})
				got := slices.Concat(pages...)
				slices.Sort(got)
				if want := slices.Sorted(slices.Values(slices.Concat(buckets...))); !slices.Equal(got, want) {
					t.Errorf("%d buckets, %d at once, limit %d: got %v, want each key once", len(buckets), atOnce, limit, got)
				}
				for i, page := range pages {
					if len(page) > limit || len(page) < limit && i < len(pages)-1 {
						t.Errorf("%d buckets, limit %d: page %d has %d keys", len(buckets), limit, i+1, len(page))
					}
				}
			}
		}
	}
}

// Keys come and go between pages, in the part that is being cut, and the scan
// begins to cover more in one call, as it does when a table shrinks.
func TestKeysThatStayAreListedWhateverChanges(t *testing.T) {
	stay := names(0, 60)
	k := &keyspace{buckets: [][]string{stay[:20], stay[20:40], stay[40:]}, atOnce: 1}
	pages := k.list(t, 3, func(page int) {
		k.buckets[0] = append(slices.Clone(stay[:20]), fmt.Sprintf("j%03d", page), fmt.Sprintf("z%03d", page))
		if page == 10 { // within the second bucket
			k.atOnce = 2
		}
	})
	got := slices.Concat(pages...)
	for _, name := range stay {
		if !slices.Contains(got, name) {
			t.Errorf("%s was never listed", name)
		}
	}
}

// A pattern that nothing matches must not hold one request for the whole view.
func TestAPageIsABoundedAmountOfWork(t *testing.T) {
	k := &keyspace{buckets: make([][]string, 100*scanMost), atOnce: 1}
	keys, next, err := pageOfKeys(t.Context(), k.scan, api.KeysQuery{Limit: 10}, scanCursor{})
	if err != nil || len(keys) > 0 || next.String() == "" || k.calls != scanMost {
		t.Errorf("got %d keys, cursor %q after %d calls (%v)", len(keys), next, k.calls, err)
	}
}

func TestBadKeysCursor(t *testing.T) {
	for _, text := range []string{"x", "-1", "1-2", "1-2-!", "a-2-YQ", "1-b-YQ", "99999999999999999999", "-", "--"} {
		if _, err := parseCursor(text); fail.CodeOf(err) != fail.Usage {
			t.Errorf("cursor %q: got %v", text, err)
		}
	}
	broken := func(context.Context, uint64, string, int) ([][]byte, uint64, error) {
		return nil, 0, errors.New("gone")
	}
	if _, _, err := pageOfKeys(t.Context(), broken, api.KeysQuery{Limit: 1}, scanCursor{}); err == nil {
		t.Error("a failed scan made a page")
	}
}
