package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/polltest"
)

// TestKillNineUnderLoadLosesNoAcknowledgedWrite kills the whole cluster twice
// while writers in every region keep the receipts they were given. What was
// acknowledged has to be in the logs and in every region's view afterwards.
func TestKillNineUnderLoadLosesNoAcknowledgedWrite(t *testing.T) {
	ctx, h := bounded(t), newHome(t)
	var acknowledged []event.Receipt
	for range 2 {
		c := h.up("--sim", "200")
		acknowledged = append(acknowledged, writeUntilKilled(ctx, c, 300)...)
	}
	c := h.up()
	readersSeeNothingHalfBuilt(ctx, c)
	union := c.viewsEqualFold(ctx)
	counted := map[string]int{}
	for _, r := range acknowledged {
		e, ok := union[identityOf(r)]
		switch {
		case !ok:
			t.Errorf("acknowledged write %s is in no log", r.Token())
		case e.ID != r.EventID:
			t.Errorf("%s is event %s, the receipt said %s", r.Token(), e.ID, r.EventID)
		default:
			counted[string(e.Key)]++
		}
	}
	for _, region := range c.regions() {
		for key, n := range counted { // every acknowledged increment counts; unacknowledged ones may
			got, err := c.redis(t, region).Get(ctx, key).Int()
			if err != nil || got < n {
				t.Errorf("%s in %s is %d (%v), %d increments were acknowledged", key, region, got, err, n)
			}
		}
	}
	t.Logf("%d writes acknowledged over two kills, %d events in the logs", len(acknowledged), len(union))
}

// writeUntilKilled lets several writers per region increment counters, kills
// the cluster when enough writes were acknowledged, while others are on their
// way, and returns the receipts.
func writeUntilKilled(ctx context.Context, c *cluster, enough int) []event.Receipt {
	c.t.Helper()
	const perRegion = 4
	var mu sync.Mutex
	var durable []event.Receipt
	var killed atomic.Bool
	reached := make(chan struct{})
	var writers sync.WaitGroup
	for _, region := range c.regions() {
		for w := range perRegion {
			key := fmt.Appendf(nil, "counter:%s:%d", region, w)
			writers.Go(func() {
				for ctx.Err() == nil {
					receipt, err := c.api.Produce(ctx, event.Operation{Region: region, Key: key, Args: event.Incr{Delta: 1}})
					if err != nil || receipt.Outcome != event.Durable {
						if !killed.Load() {
							c.t.Errorf("write before the kill: %s, %v", receipt.Outcome, err)
						}
						return
					}
					mu.Lock()
					if durable = append(durable, receipt); len(durable) == enough {
						close(reached)
					}
					mu.Unlock()
				}
			})
		}
	}
	select {
	case <-reached:
	case <-ctx.Done():
		c.t.Fatalf("%d of %d writes acknowledged in time", len(durable), enough)
	}
	killed.Store(true)
	c.kill()
	writers.Wait()
	return durable
}

// readersSeeNothingHalfBuilt reads like a stranger from the first moment on:
// until the view is complete the answer is LOADING, then it is the final value.
func readersSeeNothingHalfBuilt(ctx context.Context, c *cluster) {
	c.t.Helper()
	loading := 0
	for _, region := range c.regions() {
		r := c.redis(c.t, region)
		values := map[string]bool{}
		polltest.Until(c.t, "the view of "+region, func() bool {
			value, err := r.Get(ctx, "counter:us:0").Result()
			if err != nil {
				if !strings.HasPrefix(err.Error(), "LOADING") {
					c.t.Fatalf("%s: %v while the view is rebuilt", region, err)
				}
				loading++
				return false
			}
			values[value] = true
			return true
		})
		c.awaitConverged(ctx)
		final := r.Get(ctx, "counter:us:0").Val()
		if delete(values, final); len(values) > 0 {
			c.t.Errorf("%s: a reader saw %v, the value is %s", region, values, final)
		}
	}
	c.t.Logf("strangers were told LOADING %d times", loading)
}

// TestReadsWaitForTheRebuild restarts on a long log and reads at once: the API
// says REBUILDING with a percentage, Redis says LOADING, and the command line
// ends with 5, until the value is the right one.
func TestReadsWaitForTheRebuild(t *testing.T) {
	ctx, h := bounded(t), newHome(t)
	c := h.up()
	const increments = 1500
	var lines strings.Builder
	for i := range increments {
		fmt.Fprintf(&lines, `{"op":"INCR","key":"n","delta":1,"region":%q}`+"\n", c.regions()[i%3])
		fmt.Fprintf(&lines, `{"op":"SET","key":"k%d","value":%q}`+"\n", i, strings.Repeat("v", 100))
	}
	if r := h.runWith(lines.String(), "produce", "-", "--wait-all"); r.code != 0 {
		t.Fatalf("produce -: exit code %d\n%s", r.code, r.stderr)
	}
	c.kill()

	c = h.up()
	refused := 0
	polltest.Until(t, "the value", func() bool {
		r := h.run("get", "n", "-o", "json")
		if r.code == 5 && strings.Contains(r.stderr, "REBUILDING") && strings.Contains(r.stderr, "%") {
			refused++
			return false
		}
		if r.code != 0 || !strings.Contains(r.stdout, `"value": "`+strconv.Itoa(increments)+`"`) {
			t.Fatalf("get n while the view is rebuilt: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		return true
	})
	t.Logf("geokv get was told REBUILDING %d times", refused)
	c.viewsEqualFold(ctx)
}

// residentMB is the memory the process has now and has had at most.
func (c *cluster) residentMB() (now, most int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, 0 // not on Linux
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kb, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "VmRSS:":
			now = kb / 1024
		case "VmHWM:":
			most = kb / 1024
		}
	}
	return now, most
}
