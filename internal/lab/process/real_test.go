//go:build realstack

package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

const rate = 200 // writes per second

// TestRealStack holds geokv's promises on real Kafka, MirrorMaker 2, registry
// and Redis: what is written survives the way, a mirror that keeps dying and a
// region that is cut off.
func TestRealStack(t *testing.T) {
	w := newWorld(t)
	rss, pss := w.memory()
	t.Logf("RESULT ready in %s; memory %d MB resident, %d MB with shared pages counted once", w.ready.Round(100*time.Millisecond), rss, pss)
	books := newLedger()
	w.roundTrip(books)
	w.fidelity()
	w.idle()
	w.quietLoad(books)
	w.killMirrors(books, time.Minute, 10*time.Second)
	w.cut(books, "eu", 20*time.Second)
	verdict := w.verify(books)
	durable, unknown, refused := books.counts()
	t.Logf("RESULT %d acknowledged, %d unknown (%d of them in the log), %d refused; %d events in %d records, %d keys equal in every region and in the fold of the logs; 0 lost; increments exact; %d duplicates absorbed",
		durable, unknown, verdict.unknownInLog, refused, verdict.events, verdict.records, verdict.keys, w.duplicates())
	rss, pss = w.memory()
	t.Logf("RESULT memory at the end %d MB resident, %d MB with shared pages counted once", rss, pss)
}

// roundTrip writes in every region and finds the write in every region.
func (w *world) roundTrip(books *ledger) {
	w.Helper()
	for _, name := range w.topology.Names() {
		op := event.Operation{Region: name, Key: []byte("count:0"), Args: event.Incr{Delta: 1}}
		receipt, err := w.app.Produce(w.Context(), op)
		if err != nil {
			w.Fatal(err)
		}
		books.note(op, receipt, nil)
		ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
		answer, err := w.app.Await(ctx, receipt, nil)
		cancel()
		if err != nil {
			w.Fatalf("write in %s: %v", name, err)
		}
		w.Logf("round trip from %s: in all regions %d ms after the answer", name, answer.WaitedMS)
	}
}

// fidelity repeats an event of each region with headers and finds key, value,
// partition, timestamp and headers unchanged on every Kafka. The repeats are
// duplicates, which change no view.
func (w *world) fidelity() {
	w.Helper()
	before := w.duplicates()
	for _, name := range w.topology.Names() {
		topic := geo.Topic(name)
		p := wal.Partition{Topic: topic, Index: geo.PartitionOf([]byte("count:0"))}
		original := w.records(name, p, 0, 1)[0]
		original.Headers = []event.Header{
			{Key: "twice", Value: []byte("a")}, {Key: "twice", Value: []byte{0, 0xff, '\n'}}, {Key: "", Value: []byte{}}, {Key: "null", Value: nil},
		}
		offsets, err := w.logs[name].AppendSync(w.Context(), original)
		if err != nil {
			w.Fatal(err)
		}
		want := w.records(name, p, offsets[0], offsets[0]+1)[0]
		for _, other := range w.topology.Names() {
			w.await("copy in "+other, 20*time.Second, func() error {
				ends, err := w.logs[other].Ends(w.Context(), topic)
				if err != nil {
					return err
				}
				if ends[p] <= 1 {
					return fmt.Errorf("%s ends at %d in %s", p, ends[p], other)
				}
				all := w.records(other, p, 0, ends[p])
				return same(all[len(all)-1], want)
			})
		}
	}
	w.await("repeats absorbed", 20*time.Second, func() error {
		if got, want := w.duplicates()-before, int64(w.topology.Len()*w.topology.Len()); got != want {
			return fmt.Errorf("%d duplicates absorbed, want %d", got, want)
		}
		return nil
	})
	w.Log("RESULT partition, key, value, timestamp and headers (repeated, binary, empty, null) are the same on all three Kafkas")
}

func same(got, want event.Record) error {
	equal := func(a, b event.Header) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
	}
	if got.Partition != want.Partition || got.TimestampMS != want.TimestampMS || !bytes.Equal(got.Key, want.Key) ||
		!bytes.Equal(got.Value, want.Value) || !slices.EqualFunc(got.Headers, want.Headers, equal) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// idle finds that nothing moves when nobody writes: no loop.
func (w *world) idle() {
	w.Helper()
	w.awaitEqual(20 * time.Second)
	before := w.ends()
	time.Sleep(5 * time.Second) // the time in which nothing may happen
	after := w.ends()
	total := int64(0)
	for region := range before {
		if !maps.Equal(before[region], after[region]) {
			w.Errorf("end offsets in %s moved while nobody wrote: %v -> %v", region, before[region], after[region])
		}
		for _, end := range after[region] {
			total += end
		}
	}
	w.Logf("RESULT six flows idle for 5 s: the end offsets of all 108 partitions stood still (%d records)", total)
}

// quietLoad measures without faults, and after a while in which the Java
// processes compile what they run.
func (w *world) quietLoad(books *ledger) {
	w.Helper()
	warm := w.load(books, rate, 7)
	time.Sleep(10 * time.Second) // the length of the warm-up
	warm()
	w.awaitEqual(30 * time.Second)
	quiet := newLedger()
	seen, end := w.watch()
	stop := w.load(quiet, rate, 1)
	time.Sleep(15 * time.Second) // the length of the measurement
	stop()
	w.awaitEqual(30 * time.Second)
	end()
	l := seen.latency(quiet, w.topology.Len())
	durable, unknown, refused := quiet.counts()
	w.Logf("RESULT %d writes at %d/s, %d unknown, %d refused: acknowledged -> applied locally %s, in all regions %s; MirrorMaker alone %s",
		durable, rate, unknown, refused, spread(l.local), spread(l.all), spread(l.mirrored))
	if len(l.all) < durable*9/10 {
		w.Errorf("only %d of %d writes were seen applied everywhere", len(l.all), durable)
	}
	books.merge(quiet)
}

// killMirrors kills one MirrorMaker after the other under load.
func (w *world) killMirrors(books *ledger, length, pause time.Duration) {
	w.Helper()
	before := w.duplicates()
	stop := w.load(books, rate, 2)
	kills := 0
	targets := w.topology.Names()
	for end := time.Now().Add(length); time.Now().Before(end); kills++ {
		mirror, err := w.cluster.Mirror(targets[kills%len(targets)])
		if err != nil {
			w.Fatal(err)
		}
		mirror.Kill()
		time.Sleep(pause) // the rhythm of the fault
	}
	stop()
	took := w.awaitEqual(2 * time.Minute)
	w.Logf("RESULT MirrorMaker killed with -9 %d times in %s under %d writes/s: positions equal %s after the last write, %d duplicates absorbed",
		kills, length, rate, took.Round(100*time.Millisecond), w.duplicates()-before)
}

// cut separates a region from both others in both directions, one direction
// refused and the other a black hole, while everybody writes.
func (w *world) cut(books *ledger, region string, length time.Duration) {
	w.Helper()
	stop := w.load(books, rate, 3)
	before := map[string]int{}
	for _, name := range w.topology.Names() {
		before[name] = books.in(name)
	}
	for _, f := range w.topology.Flows() {
		switch region {
		case f.From:
			w.must(w.cluster.BlackHole(f))
		case f.To:
			w.must(w.cluster.Cut(f))
		}
	}
	time.Sleep(length) // the length of the fault
	var gap int64
	w.await("the cut of "+region+" is seen", 30*time.Second, func() error {
		if gap = w.gap(region); gap == 0 {
			return errors.New("no mirror gap")
		}
		return nil
	})
	for _, f := range w.topology.Flows() {
		w.must(w.cluster.Heal(f))
	}
	healed := time.Now()
	for _, name := range w.topology.Names() {
		if books.in(name) == before[name] {
			w.Errorf("%s took no write during the cut", name)
		}
	}
	stop()
	w.awaitEqual(2 * time.Minute)
	w.Logf("RESULT %s cut off for %s under %d writes/s (one way refused, the other black-holed): %d events behind at the end of it, positions equal %s after healing",
		region, length, rate, gap, time.Since(healed).Round(100*time.Millisecond))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// gap is how many events a region has not got from the others, and they from it,
// as far as that is known.
func (w *world) gap(region string) (n int64) {
	report, err := w.app.Status(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range report.Regions {
		for _, o := range r.Origins {
			if r.Name == region || o.Origin == region {
				n += max(o.MirrorGap, 0) // api.Unknown is below
			}
		}
	}
	return n
}

func (l *ledger) merge(other *ledger) {
	other.mu.Lock()
	defer other.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.durable, other.durable)
	maps.Copy(l.unknown, other.unknown)
	l.refused += other.refused
	for region, n := range other.byRegion {
		l.byRegion[region] += n
	}
}
