package wal

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/pause"
)

// Place is where to read on in a partition.
type Place struct {
	Offset int64 // next offset wanted

	// Epoch is the leader epoch of the record before Offset, -1 when not known.
	// With it the brokers tell a log that lost that record and grew past Offset
	// again: the offset alone looks fine. The client asks them at the start of a
	// partition and after each election, but not when a running one is moved.
	Epoch int32
}

// At is a Place whose epoch is not known.
func At(offset int64) Place { return Place{Offset: offset, Epoch: -1} }

func (p Place) forClient() kgo.Offset { return kgo.NewOffset().At(p.Offset).WithEpoch(p.Epoch) }

// Fetch is what one Poll took.
type Fetch struct {
	// Records in offset order per partition; partitions are not interleaved.
	Records []event.Record

	// Ends holds, for the partitions in Records, the next offset to be written
	// as the broker said it with these records.
	Ends map[Partition]int64
}

// Reader reads records of many partitions in offset order per partition. Poll,
// Seek, Pause, Resume, Release and Commit may be used from different goroutines,
// but Poll from one at a time.
type Reader struct {
	log    *Log
	client *kgo.Client
	group  bool

	mu      sync.Mutex
	closed  bool
	next    map[Partition]int64 // position after what Poll returned; its keys are what the reader owns
	moves   map[Partition]Place // asked for by Seek; the next Poll makes them
	wake    context.CancelFunc  // ends the wait of a running Poll
	running map[Partition]bool  // has delivered records, so the client certainly reads it
	paused  map[Partition]bool  // by Pause
	stopped map[Partition]bool  // by data loss
	pending []error             // found by a Poll that had records to return first
}

func (l *Log) newReader(next map[Partition]int64, group bool) *Reader {
	return &Reader{
		log: l, group: group, next: next,
		moves: map[Partition]Place{}, wake: func() {}, running: map[Partition]bool{},
		paused: map[Partition]bool{}, stopped: map[Partition]bool{},
	}
}

func (r *Reader) start(opts []kgo.Opt) error {
	l := r.log
	all := append(l.cfg.baseOptions(), readOptions()...)
	client, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return fail.Wrap(fail.Internal, err, "configure the kafka consumer")
	}
	r.client = client
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		go client.Close() // a group's callbacks may still wait for this call to return
		return ErrClosed
	}
	l.readers[r] = struct{}{}
	return nil
}

// Release lets a waiting rebalance go on. It may be called at any time; the
// next Poll releases too.
func (r *Reader) Release() { r.client.AllowRebalance() }

// Seek moves partitions: the next records that Poll returns are those from the
// given places on; a Poll that is waiting honours it. Records that Poll has
// already returned are the caller's to drop. Partitions that the reader does
// not own are ignored. Seek restarts a partition that a *DataLossError stopped,
// except when its topic was re-created: that takes a new reader.
//
// Seek only takes a note: the client moves between two of its polls, never
// beside one, so that what a poll took before the move is told from what it
// took after.
func (r *Reader) Seek(places map[Partition]Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, place := range places {
		if _, owned := r.next[p]; !owned {
			continue
		}
		r.next[p] = place.Offset
		r.moves[p] = place
		delete(r.stopped, p)
		r.pending = slices.DeleteFunc(r.pending, func(err error) bool { return isLossOf(err, p) })
	}
	r.wake()
}

// isLossOf reports a loss that moving the partition makes void.
func isLossOf(err error, p Partition) bool {
	var loss *DataLossError
	return errors.As(err, &loss) && loss.Partition == p && loss.Kind != Recreated && loss.Kind != Deleted
}

// settle makes the moves that Seek asked for, and returns a context for one
// poll of the client: it ends with ctx, or when Seek asks for more.
func (r *Reader) settle(ctx context.Context) (context.Context, context.CancelFunc) {
	wait, wake := context.WithCancel(ctx)
	r.mu.Lock()
	r.wake = wake
	moves := r.moves
	r.moves = map[Partition]Place{}
	var going []Partition
	for p := range moves {
		if !r.paused[p] {
			going = append(going, p)
		}
	}
	r.mu.Unlock()

	if len(moves) > 0 {
		r.move(moves)
		r.client.ResumeFetchPartitions(byTopic(going))
	}
	return wait, wake
}

// move makes the client read from other offsets. The client moves only what it
// reads already: a group's partitions just after they were assigned, and direct
// ones before their first metadata, it would leave where they are.
func (r *Reader) move(places map[Partition]Place) {
	if r.group {
		r.awaitAssignment(places)
	} else {
		r.replaceIdle(places)
	}
	if len(places) == 0 {
		return
	}
	set := map[string]map[int32]kgo.EpochOffset{}
	for p, place := range places {
		if set[p.Topic] == nil {
			set[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		set[p.Topic][p.Index] = kgo.EpochOffset{Epoch: place.Epoch, Offset: place.Offset}
	}
	r.client.SetOffsets(set)
}

// replaceIdle gives direct partitions that have delivered nothing yet a new
// start, and takes them out of places.
func (r *Reader) replaceIdle(places map[Partition]Place) {
	var idle []Partition
	starts := map[string]map[int32]kgo.Offset{}
	r.mu.Lock()
	for p, place := range places {
		if r.running[p] {
			continue
		}
		idle = append(idle, p)
		if starts[p.Topic] == nil {
			starts[p.Topic] = map[int32]kgo.Offset{}
		}
		starts[p.Topic][p.Index] = place.forClient()
		delete(places, p)
	}
	r.mu.Unlock()
	r.client.RemoveConsumePartitions(byTopic(idle))
	r.client.AddConsumePartitions(starts)
}

// awaitAssignment waits until the client reads the partitions of a group that it
// was just given. That takes microseconds: between the answer to Start and the
// client's acting on it. What was taken away meanwhile is not waited for.
func (r *Reader) awaitAssignment(places map[Partition]Place) {
	for tries := 1; tries <= electionTries; tries++ {
		reading := r.client.CommittedOffsets()
		missing := false
		r.mu.Lock()
		for p := range places {
			_, owned := r.next[p]
			_, known := reading[p.Topic][p.Index]
			missing = missing || owned && !known
		}
		r.mu.Unlock()
		if !missing || !pause.For(context.Background(), time.Duration(tries)*time.Millisecond) {
			return
		}
	}
}

// Pause stops delivery of partitions until Resume. What was fetched already and
// not yet returned is fetched again then.
func (r *Reader) Pause(partitions ...Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range partitions {
		r.paused[p] = true
	}
	r.client.PauseFetchPartitions(byTopic(partitions))
}

// Resume ends Pause. It does not restart a partition that lost data.
func (r *Reader) Resume(partitions ...Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var going []Partition
	for _, p := range partitions {
		delete(r.paused, p)
		if !r.stopped[p] {
			going = append(going, p)
		}
	}
	r.client.ResumeFetchPartitions(byTopic(going))
}

// Positions returns the next offset of every partition the reader owns: what
// follows the records Poll has returned.
func (r *Reader) Positions() map[Partition]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[Partition]int64, len(r.next))
	for p, offset := range r.next {
		next[p] = offset
	}
	return next
}

// Close stops reading and leaves the group. It is safe to call twice, and while
// Poll waits, which then returns ErrClosed.
func (r *Reader) Close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	r.mu.Unlock()

	r.client.CloseAllowingRebalance()
	r.log.mu.Lock()
	delete(r.log.readers, r)
	r.log.mu.Unlock()
}

func byTopic(partitions []Partition) map[string][]int32 {
	if len(partitions) == 0 {
		return nil
	}
	m := map[string][]int32{}
	for _, p := range partitions {
		m[p.Topic] = append(m[p.Topic], p.Index)
	}
	return m
}

func fromTopics(m map[string][]int32) []Partition {
	var partitions []Partition
	for topic, indices := range m {
		for _, i := range indices {
			partitions = append(partitions, Partition{topic, i})
		}
	}
	sortPartitions(partitions)
	return partitions
}
