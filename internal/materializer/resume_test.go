package materializer

import (
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// Whoever died in the middle of long work left containers with dead elements in
// them; no batch may ever come to their partition.
func TestLongWorkOfADeadOwnerIsFinishedOnAQuietSystem(t *testing.T) {
	leave := func(w *testWorld) { w.view.dirty = map[int32]bool{0: true, 7: true} }
	inWorld(t, leave, func(w *testWorld) {
		w.settle()
		if n := w.view.unfinished(); n != 0 {
			t.Errorf("%d partitions have work left at the start", n)
		}
	})
}

// A sweep that failed behind the last batch is tried again without another one.
func TestLongWorkLeftBehindTheLastBatchIsFinished(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		p := w.write("us", "k")
		w.settle()
		w.view.with(func() { w.view.dirty[p.Index] = true })
		w.later(2 * time.Second)
		if n := w.view.unfinished(); n != 0 {
			t.Errorf("%d partitions have work left", n)
		}
	})
}

func TestLongWorkOfOthersIsLeftToThem(t *testing.T) {
	inWorld(t, nil, func(w *testWorld) {
		w.settle()
		w.log.revoke(partitionsOf(3)...)
		w.view.with(func() { w.view.dirty[3] = true })
		w.later(5 * time.Second)
		if n := w.view.unfinished(); n != 1 {
			t.Error("swept a partition that is not ours")
		}
	})
}

// The same on a view with a real half-buried set: what is dead disappears from
// reads although no record arrives.
func TestHalfBuriedSetIsBuriedByTheNextOwner(t *testing.T) {
	server := miniredis.RunT(t)
	s := newSite(t, "redis://"+server.Addr())
	ctx := deadline(t)
	key := []byte("members")
	p := geo.PartitionOf(key)
	at := func(ms int64, seq int64, args event.Args) event.Event {
		return event.Event{
			Version: 1, MinVersion: 1, ID: strconv.FormatInt(seq, 10), Origin: "us", HLC: hlc.Timestamp{Physical: ms},
			Lane: lane.ID{Slot: 1, Incarnation: 7}, Seq: seq, Key: key, Args: args,
		}
	}
	events := []event.Event{
		at(1000, 1, event.SAdd{Members: [][]byte{[]byte("dead")}}),
		at(3000, 2, event.SAdd{Members: [][]byte{[]byte("alive")}}),
		at(2000, 3, event.Del{}),
	}
	s.append(events...)
	batch := view.NewBatch(s.now, true)
	var taken lane.Set
	for _, e := range events {
		batch.Add(e)
		taken = taken.Add(e.Seq)
	}
	batch.Ranges = []view.Range{{Topic: "us.events", Partition: p, To: 3, Lanes: map[lane.ID]lane.Set{events[0].Lane: taken}, HLC: events[1].HLC}}
	if _, err := s.db.Apply(ctx, batch); err != nil {
		t.Fatal(err)
	}
	// As a process leaves it that died between the DEL and the burial.
	dirty := "geokv:dirty:" + strconv.Itoa(int(p))
	server.SAdd("members", "dead")
	server.HSet("members:smeta", "dead", string(append([]byte{0, 0, 0, 0, 0x03, 0xe8, 0, 0, 0, 0}, 'A')))
	server.HSet(dirty, "s:members", "0")

	s.run(s.db, nil)
	polltest.Until(t, "the burial", func() bool { return !server.Exists(dirty) })
	v, err := s.db.Read(ctx, key, view.ReadOptions{Now: s.now})
	if err != nil || len(v.Members) != 1 || string(v.Members[0]) != "alive" {
		t.Errorf("got %v, %v, want the set {alive}", v, err)
	}
}

// A partition comes back unpaused: the client forgot the pause with it.
func TestPauseDoesNotOutliveOwnership(t *testing.T) {
	m, err := New(Config{
		Region: geo.Region{Name: "us"}, Topology: geo.Default(), Log: newFakeLog(), View: newFakeView(t),
		Decoder: &jsonCodec{}, Clock: hlc.NewClock(0, time.Now), History: &fakeHistory{}, Wall: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w, p := m.workers[0], wal.Partition{Topic: "us.events", Index: 0}
	pauses := func() (list []wal.Partition) {
		var resumes []wal.Partition
		w.wishes(map[wal.Partition]wal.Place{}, &list, &resumes)
		return list
	}
	fill := func() {
		for offset := range int64(6) {
			w.deliver(event.Record{Topic: p.Topic, Partition: p.Index, Offset: offset, Value: make([]byte, 1<<20)})
		}
	}
	w.assign(p, wal.At(0), 0)
	fill()
	if len(pauses()) != 1 {
		t.Fatal("a full queue does not pause its partition")
	}
	w.revoke(p)
	w.assign(p, wal.At(0), 0)
	fill() // in the very poll in which it came back
	if len(pauses()) != 1 {
		t.Error("a full queue does not pause its partition after it came back")
	}
}
