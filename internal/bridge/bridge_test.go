package bridge_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/view"
)

func TestWriteIsInTheLogAsReceipted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		r := g.write(b, "set k v PX 5000")
		p := geo.PartitionOf([]byte("k"))
		if r.Outcome != event.Durable || r.Region != "eu" || r.Topic != "eu.events" || r.Partition != p || r.Offset != 0 || r.Seq != 1 {
			t.Errorf("receipt %+v", r)
		}
		e := g.log.events(t, g.codec)[p][0]
		if e.ID != r.EventID || e.HLC != stampOf(r) || e.Lane != r.Lane() || e.Seq != 1 || string(e.Key) != "k" {
			t.Errorf("event %+v, receipt %+v", e, r)
		}
		if set := e.Args.(event.Set); string(set.Value) != "v" || set.ExpireAtMS != e.HLC.Physical+5000 {
			t.Errorf("args %+v, want v expiring 5 s after %d", set, e.HLC.Physical)
		}
		if at := g.log.records[p][0].TimestampMS; at != e.HLC.Physical {
			t.Errorf("record timestamp %d, want %d", at, e.HLC.Physical)
		}
		if again := g.write(b, "incr k"); again.Seq != 2 || !stampOf(again).After(stampOf(r)) || again.EventID <= r.EventID {
			t.Errorf("second receipt %+v after %+v", again, r)
		}
	})
}

// Whatever can be refused is refused before a seq is taken: the lane has no hole.
func TestRefusalsTakeNoSeq(t *testing.T) {
	big := strings.Repeat("x", 400<<10)
	many := event.Operation{Key: []byte("k"), Args: event.SAdd{Members: [][]byte{[]byte(big), []byte(big), []byte(big)}}}
	tests := []struct {
		name string
		op   event.Operation
		code fail.Code
	}{
		{"no operation", event.Operation{Key: []byte("k")}, fail.Rejected},
		{"reserved key", event.Operation{Key: []byte("k:meta"), Args: event.Del{}}, fail.Rejected},
		{"too large in sum", many, fail.Rejected},
		{"id from the future", event.Operation{Key: []byte("k"), Args: event.XDel{IDs: []event.StreamID{{MS: 1 << 47}}}}, fail.Rejected},
		{"life time beyond 48 bits", event.Operation{Key: []byte("k"), Args: event.Set{}, TTLMS: 1<<48 - 5}, fail.Rejected},
		{"other region", event.Operation{Region: "us", Key: []byte("k"), Args: event.Del{}}, fail.Usage},
	}
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		for i, test := range tests {
			if _, err := b.Write(t.Context(), test.op); fail.CodeOf(err) != test.code {
				t.Errorf("%s: got %v, want %s", test.name, err, test.code)
			}
			if r := g.write(b, "del k"); r.Seq != int64(i+1) {
				t.Errorf("%s: the next write has seq %d, want %d", test.name, r.Seq, i+1)
			}
		}
	})
}

func TestTypeGuardSpeaksAsRedis(t *testing.T) {
	const wrong = "WRONGTYPE Operation against a key holding the wrong kind of value"
	tests := []struct {
		holds view.KeyHead
		line  string
		want  string // "" accepts
	}{
		{view.KeyHead{}, "sadd k a", ""},
		{view.KeyHead{Type: crdt.Set}, "sadd k a", ""},
		{view.KeyHead{Type: crdt.Set}, "srem k a", ""},
		{view.KeyHead{Type: crdt.Set}, "incr k", wrong},
		{view.KeyHead{Type: crdt.Set}, "set k v", ""},
		{view.KeyHead{Type: crdt.Set}, "del k", ""},
		{view.KeyHead{Type: crdt.String, Integer: true}, "incr k", ""},
		{view.KeyHead{Type: crdt.String}, "incr k", "ERR value is not an integer or out of range"},
		{view.KeyHead{Type: crdt.String, Integer: true}, "zadd k 1 a", wrong},
		{view.KeyHead{Type: crdt.ZSet}, "hset k f v", wrong},
		{view.KeyHead{Type: crdt.Hash}, "zrem k a", wrong},
		{view.KeyHead{Type: crdt.Hash}, "xadd k * f v", wrong},
		{view.KeyHead{Type: crdt.Stream}, "xtrim k MINID 1", ""},
		{view.KeyHead{Type: crdt.Stream}, "hdel k f", wrong},
	}
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		for _, test := range tests {
			g.redis.set(func() { g.redis.heads["k"] = test.holds })
			_, err := b.Write(t.Context(), op(t, test.line))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%s on %v: %v", test.line, test.holds.Type, err)
			case test.want != "" && (err == nil || err.Error() != test.want || fail.CodeOf(err) != fail.WrongType):
				t.Errorf("%s on %v: got %v, want %s", test.line, test.holds.Type, err, test.want)
			}
		}
	})
}

// Redis is a view: while it cannot be read, writes go on without the guard.
func TestUnreadableViewStopsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		g.redis.set(func() { g.redis.heads["k"] = view.KeyHead{Type: crdt.Set}; g.redis.down = true })
		if r := g.write(b, "incr k"); r.Outcome != event.Durable || !alarmed(b, api.AlarmViewUnreadable) {
			t.Errorf("receipt %+v, alarms %+v", r, b.State().Alarms)
		}
		g.redis.set(func() { g.redis.down, g.redis.hang = false, true })
		started := time.Now()
		if r := g.write(b, "incr k"); r.Outcome != event.Durable || time.Since(started) > time.Second {
			t.Errorf("with a Redis that hangs: %+v after %v, want durable within 1 s", r, time.Since(started))
		}
		g.redis.set(func() { g.redis.hang = false })
		stop := g.run(b)
		time.Sleep(10 * time.Second)
		if stop(); alarmed(b, api.AlarmViewUnreadable) {
			t.Errorf("alarms %+v long after it is back, without a write", b.State().Alarms)
		}
		if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.WrongType || alarmed(b, api.AlarmViewUnreadable) {
			t.Errorf("after it is back: %v, alarms %+v", err, b.State().Alarms)
		}
	})
}

// D4: the stamp of what was read is merged before the write is stamped.
func TestWriteAfterReadWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		for _, ahead := range []time.Duration{0, 100 * time.Millisecond, 499 * time.Millisecond} {
			read := hlc.Timestamp{Physical: time.Now().Add(ahead).UnixMilli(), Logical: 77, Region: 9}
			g.redis.set(func() { g.redis.heads["k"] = view.KeyHead{Type: crdt.String, Newest: read} })
			if r := g.write(b, "set k mine"); !stampOf(r).After(read) {
				t.Errorf("stamp %v is not after %v, which was read %v ahead", stampOf(r), read, ahead)
			}
		}
	})
}

// A write that could only lose is refused, and says to what.
func TestStampFromTheFutureIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		future := hlc.Timestamp{Physical: time.Now().Add(time.Hour).UnixMilli(), Region: 0}
		g.redis.set(func() { g.redis.heads["k"] = view.KeyHead{Type: crdt.String, Newest: future} })
		_, err := b.Write(t.Context(), op(t, "set k v"))
		if fail.CodeOf(err) != fail.Clock || !strings.Contains(fmt.Sprint(err), future.String()) || !alarmed(b, api.AlarmClockAhead) {
			t.Errorf("got %v, want CLOCK naming %v", err, future)
		}
		if r := g.write(b, "set other v"); r.Outcome != event.Durable {
			t.Errorf("another key: %+v", r)
		}
		if b.Witness(future) {
			t.Error("a token from the future was followed")
		}
	})
}

// D5: two bridges of a region share no clock and must not share a stamp either.
func TestTwoBridgesNeverShareAStamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		if a.State().Slot == b.State().Slot {
			t.Fatalf("both have slot %d", a.State().Slot)
		}
		seen := map[hlc.Timestamp]bool{}
		for range 500 { // virtual time stands still: all in one millisecond
			for _, w := range []*bridge.Bridge{a, b} {
				r := g.write(w, "incr k")
				if seen[stampOf(r)] {
					t.Fatalf("stamp %v was made twice", stampOf(r))
				}
				seen[stampOf(r)] = true
			}
		}
		checkLanes(t, g.log.events(t, g.codec), nil)
	})
}

func TestPlanTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		e, p, err := b.Plan(t.Context(), op(t, "set k v"))
		if err != nil || p != geo.PartitionOf([]byte("k")) || e.Seq != 1 || e.Validate() != nil {
			t.Fatalf("plan %+v in %d (%v)", e, p, err)
		}
		if len(g.log.records) != 0 {
			t.Error("the plan was appended")
		}
		if r := g.write(b, "set k v"); r.Seq != 1 || !stampOf(r).After(e.HLC) {
			t.Errorf("the write after the plan has %+v", r)
		}
		if _, _, err := b.Plan(t.Context(), op(t, "xdel k 99999999999999-0")); fail.CodeOf(err) != fail.Rejected {
			t.Errorf("plan of a bad operation: %v", err)
		}
	})
}

func TestFullBufferGivesTheSeqBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		first := g.write(b, "incr k")
		g.log.set(func() { g.log.full = true })
		if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.Busy {
			t.Errorf("got %v, want BUSY", err)
		}
		g.log.set(func() { g.log.full = false })
		if next := g.write(b, "incr k"); next.Seq != 2 || next.Lane() != first.Lane() {
			t.Errorf("after the refusal: %+v, want seq 2 of lane %v", next, first.Lane())
		}
		if s := b.State().Counters; s.Durable != 2 || s.Failed != 1 || s.Pending != 0 {
			t.Errorf("counters %+v", s)
		}
	})
}

// A record whose deadline passed stays queued; the lane goes on.
func TestDeadlineIsUnknownAndTheLaneGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		g.log.set(func() { g.log.hold = true })
		started := time.Now()
		late := g.write(b, "incr k")
		if late.Outcome != event.FateUnknown || late.Offset != -1 || late.Seq != 1 || time.Since(started) != 5*time.Second {
			t.Fatalf("got %+v after %v, want unknown after 5 s", late, time.Since(started))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if gone, err := b.Write(ctx, op(t, "incr k")); err != nil || gone.Outcome != event.FateUnknown || gone.Seq != 2 {
			t.Errorf("client that went away: %+v (%v)", gone, err)
		}
		if _, err := b.Write(ctx, op(t, "incr k")); fail.CodeOf(err) != fail.Timeout {
			t.Errorf("client that was gone before: %v, want TIMEOUT and nothing written", err)
		}
		g.log.set(func() { g.log.hold = false })
		next := g.write(b, "incr k")
		if next.Seq != 3 || next.Lane() != late.Lane() || next.Offset != 2 {
			t.Errorf("after the outage: %+v, want seq 3 at offset 2 of the same lane", next)
		}
		synctest.Wait()
		if s := b.State().Counters; s.Unknown != 2 || s.Appended != 3 || s.Pending != 0 {
			t.Errorf("counters %+v", s)
		}
	})
}

// A record that certainly failed leaves a hole, so nothing may follow it in its
// lane; what is on its way in other partitions keeps its own fate.
func TestFailedRecordClosesTheLane(t *testing.T) {
	for _, how := range []fault{lost, droppedMute, storedMute} {
		t.Run(fmt.Sprint(how), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				b := g.open()
				first := g.write(b, "incr bad")
				g.log.set(func() {
					g.log.hold = true
					g.log.fate = func(r event.Record) fault {
						if string(r.Key) == "bad" {
							return how
						}
						return stored
					}
				})
				type answer struct {
					r   event.Receipt
					err error
				}
				answers := map[string]chan answer{"incr bad": make(chan answer, 1), "incr good": make(chan answer, 1)}
				for line, to := range answers {
					go func() {
						r, err := b.Write(t.Context(), op(t, line))
						to <- answer{r, err}
					}()
				}
				synctest.Wait()
				g.log.set(func() { g.log.hold = false })
				bad, good := <-answers["incr bad"], <-answers["incr good"]
				if how == lost && (fail.CodeOf(bad.err) != fail.Unavailable || bad.err == nil) {
					t.Errorf("lost record: %+v, want failed", bad)
				}
				if how != lost && (bad.err != nil || bad.r.Outcome != event.FateUnknown) {
					t.Errorf("record of unknown fate: %+v, want unknown", bad)
				}
				if good.err != nil || good.r.Outcome != event.Durable || good.r.Lane() != first.Lane() {
					t.Errorf("record of another partition: %+v, want durable in the old lane", good)
				}
				g.log.set(func() { g.log.fate = nil })
				next := g.write(b, "incr bad")
				if next.Lane().Incarnation <= first.Lane().Incarnation || next.Slot != first.Slot || next.Seq != 1 {
					t.Errorf("next write: %+v, want seq 1 of a new incarnation of slot %d", next, first.Slot)
				}
				if s := b.State().Counters; s.LanesClosed != 1 || s.Lost != 1 {
					t.Errorf("counters %+v", s)
				}
			})
		})
	}
}

// An end whose time was used up by others is still a clean one when nothing is
// on its way here.
func TestCloseWithoutTimeLeftGivesTheSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		for range 20 { // it would be a matter of luck
			b := g.open()
			g.write(b, "incr k")
			over, cancel := context.WithCancel(t.Context())
			cancel()
			if err := b.Close(over); err != nil {
				t.Fatalf("close with nothing on its way: %v", err)
			}
			if holder, _ := g.redis.SlotHolder(t.Context(), 0); holder != "" {
				t.Fatal("the lease was not given back")
			}
		}
	})
}

func TestCloseWaitsAndGivesTheSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		g.log.set(func() { g.log.hold = true })
		answered := make(chan event.Receipt, 1)
		go func() {
			r, _ := b.Write(t.Context(), op(t, "incr k"))
			answered <- r
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(ctx); fail.CodeOf(err) != fail.Timeout {
			t.Errorf("close with a record on its way: %v, want TIMEOUT", err)
		}
		if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("write after close: %v", err)
		}
		if holder, _ := g.redis.SlotHolder(t.Context(), 0); holder != b.State().Holder {
			t.Error("the lease was given back while a record is on its way")
		}
		g.log.set(func() { g.log.hold = false })
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if r := <-answered; r.Outcome != event.Durable {
			t.Errorf("the write that was on its way: %+v", r)
		}
		if holder, _ := g.redis.SlotHolder(t.Context(), 0); holder != "" {
			t.Error("the lease was not given back")
		}
	})
}

// Without the log there is no floor, and without the floor no stamp.
func TestBridgeStartsWhenTheLogIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.log.down = true
		b := g.open()
		stop := g.run(b)
		defer stop()
		if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.Unavailable || b.State().Ready {
			t.Errorf("without a log: %v", err)
		}
		g.log.set(func() { g.log.down = false })
		time.Sleep(6 * time.Second)
		if !b.State().Ready {
			t.Error("Run did not start the bridge")
		}
		g.write(b, "incr k")
	})
}
