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
	"github.com/geokv/geokv/internal/wal"
)

// A MirrorMaker process may live on with failed connectors and mirror nothing,
// and nothing but the missing records tells. So a canary, a record with the time
// it was sent, goes through every flow each second, in a topic of its own that
// the flow carries beside the events: <region>.canary. The same task reads and
// writes both. A flow whose canaries stay away for no reason is reported down,
// and the MirrorMaker of its target is started again.
const (
	canaryEvery = time.Second
	// silence is how long a canary may stay away without a reason.
	silence = 10 * time.Second
	// startGrace is how long a MirrorMaker has after its start until its silence
	// is reported: it starts for 5 to 20 s and then looks for topics.
	startGrace = 30 * time.Second
	// mendAfter is how long a flow is down before its MirrorMaker is restarted;
	// one that has carried nothing since its start has mendStart from then on,
	// or a busy machine would never get it started.
	mendAfter = 5 * time.Second
	mendStart = time.Minute
)

func canaryTopic(region string) string { return mm2.CanaryTopic(region) }

type canary struct {
	cluster *Cluster
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	sent    map[string]time.Time   // by source: the newest that its Kafka has
	arrived map[geo.Flow]time.Time // when the newest came
	took    map[geo.Flow][]time.Duration
	excused map[geo.Flow]time.Time // the last moment at which silence had a reason
	down    map[geo.Flow]time.Time // since when a flow is silent without a reason
	came    chan struct{}          // closed and replaced when one arrives
}

func newCanary(c *Cluster) *canary {
	return &canary{
		cluster: c, stop: func() {},
		sent: map[string]time.Time{}, arrived: map[geo.Flow]time.Time{}, took: map[geo.Flow][]time.Duration{},
		excused: map[geo.Flow]time.Time{}, down: map[geo.Flow]time.Time{}, came: make(chan struct{}),
	}
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
	for every(ctx, canaryEvery) {
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
		reader, err := r.log.Tail(ctx, wal.TailConfig{Topics: topics, From: wal.AtEnd()})
		if err == nil {
			k.poll(ctx, r, reader)
			reader.Close()
		}
		every(ctx, time.Second)
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
	k.arrived[f] = now
	if k.took[f] = append(k.took[f], now.Sub(at)); len(k.took[f]) > maxTook {
		k.took[f] = slices.Delete(k.took[f], 0, maxTook/2)
	}
	close(k.came)
	k.came = make(chan struct{})
}

// watch judges every flow twice a second and mends those that are down.
func (k *canary) watch(ctx context.Context) {
	restarts := map[string]int{} // by target, since it last carried everything
	for every(ctx, canaryEvery/2) {
		for _, f := range k.cluster.cfg.Topology.Flows() {
			since, isDown := k.judge(f, time.Now())
			if isDown && k.mayMend(f, since, restarts[f.To]) {
				k.cluster.cfg.Logger.Error("mirror is alive but carries nothing: starting it again", "flow", f.String())
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

// mayMend decides when a restart is due. One that did not help is repeated at
// growing intervals.
func (k *canary) mayMend(f geo.Flow, since time.Time, restarts int) bool {
	began := k.cluster.mirrors[f.To].process.Began()
	if k.carried(f, began) {
		return time.Since(since) > mendAfter
	}
	return time.Since(began) > mendStart<<min(restarts, 3)
}

// carried reports whether a canary came through the flow after a moment.
func (k *canary) carried(f geo.Flow, after time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.arrived[f].After(after)
}

// judge decides whether a flow is silent without a reason, and since when.
func (k *canary) judge(f geo.Flow, now time.Time) (since time.Time, isDown bool) {
	excused, delay := k.reason(f, now)
	k.mu.Lock()
	defer k.mu.Unlock()
	if excused.After(k.excused[f]) {
		k.excused[f] = excused
	}
	heard := k.arrived[f]
	if k.excused[f].After(heard) {
		heard = k.excused[f]
	}
	if now.Sub(heard) < silence+2*delay {
		if !k.down[f].IsZero() {
			k.cluster.cfg.Logger.Info("flow carries canaries again", "flow", f.String())
		}
		delete(k.down, f)
		return time.Time{}, false
	}
	if k.down[f].IsZero() {
		k.down[f] = now
		k.cluster.cfg.Logger.Error("flow is down: no canary came through", "flow", f.String(), "for", now.Sub(heard).Round(time.Second))
	}
	return k.down[f], true
}

// reason returns the last moment up to now at which silence was to be expected.
func (k *canary) reason(f geo.Flow, now time.Time) (excused time.Time, delay time.Duration) {
	c := k.cluster
	state, delay, touched := c.links[f].now()
	process := c.mirrors[f.To].process
	k.mu.Lock()
	sent := k.sent[f.From]
	k.mu.Unlock()
	switch {
	case state != open, !c.RegionUp(f.From), !c.RegionUp(f.To), !process.Alive(), now.Sub(sent) > silence/2:
		return now, delay
	}
	began := process.Began()
	if grown := began.Add(startGrace - silence); !k.carried(f, began) && grown.After(touched) {
		return earlier(grown, now), delay
	}
	return touched, delay
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// flowing reports whether every flow into the target carries canaries.
func (k *canary) flowing(target string) bool {
	began := k.cluster.mirrors[target].process.Began()
	k.mu.Lock()
	defer k.mu.Unlock()
	for f := range k.cluster.links {
		if _, down := k.down[f]; f.To == target && (down || !k.arrived[f].After(began)) {
			return false
		}
	}
	return true
}

// silent says whether a flow is down, and how long.
func (k *canary) silent(f geo.Flow) (down bool, detail string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	since, down := k.down[f]
	if !down {
		return false, ""
	}
	return true, fmt.Sprintf("MirrorMaker runs and has carried nothing for %s", (time.Since(since) + silence).Round(time.Second))
}

// awaitAll waits until every flow has carried a canary.
func (k *canary) awaitAll(ctx context.Context) error {
	for {
		k.mu.Lock()
		var missing []string
		for _, f := range k.cluster.cfg.Topology.Flows() {
			if k.arrived[f].IsZero() {
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

// every waits and reports whether ctx is still alive.
func every(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
