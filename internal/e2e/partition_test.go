package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// TestConflictingWritesOnBothSidesOfACutConverge cuts us from eu and ap by the
// control API, writes every kind of conflict on both sides, and heals.
func TestConflictingWritesOnBothSidesOfACutConverge(t *testing.T) {
	ctx := bounded(t)
	c := newHome(t).up("--memory")
	for _, region := range c.regions() {
		c.conflict(ctx, region, 0) // what both sides start from
	}
	c.awaitConverged(ctx)

	flows := []geo.Flow{{From: "us", To: "eu"}, {From: "us", To: "ap"}, {From: "eu", To: "us"}, {From: "ap", To: "us"}}
	for _, f := range flows {
		if _, err := c.api.CutLink(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	for round := 1; round <= 5; round++ {
		for _, region := range c.regions() {
			c.conflict(ctx, region, round)
		}
	}
	onlyUS := c.produce(ctx, event.Operation{Region: "us", Key: []byte("where"), Args: event.Set{Value: []byte("us")}})
	other := c.produce(ctx, event.Operation{Region: "eu", Key: []byte("where"), Args: event.Set{Value: []byte("eu")}})
	c.mustAwait(ctx, onlyUS, "us")
	c.mustAwait(ctx, other, "eu", "ap")
	c.cutIsReal(ctx)

	for _, f := range flows {
		if _, err := c.api.HealLink(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	union := c.viewsEqualFold(ctx)
	if _, ok := union[identityOf(onlyUS)]; !ok {
		t.Errorf("%s is in no log", onlyUS.Token())
	}
	for _, region := range c.regions() {
		if got := c.redis(t, region).Get(ctx, "where").Val(); got != "eu" { // written last
			t.Errorf("%s: where = %q, want the later write's eu", region, got)
		}
	}
	t.Logf("%d events of both sides, every view equal to their fold", len(union))
}

func (c *cluster) mustAwait(ctx context.Context, r event.Receipt, regions ...string) {
	c.t.Helper()
	if _, err := c.api.Await(ctx, r, regions, patience); err != nil {
		report, _ := c.api.Status(context.WithoutCancel(ctx)) // what is known then
		text, _ := json.Marshal(report)
		c.t.Fatalf("%v\nstatus: %s", err, text)
	}
}

// cutIsReal fails the test when the two sides hold the same: then the cut did
// not work and what follows would show nothing.
func (c *cluster) cutIsReal(ctx context.Context) {
	c.t.Helper()
	us, eu := c.redis(c.t, "us").Get(ctx, "where").Val(), c.redis(c.t, "eu").Get(ctx, "where").Val()
	if us != "us" || eu != "eu" {
		c.t.Fatalf("during the cut us has %q and eu has %q: the cut did not work", us, eu)
	}
	report, err := c.api.Status(ctx)
	if err != nil || report.Converged {
		c.t.Fatalf("during the cut the status says converged (%v)", err)
	}
}

// conflict writes to keys that the other regions write to as well, every
// operation among them, and to one key with every type.
func (c *cluster) conflict(ctx context.Context, region string, round int) {
	c.t.Helper()
	text := fmt.Appendf(nil, "%s-%d", region, round)
	shared := []byte("shared")
	for _, w := range []struct {
		key  string
		args event.Args
	}{
		{"register", event.Set{Value: text}},
		{"counter", event.Incr{Delta: int64(round + 1)}},
		{"set", event.SAdd{Members: [][]byte{shared, text}}},
		{"board", event.ZAdd{Members: []event.ScoredMember{{Member: shared, Score: float64(round)}, {Member: text, Score: 1}}}},
		{"hash", event.HSet{Fields: []event.FieldValue{{Field: shared, Value: text}}}},
		{"feed", event.XAdd{Fields: []event.FieldValue{{Field: []byte("by"), Value: text}}}},
	} {
		c.produce(ctx, event.Operation{Region: region, Key: []byte(w.key), Args: w.args})
	}
	switch round % 3 {
	case 0:
		c.produce(ctx, event.Operation{Region: region, Key: []byte("set"), Args: event.SRem{Members: [][]byte{shared}}})
	case 1:
		c.produce(ctx, event.Operation{Region: region, Key: []byte("board"), Args: event.ZRem{Members: [][]byte{shared}}})
		c.produce(ctx, event.Operation{Region: region, Key: []byte("counter"), Args: event.Set{Value: []byte("100")}})
	case 2:
		c.produce(ctx, event.Operation{Region: region, Key: []byte("hash"), Args: event.HDel{Fields: [][]byte{shared}}})
		c.produce(ctx, event.Operation{Region: region, Key: []byte("feed"), Args: event.Del{}})
	}
	c.anyType(ctx, region, round)
}

// anyType writes one key as another type in every region; a region that sees
// another type is refused as Redis refuses it, which is no failure here.
func (c *cluster) anyType(ctx context.Context, region string, round int) {
	c.t.Helper()
	args := map[string]event.Args{
		"us": event.SAdd{Members: [][]byte{[]byte("m")}},
		"eu": event.ZAdd{Members: []event.ScoredMember{{Member: []byte("m"), Score: float64(round)}}},
		"ap": event.Incr{Delta: 1},
	}[region]
	_, _ = c.api.Produce(ctx, event.Operation{Region: region, Key: fmt.Appendf(nil, "any:%d", round), Args: args})
}
