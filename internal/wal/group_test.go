package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

const viewGroup = "geokv.us.view"

// positions is what Redis is in production: where the positions really live.
type positions struct {
	mu      sync.Mutex
	next    map[Partition]int64
	epoch   map[Partition]int32 // of those advanced
	changed chan struct{}       // holds a token after every change
}

func newPositions() *positions {
	return &positions{next: map[Partition]int64{}, epoch: map[Partition]int32{}, changed: make(chan struct{}, 1)}
}

func (p *positions) start(_ context.Context, assigned []Partition) (map[Partition]Place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	starts := map[Partition]Place{}
	for _, a := range assigned {
		starts[a] = At(p.next[a])
		if epoch, known := p.epoch[a]; known {
			starts[a] = Place{p.next[a], epoch}
		}
	}
	return starts, nil
}

// advance takes records whose offset is the position, as the compare-and-set in
// Redis does, and says which of the others it refused.
func (p *positions) advance(records []event.Record) (refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		at := Partition{r.Topic, r.Partition}
		if p.next[at] != r.Offset {
			refused++
			continue
		}
		p.next[at]++
		p.epoch[at] = r.Epoch
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return refused
}

func (p *positions) sum() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, next := range p.next {
		n += next
	}
	return n
}

// worker is one group reader with a goroutine that polls and applies.
type groupWorker struct {
	reader   *Reader
	assigned chan []Partition // what the member owns after each change
	done     chan error
}

func join(t *testing.T, l *Log, pos *positions, change ...func(*GroupConfig)) *groupWorker {
	t.Helper()
	w := &groupWorker{assigned: make(chan []Partition, 100), done: make(chan error, 1)}
	cfg := GroupConfig{
		Group: viewGroup, Topics: []string{usTopic, euTopic}, Start: pos.start,
		OnAssigned: func(a []Partition) { w.assigned <- a },
	}
	for _, f := range change {
		f(&cfg)
	}
	r, err := l.Join(deadline(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.reader = r
	t.Cleanup(r.Close)
	return w
}

// run polls and applies until the reader closes.
func (w *groupWorker) run(t *testing.T, pos *positions) {
	ctx := deadline(t)
	go func() {
		for {
			fetch, err := w.reader.Poll(ctx, 500)
			if err != nil {
				w.done <- err
				return
			}
			pos.advance(fetch.Records)
		}
	}()
}

// owns waits until the member has n partitions.
func (w *groupWorker) owns(t *testing.T, n int) []Partition {
	t.Helper()
	for {
		if got := await(t, w.assigned); len(got) == n {
			return got
		}
	}
}

func TestGroupBalancesCoPartitionedTopics(t *testing.T) {
	t.Parallel()
	kafka := startKafka(t)
	l, pos := openLog(t, kafka), newPositions()
	one := join(t, l, pos)
	one.run(t, pos)
	one.owns(t, 2*geo.Partitions)

	two := join(t, openLog(t, kafka), pos)
	two.run(t, pos)
	a, b := one.owns(t, geo.Partitions), two.owns(t, geo.Partitions)
	owner := map[int32]string{}
	for name, owned := range map[string][]Partition{"one": a, "two": b} {
		for _, p := range owned {
			if other, taken := owner[p.Index]; taken && other != name {
				t.Errorf("%v: index %d is shared", p, p.Index)
			}
			owner[p.Index] = name
		}
	}
	if len(owner) != geo.Partitions {
		t.Errorf("%d indices are owned, want all", len(owner))
	}

	for p := range int32(geo.Partitions) {
		fill(t, l, usTopic, p, 20)
		fill(t, l, euTopic, p, 20)
	}
	two.reader.Close() // leaves in good order; the other takes over
	if err := await(t, two.done); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	one.owns(t, 2*geo.Partitions)
	awaitSum(t, pos, 2*20*geo.Partitions)
}

// awaitSum waits until all positions add up to n, and to no more.
func awaitSum(t *testing.T, pos *positions, n int64) {
	t.Helper()
	for pos.sum() < n {
		await(t, pos.changed)
	}
	if got := pos.sum(); got != n {
		t.Errorf("positions add up to %d, want %d", got, n)
	}
}

// Positions come from outside: what is committed in Kafka may be ahead of a
// Redis that lost its tail.
func TestGroupIgnoresCommits(t *testing.T) {
	t.Parallel()
	kafka := startKafka(t)
	l, pos := openLog(t, kafka), newPositions()
	fill(t, l, usTopic, 0, 10)
	us := Partition{usTopic, 0}

	one := join(t, l, pos)
	if got := take(t, one.reader, 10); first(got, us) != 0 {
		t.Fatalf("first offset %d", first(got, us))
	}
	if err := one.reader.Commit(deadline(t), map[Partition]int64{us: 10}); err != nil {
		t.Fatal(err)
	}
	committed, err := l.admin.FetchOffsets(deadline(t), viewGroup)
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := committed.Lookup(usTopic, 0); !ok || at.At != 10 {
		t.Errorf("lag tools see %v, want 10", at.At)
	}
	one.reader.Close()

	pos.next[us] = 3
	two := join(t, l, pos)
	if got := take(t, two.reader, 7); first(got, us) != 3 {
		t.Errorf("first offset %d, want 3", first(got, us))
	}
}

func TestGroupSeeksAfterStale(t *testing.T) {
	t.Parallel()
	l, pos := openLog(t, startKafka(t)), newPositions()
	fill(t, l, usTopic, 0, 10)
	us := Partition{usTopic, 0}
	w := join(t, l, pos)
	take(t, w.reader, 10)
	w.reader.Release()
	w.reader.Seek(map[Partition]Place{us: At(4)})
	if got := take(t, w.reader, 6); first(got, us) != 4 {
		t.Errorf("first offset %d, want 4", first(got, us))
	}
	w.reader.Seek(map[Partition]Place{us: At(10)}) // where it is: nothing twice, nothing lost
	fill(t, l, usTopic, 0, 1)
	if got := take(t, w.reader, 1); first(got, us) != 10 {
		t.Errorf("first offset %d, want 10", first(got, us))
	}
}

// A partition without a position begins at the log's start; position 0 demands
// that the log is whole.
func TestGroupStartOfUnknownPartitions(t *testing.T) {
	t.Parallel()
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 10)
	if err := kafka.DeleteRecords(usTopic, 0, 4); err != nil {
		t.Fatal(err)
	}
	us := Partition{usTopic, 0}
	nowhere := join(t, l, newPositions(), func(c *GroupConfig) {
		c.Group = "nowhere"
		c.Start = func(context.Context, []Partition) (map[Partition]Place, error) { return nil, nil }
	})
	if got := take(t, nowhere.reader, 6); first(got, us) != 4 {
		t.Errorf("first offset %d, want 4", first(got, us))
	}
	whole := join(t, l, newPositions())
	if loss, _ := untilLoss(t, whole.reader); loss.Partition != us || loss.Position != 0 {
		t.Errorf("got %v, want a loss at 0", loss)
	}
}

// While the positions cannot be read the member waits, and then starts right.
func TestGroupStartIsRetried(t *testing.T) {
	t.Parallel()
	l, pos := openLog(t, startKafka(t)), newPositions()
	fill(t, l, usTopic, 0, 5)
	us := Partition{usTopic, 0}
	pos.next[us] = 2
	var calls atomic.Int32
	w := join(t, l, pos, func(c *GroupConfig) {
		c.Start = func(ctx context.Context, assigned []Partition) (map[Partition]Place, error) {
			if calls.Add(1) == 1 {
				return nil, errors.New("redis is loading")
			}
			return pos.start(ctx, assigned)
		}
	})
	if got := take(t, w.reader, 3); first(got, us) != 2 {
		t.Errorf("first offset %d, want 2", first(got, us))
	}
	if n, started := len(w.assigned), int(calls.Load())-1; n == 0 || n > started {
		t.Errorf("told of %d assignments, want only the %d that started", n, started)
	}
}

func TestJoinNeedsGroupTopicsAndStart(t *testing.T) {
	l := openLog(t, startKafka(t))
	start := newPositions().start
	for i, cfg := range []GroupConfig{
		{Topics: []string{usTopic}, Start: start}, {Group: "g", Start: start}, {Group: "g", Topics: []string{usTopic}},
	} {
		if _, err := l.Join(deadline(t), cfg); err == nil {
			t.Errorf("case %d was accepted", i)
		}
	}
}

func TestPartitionsSortByTopicThenIndex(t *testing.T) {
	got := fromTopics(map[string][]int32{"b": {2, 1}, "a": {10, 9}})
	want := []Partition{{"a", 9}, {"a", 10}, {"b", 1}, {"b", 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s := fmt.Sprint(want[1]); s != "a/10" {
		t.Errorf("got %s", s)
	}
}
