package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/memkafka"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/wal"
)

// world is a few regions' Kafkas with topics.
type world struct {
	t        *testing.T
	topology geo.Topology
	kafka    map[string]*memkafka.Kafka
	logs     map[string]*wal.Log
	dirs     map[string]string
}

func newWorld(t *testing.T, regions ...string) *world {
	w := &world{t: t, kafka: map[string]*memkafka.Kafka{}, logs: map[string]*wal.Log{}, dirs: map[string]string{}}
	var list []geo.Region
	for i, name := range regions {
		list = append(list, geo.Region{Name: name, Index: i})
	}
	var err error
	if w.topology, err = geo.NewTopology(list...); err != nil {
		t.Fatal(err)
	}
	for _, name := range regions {
		w.dirs[name] = t.TempDir()
		w.boot(name)
	}
	return w
}

// boot starts the Kafka of a region with whatever its directory holds.
func (w *world) boot(region string) {
	w.t.Helper()
	k, err := memkafka.Start(memkafka.Config{Topic: geo.Topic(region), DataDir: w.dirs[region]})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(k.Close)
	w.kafka[region] = k
	log, err := w.open(region)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(log.Close)
	w.logs[region] = log
	if err := log.EnsureTopics(w.t.Context(), geo.Topic(region), w.topology.Topics(), wal.TopicOptions{Replication: 1}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open(region string) (*wal.Log, error) {
	return wal.Open(wal.Config{Brokers: []string{w.kafka[region].Addr()}, ClientID: "mirror-test"})
}

// mirror runs a mirror until the test or the returned function ends it.
func (w *world) mirror(store Store) (*Mirror, func()) {
	m := New(Config{Topology: w.topology, Open: w.open, Store: store})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	stop := func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return m, stop
}

// write appends n numbered records to a region's own topic.
func (w *world) write(region string, from, n int) {
	w.t.Helper()
	var records []event.Record
	for i := from; i < from+n; i++ {
		records = append(records, event.Record{
			Topic: geo.Topic(region), Partition: int32(i % geo.Partitions),
			Key: []byte("k"), Value: []byte(strconv.Itoa(i)), TimestampMS: 1000 + int64(i),
			Headers: []event.Header{{Key: "h", Value: []byte{0, 1}}, {Key: "h", Value: nil}},
		})
	}
	if _, err := w.logs[region].AppendSync(w.t.Context(), records...); err != nil {
		w.t.Fatal(err)
	}
}

// stored returns all records of a topic in a region.
func (w *world) stored(region, topic string) []event.Record {
	w.t.Helper()
	starts, err := w.logs[region].Starts(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	ends, err := w.logs[region].Ends(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	var records []event.Record
	err = w.logs[region].Scan(w.t.Context(), starts, ends, func(r event.Record) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return records
}

// distinct counts the different numbers in a topic.
func (w *world) distinct(region, topic string) int {
	seen := map[string]bool{}
	for _, r := range w.stored(region, topic) {
		seen[string(r.Value)] = true
	}
	return len(seen)
}

func (w *world) awaitCopied(region, topic string, n int) {
	w.t.Helper()
	polltest.Until(w.t, fmt.Sprintf("%d records of %s in %s", n, topic, region), func() bool { return w.distinct(region, topic) == n })
}

func stateOf(m *Mirror, f geo.Flow) State {
	states := m.States()
	return states[slices.IndexFunc(states, func(s State) bool { return s.Flow == f })]
}

var usToEU = geo.Flow{From: "us", To: "eu"}

func TestFlowsCopyTheirOwnTopicUnchanged(t *testing.T) {
	w := newWorld(t, "us", "eu", "ap")
	w.mirror(nil)
	for _, region := range w.topology.Names() {
		w.write(region, 0, 50)
	}
	for _, at := range w.topology.Names() {
		for _, origin := range w.topology.Names() {
			w.awaitCopied(at, geo.Topic(origin), 50)
		}
	}
	for _, at := range w.topology.Names() {
		for _, origin := range w.topology.Names() {
			records := w.stored(at, geo.Topic(origin))
			if len(records) != 50 {
				t.Errorf("%s in %s: %d records, want 50: copies went round", geo.Topic(origin), at, len(records))
			}
			for _, r := range records {
				i, _ := strconv.Atoi(string(r.Value))
				if r.Partition != int32(i%geo.Partitions) || r.TimestampMS != 1000+int64(i) || string(r.Key) != "k" {
					t.Errorf("record %d arrived as %+v", i, r)
				}
				if len(r.Headers) != 2 || r.Headers[0].Key != "h" || string(r.Headers[0].Value) != "\x00\x01" || r.Headers[1].Value != nil {
					t.Errorf("record %d: headers %+v", i, r.Headers)
				}
			}
		}
	}
}

func TestCutHoldsBackWhatWasReadAndHealResumes(t *testing.T) {
	w := newWorld(t, "us", "eu")
	m, _ := w.mirror(nil)
	w.write("us", 0, 10)
	w.awaitCopied("eu", "us.events", 10)

	if err := m.Delay(usToEU, time.Hour); err != nil { // read, and held in memory
		t.Fatal(err)
	}
	w.write("us", 10, 10)
	if err := m.Cut(usToEU); err != nil {
		t.Fatal(err)
	}
	if err := m.Delay(usToEU, 0); err != nil {
		t.Fatal(err)
	}
	w.write("us", 20, 10)
	w.write("eu", 0, 5)
	w.awaitCopied("us", "eu.events", 5) // the other direction goes on
	if n := len(w.stored("eu", "us.events")); n != 10 {
		t.Errorf("%d records arrived through a cut flow", n-10)
	}
	if s := stateOf(m, usToEU); s.State != api.FlowCut {
		t.Errorf("state %+v, want cut", s)
	}
	if err := m.Cut(usToEU); err != nil {
		t.Errorf("cutting twice: %v", err)
	}
	if err := m.Heal(usToEU); err != nil {
		t.Fatal(err)
	}
	w.awaitCopied("eu", "us.events", 30)
	polltest.Until(w.t, "state up, nothing behind", func() bool { s := stateOf(m, usToEU); return s.State == api.FlowUp && s.Lag == 0 })
	if err := m.Cut(geo.Flow{From: "us", To: "mars"}); fail.CodeOf(err) != fail.NotFound {
		t.Errorf("cutting an unknown flow: %v", err)
	}
	if err := m.Delay(usToEU, -1); fail.CodeOf(err) != fail.Usage {
		t.Errorf("negative delay: %v", err)
	}
}

func TestDelayKeepsOrder(t *testing.T) {
	w := newWorld(t, "us", "eu")
	m, _ := w.mirror(nil)
	w.write("us", 0, 1)
	w.awaitCopied("eu", "us.events", 1)
	const delay = 200 * time.Millisecond
	m.Delay(usToEU, delay)
	began := time.Now()
	for i := range 20 {
		w.write("us", 1+i*geo.Partitions, 1) // all in partition 1
	}
	w.awaitCopied("eu", "us.events", 21)
	if took := time.Since(began); took < delay {
		t.Errorf("delayed by %v, arrived after %v", delay, took)
	}
	var last int
	for _, r := range w.stored("eu", "us.events") {
		if r.Partition != 1 {
			continue
		}
		i, _ := strconv.Atoi(string(r.Value))
		if i < last {
			t.Errorf("%d arrived after %d", i, last)
		}
		last = i
	}
	if s := stateOf(m, usToEU); s.Delay != delay {
		t.Errorf("state says delay %v", s.Delay)
	}
}

func TestCutsAndDelaysUnderTrafficLoseNothing(t *testing.T) {
	w := newWorld(t, "us", "eu")
	m, _ := w.mirror(nil)
	const rounds, each = 15, 40
	for i := range rounds {
		w.write("us", i*each, each)
		switch i % 3 {
		case 0:
			m.Cut(usToEU)
		case 1:
			m.Delay(usToEU, time.Duration(i)*time.Millisecond)
			m.Heal(usToEU)
		}
	}
	m.Heal(usToEU)
	w.awaitCopied("eu", "us.events", rounds*each)
}

func TestOutages(t *testing.T) {
	for _, down := range []string{"us", "eu"} {
		t.Run(down+" down", func(t *testing.T) {
			w := newWorld(t, "us", "eu")
			m, _ := w.mirror(nil)
			w.write("us", 0, 10)
			w.awaitCopied("eu", "us.events", 10)
			if down == "eu" {
				w.kafka[down].Stop()
				w.write("us", 10, 10)
			} else {
				m.Cut(usToEU)
				w.write("us", 10, 10)
				w.kafka[down].Stop()
				m.Heal(usToEU)
			}
			polltest.Until(w.t, "state down", func() bool { s := stateOf(m, usToEU); return s.State == api.FlowDown && s.Detail != "" })
			if err := w.kafka[down].Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.awaitCopied("eu", "us.events", 20)
			polltest.Until(w.t, "state up", func() bool { return stateOf(m, usToEU).State == api.FlowUp })
		})
	}
}

func TestStartsWhileARegionIsDown(t *testing.T) {
	w := newWorld(t, "us", "eu")
	w.write("us", 0, 10)
	w.kafka["eu"].Stop()
	m, _ := w.mirror(nil)
	polltest.Until(w.t, "state down", func() bool { return stateOf(m, usToEU).State == api.FlowDown })
	w.kafka["eu"].Restart(t.Context())
	w.awaitCopied("eu", "us.events", 10)
}

func TestRestartContinuesWhereItWas(t *testing.T) {
	w := newWorld(t, "us", "eu")
	store := Files(t.TempDir())
	m, stop := w.mirror(store)
	w.write("us", 0, 100)
	w.awaitCopied("eu", "us.events", 100)
	polltest.Until(t, "nothing behind", func() bool { return stateOf(m, usToEU).Lag == 0 })
	stop()
	w.write("us", 100, 100)
	m, stop = w.mirror(store)
	w.awaitCopied("eu", "us.events", 200)
	if n := len(w.stored("eu", "us.events")); n != 200 {
		t.Errorf("%d records after a clean restart, want 200 without repeats", n)
	}
	polltest.Until(w.t, "nothing behind", func() bool { return stateOf(m, usToEU).Lag == 0 })
	stop()

	// An older position, as a crash leaves it, costs repeats and nothing else.
	at, ok, err := store.Load(usToEU)
	if err != nil || !ok {
		t.Fatalf("position: %v, %v", ok, err)
	}
	for p := range at.Source {
		at.Source[p] -= 2
	}
	if err := store.Save(usToEU, at); err != nil {
		t.Fatal(err)
	}
	w.write("us", 200, 100)
	_, stop = w.mirror(store)
	w.awaitCopied("eu", "us.events", 300)
	stop()
	if n := len(w.stored("eu", "us.events")); n != 300+2*geo.Partitions {
		t.Errorf("%d records, want 300 and %d repeats", n, 2*geo.Partitions)
	}
}

func TestPositionsThatNoLongerFitAreNotUsed(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(w *world, dir string)
	}{
		{"target wiped", func(w *world, _ string) {
			w.kafka["eu"].Close()
			w.dirs["eu"] = w.t.TempDir()
			w.boot("eu")
		}},
		{"target lost its tail", func(w *world, dir string) {
			at, _, err := Files(dir).Load(usToEU)
			if err != nil {
				w.t.Fatal(err)
			}
			for p := range at.Target {
				at.Target[p] += 5 // it acknowledged more than it has now
				at.Source[p] += 5
			}
			if err := Files(dir).Save(usToEU, at); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"source lost its tail", func(w *world, dir string) {
			at, _, _ := Files(dir).Load(usToEU)
			for p := range at.Source {
				at.Source[p] += 1000
			}
			Files(dir).Save(usToEU, at)
		}},
		{"unreadable", func(w *world, dir string) {
			os.WriteFile(filepath.Join(dir, "us-to-eu.json"), []byte("{"), 0o600)
		}},
		{"gone", func(w *world, dir string) { os.Remove(filepath.Join(dir, "us-to-eu.json")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "us", "eu")
			dir := t.TempDir()
			_, stop := w.mirror(Files(dir))
			w.write("us", 0, 60)
			w.awaitCopied("eu", "us.events", 60)
			stop()
			test.spoil(w, dir)
			w.write("us", 60, 60)
			w.mirror(Files(dir))
			w.awaitCopied("eu", "us.events", 120)
		})
	}
}

func TestSaveFailureIsNotFatal(t *testing.T) {
	w := newWorld(t, "us", "eu")
	w.mirror(broken{})
	w.write("us", 0, 10)
	w.awaitCopied("eu", "us.events", 10)
}

type broken struct{ forgetful }

func (broken) Load(geo.Flow) (Checkpoint, bool, error) {
	return Checkpoint{}, false, errors.New("no disk")
}
func (broken) Save(geo.Flow, Checkpoint) error { return errors.New("no disk") }
