//go:build realstack

package process_test

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// identity is what makes two records the same event.
type identity struct {
	topic     string
	partition int32
	lane      lane.ID
	seq       int64
}

// verdict is what verify found besides failures.
type verdict struct {
	events, records, keys int
	unknownInLog          int
}

// verify compares what the logs hold, what a model that shares no code with the
// materializers makes of it, what every Redis shows and what writers were told.
func (w *world) verify(l *ledger) verdict {
	w.Helper()
	var v verdict
	logs := map[string]map[identity]event.Event{}
	union := map[identity]event.Event{}
	for _, name := range w.topology.Names() {
		logs[name] = map[identity]event.Event{}
		for _, e := range w.events(name) {
			v.records++
			logs[name][e.id], union[e.id] = e.Event, e.Event
		}
	}
	v.events = len(union)
	for name, log := range logs {
		if len(log) != len(union) {
			w.Errorf("the Kafka of %s holds %d of %d events", name, len(log), len(union))
		}
	}
	v.unknownInLog = w.verifyLedger(l, union)
	v.keys = w.verifyViews(union)
	return v
}

type located struct {
	event.Event
	id identity
}

// events decodes every event topic of a region's Kafka.
func (w *world) events(region string) (all []located) {
	w.Helper()
	log := w.logs[region]
	registry, err := avro.NewRegistryClient(avro.RegistryConfig{URL: w.config.Registry.URL})
	if err != nil {
		w.Fatal(err)
	}
	codec := avro.NewCodec(registry, "")
	starts, err := log.Starts(w.Context(), w.topology.Topics()...)
	if err != nil {
		w.Fatal(err)
	}
	ends, err := log.Ends(w.Context(), w.topology.Topics()...)
	if err != nil {
		w.Fatal(err)
	}
	err = log.Scan(w.Context(), starts, ends, func(r event.Record) error {
		e, err := codec.Decode(w.Context(), r)
		if err != nil {
			return fmt.Errorf("decode %s/%d@%d in %s: %w", r.Topic, r.Partition, r.Offset, region, err)
		}
		all = append(all, located{e, identity{r.Topic, r.Partition, e.Lane, e.Seq}})
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// verifyLedger: every acknowledged write is in the log, and every counter is the
// sum of what was acknowledged and of what turned out to be in the log.
func (w *world) verifyLedger(l *ledger, union map[identity]event.Event) (unknownInLog int) {
	w.Helper()
	ids := map[string]bool{}
	for _, e := range union {
		ids[e.ID] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sums, lost := map[string]int64{}, 0
	for id, op := range l.durable {
		if !ids[id] {
			lost++
			continue
		}
		sums[op.key] += op.delta
	}
	for id, op := range l.unknown {
		if ids[id] {
			unknownInLog++
			sums[op.key] += op.delta
		}
	}
	if lost > 0 {
		w.Errorf("%d acknowledged writes are lost", lost)
	}
	for _, name := range w.topology.Names() {
		for i := range 20 {
			key := fmt.Sprintf("count:%d", i)
			if got := w.counter(name, key); got != sums[key] {
				w.Errorf("%s in %s is %d, acknowledged increments are %d", key, name, got, sums[key])
			}
		}
	}
	return unknownInLog
}

func (w *world) counter(region, key string) int64 {
	w.Helper()
	v := w.views(region, [][]byte{[]byte(key)})[0]
	if v.Type == crdt.None {
		return 0
	}
	n, err := strconv.ParseInt(string(v.String), 10, 64)
	if err != nil {
		w.Errorf("%s in %s: %v", key, region, err)
	}
	return n
}

// verifyViews: the fold of the union of all logs is what every Redis shows.
func (w *world) verifyViews(union map[identity]event.Event) (keys int) {
	w.Helper()
	all := make([]event.Event, 0, len(union))
	for _, e := range union {
		all = append(all, e)
	}
	want := crdt.Fold(all, time.Now().UnixMilli())
	for _, name := range w.topology.Names() {
		got := w.views(name, nil)
		if len(got) != len(want) {
			w.Errorf("%s shows %d keys, the fold of the logs has %d", name, len(got), len(want))
		}
		for _, v := range want {
			i := slices.IndexFunc(got, func(g crdt.View) bool { return string(g.Key) == string(v.Key) })
			switch {
			case i < 0:
				w.Errorf("%s does not show %q", name, v.Key)
			case !got[i].Equal(v):
				w.Errorf("%s: %s\n  the fold of the logs: %s", name, got[i].AppendCanonical(nil), v.AppendCanonical(nil))
			}
		}
	}
	return len(want)
}

// views reads keys of a region's Redis, all of them when none are named.
func (w *world) views(region string, keys [][]byte) []crdt.View {
	w.Helper()
	endpoint, _ := w.config.Region(region)
	db, err := view.Open(view.Config{URL: endpoint.RedisURL.Reveal(), DB: -1})
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	if keys == nil {
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			var page [][]byte
			if page, cursor, err = db.Scan(w.Context(), cursor, "*", 1000); err != nil {
				w.Fatal(err)
			}
			keys = append(keys, page...)
		}
		slices.SortFunc(keys, func(a, b []byte) int { return slices.Compare(a, b) })
		keys = slices.CompactFunc(keys, slices.Equal)
	}
	views, err := db.ReadMany(w.Context(), keys, view.ReadOptions{Now: time.Now().UnixMilli()})
	if err != nil {
		w.Fatal(err)
	}
	if len(keys) == 1 {
		return views
	}
	return slices.DeleteFunc(views, crdt.View.Empty)
}

// records reads one partition range of a Kafka as it is.
func (w *world) records(region string, p wal.Partition, from, to int64) (all []event.Record) {
	w.Helper()
	err := w.logs[region].Scan(w.Context(), map[wal.Partition]int64{p: from}, map[wal.Partition]int64{p: to}, func(r event.Record) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}
