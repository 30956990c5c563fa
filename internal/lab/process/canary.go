package process

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/mm2"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

// A MirrorMaker process may live on with failed connectors and mirror nothing,
// and nothing but the missing records tells. So a canary, a record with the time
// it was sent, goes through every flow each second, in a topic of its own that
// the flow carries beside the events: <region>.canary. The same task reads and
// writes both. A flow whose canaries stay away for no reason is reported down,
// and the MirrorMaker of its target is started again.
const canaryEvery = time.Second

func canaryTopic(region string) string { return mm2.CanaryTopic(region) }

type canary struct {
	cluster *Cluster
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	sent  map[string]time.Time // by source: the newest that its Kafka has
	flows map[geo.Flow]*signs
	took  map[geo.Flow][]time.Duration
	came  chan struct{} // closed and replaced when one arrives
}

func newCanary(c *Cluster) *canary {
	k := &canary{
		cluster: c, stop: func() {}, came: make(chan struct{}),
		sent: map[string]time.Time{}, flows: map[geo.Flow]*signs{}, took: map[geo.Flow][]time.Duration{},
	}
	for _, f := range c.cfg.Topology.Flows() {
		k.flows[f] = &signs{}
	}
	return k
}

func (k *canary) start() {
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	for _, r := range k.cluster.regions {
		k.running.Go(func() { k.send(ctx, r) })
		k.running.Go(func() { k.receive(ctx, r) })
	}
	k.running.Go(func() { k.watch(ctx) })
}

func (k *canary) close() {
	k.stop()
	k.running.Wait()
}

// send appends a canary to the region's own topic each second. One that cannot
// be stored is not counted: that is the source's trouble, not the flows'.
func (k *canary) send(ctx context.Context, r *region) {
	for pause.For(ctx, canaryEvery) {
		now := time.Now()
		trying, cancel := context.WithTimeout(ctx, 5*canaryEvery)
		_, err := r.log.AppendSync(trying, event.Record{
			Topic: canaryTopic(r.Name), Offset: -1, TimestampMS: now.UnixMilli(), Value: []byte(now.UTC().Format(time.RFC3339Nano)),
		})
		cancel()
		if err == nil {
			k.mu.Lock()
			k.sent[r.Name] = now
			k.mu.Unlock()
		}
	}
}

// receive notes the canaries of all other regions as they reach this one.
func (k *canary) receive(ctx context.Context, r *region) {
	var topics []string
	for _, name := range k.cluster.cfg.Topology.Names() {
		if name != r.Name {
			topics = append(topics, canaryTopic(name))
		}
	}
	for ctx.Err() == nil {
		reader, err := r.log.Tail(ctx, wal.TailConfig{Topics: topics, From: wal.AtEnd})
		if err == nil {
			k.poll(ctx, r, reader)
			reader.Close()
		}
		pause.For(ctx, time.Second)
	}
}

func (k *canary) poll(ctx context.Context, r *region, reader *wal.Reader) {
	for {
		fetch, err := reader.Poll(ctx, 100)
		if err != nil {
			return
		}
		for _, rec := range fetch.Records {
			source := strings.TrimSuffix(rec.Topic, canaryTopic(""))
			if at, err := time.Parse(time.RFC3339Nano, string(rec.Value)); err == nil {
				k.note(geo.Flow{From: source, To: r.Name}, at)
			}
		}
	}
}

// maxTook bounds the delays that are remembered per flow.
const maxTook = 600

func (k *canary) note(f geo.Flow, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	signs, known := k.flows[f]
	if !known {
		return // a record that is no canary of ours
	}
	signs.carried = now
	if k.took[f] = append(k.took[f], now.Sub(at)); len(k.took[f]) > maxTook {
		k.took[f] = slices.Delete(k.took[f], 0, maxTook/2)
	}
	close(k.came)
	k.came = make(chan struct{})
}

// watch judges every flow twice a second and mends those that are down.
func (k *canary) watch(ctx context.Context) {
	restarts := map[string]int{} // by target, since it last carried everything
	for pause.For(ctx, canaryEvery/2) {
		for _, f := range k.cluster.cfg.Topology.Flows() {
			if k.judge(f, time.Now(), restarts[f.To]) {
				k.cluster.cfg.Logger.Error("mirror carries nothing: starting it again", "flow", f.String())
				restarts[f.To]++
				k.cluster.mirrors[f.To].process.Restart()
			}
		}
		for target := range restarts {
			if k.flowing(target) {
				delete(restarts, target)
			}
		}
	}
}

// judge looks at a flow and reports whether its MirrorMaker, of which it is
// known how often it was started again in vain, is to be started again.
func (k *canary) judge(f geo.Flow, now time.Time, restarts int) (mend bool) {
	process := k.cluster.mirrors[f.To].process
	excused, delay := k.reason(f, now)
	began, alive := process.Began(), process.Alive()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.flows[f]
	was := !s.down.IsZero()
	s.look(now, excused, began, delay)
	is := !s.down.IsZero()
	switch {
	case is && !was:
		k.cluster.cfg.Logger.Error("flow is down: no canary came through", "flow", f.String(), "for", s.silentFor(now).Round(time.Second))
	case was && !is:
		k.cluster.cfg.Logger.Info("flow is no longer down", "flow", f.String())
	}
	return is && alive && now.After(s.mendAt(began, restarts))
}

// reason returns the last moment up to now at which silence was to be expected.
func (k *canary) reason(f geo.Flow, now time.Time) (excused time.Time, delay time.Duration) {
	c := k.cluster
	state, delay, touched := c.links[f].now()
	k.mu.Lock()
	sent := k.sent[f.From]
	k.mu.Unlock()
	if state != open || !c.RegionUp(f.From) || !c.RegionUp(f.To) || now.Sub(sent) > silence/2 {
		return now, delay
	}
	return touched, delay
}

// flowing reports whether every flow into the target carries canaries.
func (k *canary) flowing(target string) bool {
	began := k.cluster.mirrors[target].process.Began()
	k.mu.Lock()
	defer k.mu.Unlock()
	for f, s := range k.flows {
		if f.To == target && (!s.down.IsZero() || !s.carried.After(began)) {
			return false
		}
	}
	return true
}

// silent says whether a flow is down, and why.
func (k *canary) silent(f geo.Flow) (down bool, detail string) {
	mirror, started := k.cluster.mirrors[f.To]
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.flows[f]
	if !started || s.down.IsZero() {
		return false, ""
	}
	what := "MirrorMaker runs"
	if !mirror.process.Alive() {
		what = "MirrorMaker keeps ending"
	}
	return true, fmt.Sprintf("%s and has carried nothing for %s: see mirror-%s.log", what, s.silentFor(time.Now()).Round(time.Second), f.To)
}

// awaitAll waits until every flow has carried a canary.
func (k *canary) awaitAll(ctx context.Context) error {
	for {
		k.mu.Lock()
		var missing []string
		for _, f := range k.cluster.cfg.Topology.Flows() {
			if k.flows[f].carried.IsZero() {
				missing = append(missing, f.String())
			}
		}
		came := k.came
		k.mu.Unlock()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return fail.Wrap(fail.Timeout, context.Cause(ctx), "wait for the mirrors: nothing came through %s", strings.Join(missing, ", ")).
				WithHint("see mirror-*.log in %s", k.cluster.dirs.logs)
		}
	}
}

// MirrorDelays returns how long the newest canaries took through each flow.
func (c *Cluster) MirrorDelays() map[geo.Flow][]time.Duration {
	c.canary.mu.Lock()
	defer c.canary.mu.Unlock()
	out := map[geo.Flow][]time.Duration{}
	for f, took := range c.canary.took {
		out[f] = slices.Clone(took)
	}
	return out
}
