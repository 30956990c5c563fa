package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/materializer"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/view/redistest"
	"github.com/geokv/geokv/internal/wal"
)

// region is an in-process broker and a real redis-server, with materializers in
// this process or in ones of their own, which can be killed.
type region struct {
	t      *testing.T
	kafka  *kfake.Cluster
	log    *wal.Log
	server *redistest.Server
	db     *view.DB
	raw    *redis.Client // a hand inside the server
}

func newRegion(t *testing.T) *region {
	t.Helper()
	return newRegionOn(t, redistest.Start(t))
}

func newRegionOn(t *testing.T, server *redistest.Server) *region {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(geo.Partitions, geo.Default().Topics()...),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	r := &region{t: t, kafka: kafka, server: server}
	if r.log, err = wal.Open(wal.Config{Brokers: kafka.ListenAddrs()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.log.Close)
	r.db = openDB(t, r.server.URL)
	r.raw = redis.NewClient(&redis.Options{Addr: r.server.Addr, MaxRetries: -1})
	t.Cleanup(func() { r.raw.Close() })
	return r
}

// within bounds what a test waits for.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (r *region) append(events ...event.Event) {
	r.t.Helper()
	records := make([]event.Record, len(events))
	for i, e := range events {
		value, err := json.Marshal(e)
		if err != nil {
			r.t.Fatal(err)
		}
		records[i] = event.Record{
			Topic: geo.Topic(e.Origin), Partition: geo.PartitionOf(e.Key), Offset: -1,
			Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
		}
	}
	for part := range slices.Chunk(records, 2000) {
		if _, err := r.log.AppendSync(within(r.t), part...); err != nil {
			r.t.Fatal(err)
		}
	}
}

// jsonCodec reads events as JSON: the frame is not the subject here.
type jsonCodec struct{}

func (jsonCodec) Decode(_ context.Context, r event.Record) (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return e, event.Reject("bad payload", "%v", err)
	}
	return e, nil
}

// hasty gives every call of the view a short deadline, so that a server that is
// stopped for a moment is as bad as one that is stopped for long.
type hasty struct {
	*view.DB
	patience time.Duration
}

func (h hasty) Apply(ctx context.Context, b *view.Batch) ([]event.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, h.patience)
	defer cancel()
	return h.DB.Apply(ctx, b)
}

func (h hasty) Position(ctx context.Context, topic string, partition int32, lanes ...lane.ID) (view.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, h.patience)
	defer cancel()
	return h.DB.Position(ctx, topic, partition, lanes...)
}

func wall() time.Time { return time.UnixMilli(crdttest.DefaultNow) }

func newMaterializer(log *wal.Log, v materializer.View, group string) (*materializer.Materializer, error) {
	return materializer.New(materializer.Config{
		Region: geo.Region{Name: "us"}, Topology: geo.Default(), Log: materializer.LogOf(log), View: v, Decoder: jsonCodec{},
		Clock: hlc.NewClock(0, wall), History: materializer.LogHistory{Log: log, Decoder: jsonCodec{}}, Wall: wall,
		LogicalExpiry: true, Group: group, CatchUpBytes: 256 << 10,
	})
}

// run starts a materializer in this process until the test ends or stop.
func (r *region) run(v materializer.View) (m *materializer.Materializer, stop func()) {
	r.t.Helper()
	m, err := newMaterializer(r.log, v, "")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("materializer: %v", err)
		}
	})
	r.t.Cleanup(stop)
	return m, stop
}

// workerEnv makes the test binary a materializer process: brokers, Redis URL
// and group, separated by spaces.
const workerEnv = "GEOKV_PROOF_WORKER"

func TestMain(m *testing.M) {
	if job := os.Getenv(workerEnv); job != "" {
		work(strings.Fields(job))
		return
	}
	os.Exit(m.Run())
}

// work applies until it is killed or its parent is gone.
func work(job []string) {
	log, err := wal.Open(wal.Config{Brokers: strings.Split(job[0], ",")})
	if err != nil {
		panic(err)
	}
	db, err := view.Open(view.Config{URL: job[1], DB: -1})
	if err != nil {
		panic(err)
	}
	m, err := newMaterializer(log, db, job[2])
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // the pipe ends with the parent
		os.Stdin.Read(make([]byte, 1))
		stop()
	}()
	if err := m.Run(ctx); err != nil {
		panic(err)
	}
}

// worker is a materializer in a process of its own, in a group of its own: so
// all workers apply every partition, and the position is their only fence.
type worker struct {
	job string
	cmd *exec.Cmd
}

func (r *region) spawn(n int) *worker {
	w := &worker{job: strings.Join(r.kafka.ListenAddrs(), ",") + " " + r.server.URL + " worker-" + fmt.Sprint(n)}
	w.start(r.t)
	r.t.Cleanup(w.kill)
	return w
}

func (w *worker) start(t *testing.T) {
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Env = append(os.Environ(), workerEnv+"="+w.job)
	w.cmd.Stderr = os.Stderr
	if _, err := w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (w *worker) kill() {
	w.cmd.Process.Kill()
	w.cmd.Wait() // it has been killed; nothing else to learn
}

// applied returns how many records the view is past, -1 when it does not answer.
func (r *region) applied() (n int64) {
	for _, topic := range geo.Default().Topics() {
		for p := range int32(geo.Partitions) {
			pos, err := r.db.Position(within(r.t), topic, p)
			if err != nil {
				return -1
			}
			n += pos.Offset
		}
	}
	return n
}

// awaitEnd waits until the view stands at the end of every log.
func (r *region) awaitEnd() {
	r.t.Helper()
	ends, err := r.log.Ends(within(r.t), geo.Default().Topics()...)
	if err != nil {
		r.t.Fatal(err)
	}
	total := int64(0)
	for _, end := range ends {
		total += end
	}
	polltest.Until(r.t, fmt.Sprintf("all %d records applied", total), func() bool { return r.applied() == total })
}

// wantFold compares views, positions and lanes with the set of events.
func (r *region) wantFold(events []event.Event) {
	r.t.Helper()
	ctx := within(r.t)
	lanes := map[wal.Partition]map[lane.ID]lane.Set{}
	for _, e := range events {
		p := wal.Partition{Topic: geo.Topic(e.Origin), Index: geo.PartitionOf(e.Key)}
		if lanes[p] == nil {
			lanes[p] = map[lane.ID]lane.Set{}
		}
		lanes[p][e.Lane] = lanes[p][e.Lane].Add(e.Seq)
	}
	for _, want := range crdt.Fold(events, crdttest.DefaultNow) {
		got, err := r.db.Read(ctx, want.Key, view.ReadOptions{Now: crdttest.DefaultNow})
		if err != nil {
			r.t.Fatal(err)
		}
		if !got.Equal(want) {
			r.t.Errorf("got %.300s\nwant %.300s", canonical(got), canonical(want))
		}
	}
	for p, want := range lanes {
		list, err := r.db.Positions(ctx, p.Topic, p.Index)
		if err != nil || list[0].Torn() {
			r.t.Fatalf("%s: %+v, %v", p, list, err)
		}
		for id, set := range want {
			if !list[0].Lanes[id].Equal(set) {
				r.t.Errorf("%s: lane %s holds %s, want %s", p, id, list[0].Lanes[id], set)
			}
		}
	}
}
