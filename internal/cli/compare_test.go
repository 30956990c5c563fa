package cli

import (
	"context"
	"fmt"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
)

// changing is a cluster whose key holds, at each reading, what the next of its
// texts says: one letter per region, * for a region that cannot be read.
type changing struct {
	backend
	t         *testing.T
	texts     []string
	reads     int
	converged bool
}

func (c *changing) Regions() []string { return []string{"0", "1", "2"} }

func (c *changing) Status(context.Context) (api.Report, error) {
	c.reads++
	return api.Report{Converged: c.converged}, nil
}

func (c *changing) Key(_ context.Context, q api.KeyQuery) (api.KeyPage, error) {
	if q.Limit != api.WholeValue {
		c.t.Errorf("region %s is asked for %d elements, want the whole value", q.Region, q.Limit)
	}
	value := c.texts[min(c.reads, len(c.texts)-1)][q.Region[0]-'0']
	if value == '*' {
		return api.KeyPage{}, fmt.Errorf("no answer")
	}
	return api.KeyPage{View: crdt.View{Key: q.Key, Value: crdt.Value{Type: crdt.String, String: []byte{value}}}}, nil
}

func TestCompareRegions(t *testing.T) {
	for _, tt := range []struct {
		texts     []string
		converged bool
		want      string
	}{
		{[]string{"aaa"}, true, verdictSame},
		{[]string{"aab"}, false, verdictPending},
		{[]string{"aab"}, true, verdictDifferent},
		{[]string{"aab", "bbb"}, true, verdictSame}, // a write went by between the reads
		{[]string{"aab", "bbc", "cce"}, true, verdictDifferent},
		{[]string{"a*a"}, true, verdictUnavailable},
		{[]string{"a*b"}, true, verdictDifferent},
	} {
		b := &changing{t: t, texts: tt.texts, converged: tt.converged}
		q, err := getOptions{region: allRegions}.query("k")
		if err != nil {
			t.Fatal(err)
		}
		c, err := compare(t.Context(), b, q)
		if err != nil || c.Verdict != tt.want {
			t.Errorf("%v, converged %v: got %s (%v), want %s", tt.texts, tt.converged, c.Verdict, err, tt.want)
		}
	}
}
