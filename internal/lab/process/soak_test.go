//go:build realstack && realsoak

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/datadir"
)

// TestSoak is the long list: everything that a real stack does to a cluster in
// a bad week, one after the other and under load, and the whole checked against
// an independent fold after each part.
func TestSoak(t *testing.T) {
	w := newWorld(t)
	rss, pss := w.memory()
	t.Logf("RESULT ready in %s; memory %d MB resident, %d MB with shared pages counted once", w.ready.Round(100*time.Millisecond), rss, pss)
	books := newLedger()
	part := func(name string, run func()) {
		began := time.Now()
		run()
		v := w.verify(books)
		durable, unknown, refused := books.counts()
		t.Logf("RESULT after %s (%s): %d acknowledged, %d unknown (%d of them in the log), %d refused; %d events, %d keys equal everywhere and in the fold; 0 lost; increments exact; %d duplicates absorbed so far",
			name, time.Since(began).Round(time.Second), durable, unknown, v.unknownInLog, refused, v.events, v.keys, w.duplicates())
		if t.Failed() {
			t.FailNow()
		}
	}
	w.roundTrip(books)
	w.fidelity()
	w.idle()
	part("quiet load", func() { w.quietLoad(books) })
	part("mirrors killed", func() { w.killMirrors(books, 3*time.Minute, 20*time.Second) })
	part("brokers, views and registry killed", func() { w.killParts(books) })
	part("cut", func() { w.cut(books, "eu", time.Minute) })
	part("cut", func() { w.cut(books, "us", time.Minute) })
	part("materializers killed and paused", func() { w.shareMaterializers(books) })
	w.frozenMirror()
	w.hole()
}

// killParts kills every broker and every view in turn, with the registry away
// all the time.
func (w *world) killParts(books *ledger) {
	w.Helper()
	w.cluster.Registry().Hold()
	stop := w.load(books, rate, 10)
	for _, name := range w.topology.Names() {
		w.must(w.cluster.StopRegion(w.Context(), name))
		time.Sleep(10 * time.Second) // the length of the outage
		began := time.Now()
		w.must(w.cluster.StartRegion(w.Context(), name))
		w.Logf("Kafka of %s answers %s after it was started again", name, time.Since(began).Round(100*time.Millisecond))
		time.Sleep(5 * time.Second)
		redis, err := w.cluster.Redis(name)
		w.must(err)
		redis.Kill()
		time.Sleep(10 * time.Second)
	}
	stop()
	took := w.awaitEqual(3 * time.Minute)
	w.must(w.cluster.Registry().Release(w.Context()))
	w.await("the registry", time.Minute, func() error {
		if !w.cluster.Registry().Alive() {
			return errors.New("it is not there")
		}
		return nil
	})
	w.awaitRegistry()
	w.Logf("RESULT every broker killed for 10 s and every Redis killed, the registry away all the time, under %d writes/s: positions equal %s after the last write", rate, took.Round(100*time.Millisecond))
}

func (w *world) awaitRegistry() {
	w.Helper()
	w.await("the registry answers", time.Minute, func() error {
		report, err := w.app.Status(w.Context())
		if err != nil {
			return err
		}
		return exec.CommandContext(w.Context(), "curl", "-sf", "-o", os.DevNull, report.Registry+"/subjects").Run()
	})
}

// shareMaterializers starts a materializer process per region beside those of
// this process, kills one and pauses another for longer than its session.
func (w *world) shareMaterializers(books *ledger) {
	w.Helper()
	binary := w.build()
	w.publish()
	helpers := map[string]*exec.Cmd{}
	for _, name := range w.topology.Names() {
		cmd := exec.Command(binary, "materialize", "--region", name, "--data", w.dir.Path())
		cmd.Stderr = testWriter{w.T}
		w.must(cmd.Start())
		helpers[name] = cmd
		w.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	stop := w.load(books, rate, 20)
	time.Sleep(20 * time.Second) // time to share the partitions
	w.must(helpers["us"].Process.Kill())
	w.must(helpers["eu"].Process.Signal(syscall.SIGSTOP))
	time.Sleep(75 * time.Second) // longer than the session of a group member
	w.must(helpers["eu"].Process.Signal(syscall.SIGCONT))
	time.Sleep(15 * time.Second)
	stop()
	took := w.awaitEqual(2 * time.Minute)
	w.Logf("RESULT two materializers per region, one killed and one paused for 75 s and resumed, under %d writes/s: positions equal %s after the last write", rate, took.Round(100*time.Millisecond))
	for _, cmd := range helpers {
		cmd.Process.Kill()
	}
	w.awaitEqual(2 * time.Minute)
}

// publish lets processes of the command line find the cluster.
func (w *world) publish() {
	w.Helper()
	c := datadir.Cluster{API: "http://127.0.0.1:1", Registry: w.config.Registry.URL}
	for _, r := range w.config.Regions {
		c.Regions = append(c.Regions, datadir.Region{
			Name: r.Region.Name, Index: r.Region.Index, Kafka: r.Brokers, Redis: r.RedisAddr, RedisURL: r.RedisURL.Reveal(),
		})
	}
	w.must(w.dir.Publish(c))
}

// frozenMirror stops a MirrorMaker without ending it: it lives and carries
// nothing. That must be noticed within 30 s, and mended.
func (w *world) frozenMirror() {
	w.Helper()
	mirror, err := w.cluster.Mirror("eu")
	w.must(err)
	pid := mirror.PID()
	w.must(syscall.Kill(pid, syscall.SIGSTOP))
	down := func() bool {
		for _, l := range w.cluster.Links() {
			if l.To == "eu" && l.State == api.FlowDown {
				return true
			}
		}
		return false
	}
	noticed := w.await("the frozen mirror is noticed", 30*time.Second, func() error {
		if !down() {
			return errors.New("its flows are up")
		}
		return nil
	})
	mended := w.await("the frozen mirror is replaced", time.Minute, func() error {
		if mirror.PID() == pid || down() {
			return errors.New("not yet")
		}
		return nil
	})
	w.awaitEqual(time.Minute)
	w.Logf("RESULT MirrorMaker alive but carrying nothing: reported after %s, carrying again %s later", noticed.Round(100*time.Millisecond), mended.Round(100*time.Millisecond))
}

// hole deletes records at the source that a cut-off region has not got. The
// mirror goes on after them without a word; the status must name what is missing.
func (w *world) hole() {
	w.Helper()
	f := geo.Flow{From: "us", To: "eu"}
	w.must(w.cluster.Cut(f))
	for i := range 60 {
		w.produce("us", fmt.Sprintf("hole:%d", i))
	}
	w.deleteLog("us")
	w.must(w.cluster.Heal(f))
	for i := range 60 {
		w.produce("us", fmt.Sprintf("hole:%d", i))
	}
	var found []api.Hole
	w.await("the hole is reported", 2*time.Minute, func() error {
		report, err := w.app.Status(w.Context())
		if err != nil {
			return err
		}
		found = holes(report, "eu", "us")
		if len(found) == 0 {
			return errors.New("no hole in eu's copy of us")
		}
		return nil
	})
	var lines []string
	for _, h := range found {
		lines = append(lines, fmt.Sprintf("us.events/%d lane %s seqs %s", h.Partition, h.Lane, h.Seqs))
	}
	w.Logf("RESULT records deleted at the source under a cut mirror: status of eu reports holes: %s", strings.Join(lines, "; "))
}

func (w *world) produce(region, key string) {
	w.Helper()
	if _, err := w.app.Produce(w.Context(), event.Operation{Region: region, Key: []byte(key), Args: event.Incr{Delta: 1}}); err != nil {
		w.Fatal(err)
	}
}

func holes(r api.Report, region, origin string) (all []api.Hole) {
	for _, reg := range r.Regions {
		for _, o := range reg.Origins {
			if reg.Name == region && o.Origin == origin {
				all = append(all, o.Holes...)
			}
		}
	}
	return all
}

// deleteLog deletes everything that a region's own topic holds at its source.
func (w *world) deleteLog(region string) {
	w.Helper()
	endpoint, _ := w.config.Region(region)
	client, err := kgo.NewClient(kgo.SeedBrokers(endpoint.Brokers...))
	w.must(err)
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(w.Context(), geo.Topic(region))
	w.must(err)
	deleted, err := admin.DeleteRecords(w.Context(), ends.Offsets())
	w.must(err)
	w.must(deleted.Error())
}

// TestSoakKilledParent kills geokv itself: the processes it leaves behind are
// ended at the next start on the same directory, and nothing is lost.
func TestSoakKilledParent(t *testing.T) {
	w := &world{T: t}
	parts(t)
	binary, data := w.build(), filepath.Join(t.TempDir(), "data")
	up := func() (*exec.Cmd, datadir.Cluster, time.Duration) {
		began := time.Now()
		var found datadir.Cluster
		cmd := exec.Command(binary, "up", "--stack", "process", "--data", data, "-o", "json")
		cmd.Stderr = testWriter{t}
		t.Cleanup(func() { cmd.Process.Kill() })
		w.must(cmd.Start())
		w.await("up", 2*time.Minute, func() error {
			var err error
			found, _, err = datadir.Find(data)
			if err == nil && found.PID != cmd.Process.Pid {
				err = errors.New("the killed one is still named")
			}
			return err
		})
		return cmd, found, time.Since(began)
	}
	geokv := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		text, err := exec.CommandContext(ctx, binary, append(args, "--data", data)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, text)
		}
		return string(text)
	}
	first, before, took := up()
	geokv("produce", "incr", "k", "7", "--region", "eu", "--wait-all")
	w.must(first.Process.Kill())
	_ = first.Wait() // killed
	second, after, again := up()
	for i, r := range after.Regions {
		if was := before.Regions[i]; r.Redis != was.Redis || r.Kafka[0] != was.Kafka[0] {
			t.Errorf("%s moved from %s and %s to %s and %s", r.Name, was.Kafka, was.Redis, r.Kafka, r.Redis)
		}
	}
	if text := geokv("get", "k", "--region", "us", "-o", "json"); !strings.Contains(text, `"7"`) {
		t.Errorf("after the second start: %s", text)
	}
	geokv("produce", "incr", "k", "1", "--region", "ap", "--wait-all")
	w.must(second.Process.Signal(os.Interrupt))
	began := time.Now()
	w.must(second.Wait())
	t.Logf("RESULT first start %s; parent killed with -9, second start on what it left behind %s; clean stop %s",
		took.Round(100*time.Millisecond), again.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	left, _ := exec.Command("pgrep", "-f", data).Output()
	if len(left) > 0 {
		t.Errorf("still running after the end: %s", left)
	}
}
