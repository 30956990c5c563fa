package e2e

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/polltest"
)

// slack is how much longer than promised something may take in a test: the
// machine may be busy. What was measured is printed.
const slack = 5

func TestReadyAndEndWithinTwoSecondsAndNothingIsLost(t *testing.T) {
	ctx, h := bounded(t), newHome(t)
	c := h.up("--sim", "20")
	t.Logf("ready %v after the start of the process (geokv says %d ms)", c.took.Round(time.Millisecond), c.ready.ReadyMS)
	if c.took > slack*2*time.Second {
		t.Errorf("ready after %v, want 2s", c.took)
	}
	polltest.Until(t, "some traffic", func() bool {
		sim, err := c.api.Sim(ctx)
		return err == nil && sim.Produced >= 50
	})
	want := c.produce(ctx, event.Operation{Region: "eu", Key: []byte("acknowledged"), Args: event.Incr{Delta: 1}})
	code, took := c.interrupt()
	t.Logf("ended %v after the interrupt, with traffic", took.Round(time.Millisecond))
	if code != 130 && code != 0 {
		t.Errorf("exit code %d after an interrupt\n%s", code, c.stderr)
	}
	if took > slack*2*time.Second {
		t.Errorf("ended after %v, want 2s", took)
	}
	if _, err := c.api.Health(ctx); err == nil {
		t.Error("the API answers after the end")
	}

	again := h.up()
	union := again.viewsEqualFold(ctx)
	if _, ok := union[identityOf(want)]; !ok {
		t.Errorf("acknowledged write %s is gone", want.Token())
	}
	if len(union) < 50 {
		t.Errorf("%d events after the restart, want at least the 50 that were acknowledged", len(union))
	}
}

func identityOf(r event.Receipt) identity {
	return identity{r.Region, r.Partition, r.Lane(), r.Seq}
}

func TestProduceWaitAllReturnsWhenEveryRegionHasTheWrite(t *testing.T) {
	c := newHome(t).up()
	const repeats = 50
	var inside, whole []time.Duration
	for i := range repeats {
		region := c.regions()[i%3]
		began := time.Now()
		r := c.run("produce", "incr", "sales:total", "1", "--region", region, "--wait-all", "-o", "json")
		whole = append(whole, time.Since(began))
		if r.code != 0 {
			t.Fatalf("produce: exit code %d\n%s", r.code, r.stderr)
		}
		var receipt struct {
			Outcome  string `json:"outcome"`
			WaitedMS int64  `json:"waited_ms"`
		}
		if err := json.Unmarshal([]byte(r.stdout), &receipt); err != nil || receipt.Outcome != "durable" {
			t.Fatalf("receipt %s: %v", r.stdout, err)
		}
		inside = append(inside, time.Duration(receipt.WaitedMS)*time.Millisecond)
		if i%10 == 9 { // nothing is left to wait for: one value everywhere, at once
			c.getsOneValue("sales:total", i+1)
		}
	}
	t.Logf("geokv produce --wait-all, median of %d: %v as a command, of it %v waiting for the regions (worst %v)",
		repeats, median(whole).Round(time.Millisecond), median(inside), slices.Max(whole).Round(time.Millisecond))
	if m := median(whole); m > slack*300*time.Millisecond {
		t.Errorf("median %v, want under 300ms", m)
	}
}

func median(d []time.Duration) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

func (c *cluster) getsOneValue(key string, want int) {
	c.t.Helper()
	r := c.run("get", key, "--region", "all", "-o", "json")
	var got struct {
		Verdict string
		Regions []struct {
			Region string
			View   struct{ Value string }
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != 0 {
		c.t.Fatalf("get %s: exit code %d, %v\n%s%s", key, r.code, err, r.stdout, r.stderr)
	}
	if got.Verdict != "same" || len(got.Regions) != 3 {
		c.t.Errorf("get %s: %s", key, r.stdout)
	}
	for _, region := range got.Regions {
		if n, err := json.Number(region.View.Value).Int64(); err != nil || n != int64(want) {
			c.t.Errorf("%s in %s is %q, want %d", key, region.Region, region.View.Value, want)
		}
	}
}

func TestSecondUpIsRefusedAndNamesTheOwner(t *testing.T) {
	h := newHome(t)
	c := h.up()
	pid := strconv.Itoa(c.cmd.Process.Pid)
	h.fails(5, []string{"process " + pid + " runs a cluster in it", h.data, "hint: "}, "up")
	if r := h.run("status"); r.code != 0 {
		t.Errorf("the first cluster does not answer after the refusal: %s", r.stderr)
	}
	c.kill()
	h.up() // what a killed owner leaves behind is not in the way
}
