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
	moving    bool // a write is applied everywhere between any two reports
	expireAt  int64
}

func (c *changing) Regions() []string { return []string{"0", "1", "2"} }

func (c *changing) Status(context.Context) (api.Report, error) {
	c.reads++
	origin := api.OriginReport{End: 7, Applied: 7}
	if c.moving {
		origin.End, origin.Applied = int64(c.reads), int64(c.reads)
	}
	if !c.converged {
		origin.LagEvents = 1
	}
	region := api.RegionReport{Name: "0", Origins: []api.OriginReport{origin}}
	return api.Report{Converged: c.converged, Regions: []api.RegionReport{region}}, nil
}

func (c *changing) Key(_ context.Context, q api.KeyQuery) (api.KeyPage, error) {
	if q.Limit != api.WholeValue {
		c.t.Errorf("region %s is asked for %d elements, want the whole value", q.Region, q.Limit)
	}
	value := c.texts[min(c.reads, len(c.texts)-1)][q.Region[0]-'0']
	if value == '*' {
		return api.KeyPage{}, fmt.Errorf("no answer")
	}
	view := crdt.View{Key: q.Key, Value: crdt.Value{Type: crdt.String, String: []byte{value}}, ExpireAtMS: c.expireAt}
	return api.KeyPage{AtMS: 5000, View: view}, nil
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

// A difference is real only when nothing moved while it was read: under traffic
// every reading may straddle a write although every report says converged.
func TestDifferenceUnderTrafficIsPending(t *testing.T) {
	for name, tt := range map[string]struct {
		b    changing
		want string
	}{
		"standing still":       {changing{converged: true}, verdictDifferent},
		"a write each time":    {changing{converged: true, moving: true}, verdictPending},
		"expired meanwhile":    {changing{converged: true, expireAt: 5200}, verdictPending},
		"to expire long after": {changing{converged: true, expireAt: 9000}, verdictDifferent},
	} {
		tt.b.t, tt.b.texts = t, []string{"aab", "bbc", "cce", "eef", "ffg"}
		c, err := compare(t.Context(), &tt.b, api.KeyQuery{Key: []byte("k"), Limit: api.WholeValue})
		if err != nil || c.Verdict != tt.want {
			t.Errorf("%s: got %s (%v), want %s", name, c.Verdict, err, tt.want)
		}
	}
}
