package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/wal"
)

// severedLeases is the table as a process sees it that dies at a certain point:
// from then on nothing it does takes effect.
type severedLeases struct {
	*fakeRedis
	mu   sync.Mutex
	dead bool
}

func (s *severedLeases) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *severedLeases) gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

func (s *severedLeases) RenewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	if s.gone() {
		return false, errDown
	}
	return s.fakeRedis.RenewSlot(ctx, slot, holder, ttl)
}

func (s *severedLeases) StoreReceipt(ctx context.Context, id string, old, receipt []byte, ttl time.Duration) (bool, error) {
	if s.gone() {
		return false, errDown
	}
	return s.fakeRedis.StoreReceipt(ctx, id, old, receipt, ttl)
}

func (s *severedLeases) ReleaseID(ctx context.Context, id string, old []byte) error {
	if s.gone() {
		return errDown
	}
	return s.fakeRedis.ReleaseID(ctx, id, old)
}

// severedLog kills its process right before or right after an append.
type severedLog struct {
	*fakeLog
	leases *severedLeases
	after  bool
}

func (l *severedLog) Append(r event.Record, done func(int64, error)) error {
	l.leases.kill()
	if l.after {
		return l.fakeLog.Append(r, func(int64, error) { done(-1, errors.New("the process is gone")) })
	}
	go done(-1, errors.New("the process is gone"))
	return nil
}

// The holder is killed between the reservation and the append, or between the
// append and storing the receipt. A repeat waits until the lease tells that it
// is gone, then finds the event in the log, or appends it.
func TestRepeatAfterTheHolderDied(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after append %v", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				leases := &severedLeases{fakeRedis: g.redis}
				dying := g.openWith(func(c *bridge.Config) {
					c.Leases, c.Log = leases, &severedLog{g.log, leases, after}
				})
				_, _ = dying.Write(t.Context(), withID(t, "incr k", "id-1"))
				b := g.open()
				stop := g.run(b)
				defer stop()
				g.write(b, "incr k") // another event of the key stands between
				if r := g.once(b, "incr k", "id-1"); r.Outcome != event.FateUnknown {
					t.Errorf("while the lease stands: %+v, want unknown", r)
				}
				time.Sleep(30 * time.Second)
				r := g.once(b, "incr k", "id-1")
				if r.Outcome != event.Durable || r.EventID != "id-1" || r.Offset < 0 {
					t.Errorf("after the lease: %+v", r)
				}
				if found := r.Slot == 0; found != after {
					t.Errorf("receipt of slot %d, killed after the append: %v", r.Slot, after)
				}
				if again := g.once(b, "incr k", "id-1"); again != r {
					t.Errorf("repeat: %+v, want %+v", again, r)
				}
				if n := g.inLog("id-1"); n != 1 {
					t.Errorf("in the log %d times", n)
				}
			})
		})
	}
}

// The log cannot be read when a dead holder's id must be looked for: refused,
// and decided later, by anybody.
func TestLogUnreadableWhileTakingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		leases := &severedLeases{fakeRedis: g.redis}
		dying := g.openWith(func(c *bridge.Config) {
			c.Leases, c.Log = leases, &severedLog{g.log, leases, true}
		})
		_, _ = dying.Write(t.Context(), withID(t, "incr k", "id-1"))
		time.Sleep(31 * time.Second)
		a, b := g.open(), g.open()
		g.log.set(func() { g.log.down = true })
		if _, err := a.Write(t.Context(), withID(t, "incr k", "id-1")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
		g.log.set(func() { g.log.down = false })
		if r := g.once(b, "incr k", "id-1"); r.Slot != 0 || r.Outcome != event.Durable {
			t.Errorf("another bridge: %+v, want the receipt of the dead one's append", r)
		}
		if n := g.inLog("id-1"); n != 1 {
			t.Errorf("in the log %d times", n)
		}
	})
}

// Whoever takes over a reservation may die as well; the next one looks back to
// the first reservation all the same.
func TestTakingOverTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		first := &severedLeases{fakeRedis: g.redis}
		dying := g.openWith(func(c *bridge.Config) {
			c.Leases, c.Log = first, &severedLog{g.log, first, true}
		})
		_, _ = dying.Write(t.Context(), withID(t, "incr k", "id-1"))
		time.Sleep(31 * time.Second)
		second := &severedLeases{fakeRedis: g.redis}
		heir := g.openWith(func(c *bridge.Config) {
			c.Leases, c.Log = second, &dyingReader{g.log, second}
		})
		_, _ = heir.Write(t.Context(), withID(t, "incr k", "id-1"))
		time.Sleep(31 * time.Second)
		if r := g.once(g.open(), "incr k", "id-1"); r.Offset != 0 || r.Outcome != event.Durable || g.inLog("id-1") != 1 {
			t.Errorf("%+v, %d in the log", r, g.inLog("id-1"))
		}
	})
}

// dyingReader kills its process when it looks into the log.
type dyingReader struct {
	*fakeLog
	leases *severedLeases
}

func (l *dyingReader) Ends(context.Context, ...string) (map[wal.Partition]int64, error) {
	l.leases.kill()
	return nil, errors.New("the process is gone")
}

// A dead holder's clock was set back between its reservation and its stamp, by
// less than what stops writes: the record is older than the reservation says.
func TestTakeOverOfARecordOlderThanItsReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		leases := &severedLeases{fakeRedis: g.redis}
		dying := g.openWith(func(c *bridge.Config) {
			c.Leases = &stepLeases{leases, func() { g.setClock(-450 * time.Millisecond) }}
			c.Log = &severedLog{g.log, leases, true}
		})
		time.Sleep(time.Second)
		g.setClock(450 * time.Millisecond)
		_, _ = dying.Write(t.Context(), withID(t, "incr k", "id-1"))
		g.setClock(0)
		time.Sleep(31 * time.Second)
		if r := g.once(g.open(), "incr k", "id-1"); r.Offset != 0 || g.inLog("id-1") != 1 {
			t.Errorf("%+v, %d in the log", r, g.inLog("id-1"))
		}
	})
}

// stepLeases does something right after a reservation.
type stepLeases struct {
	*severedLeases
	then func()
}

func (l *stepLeases) ReserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) ([]byte, bool, error) {
	defer l.then()
	return l.severedLeases.ReserveID(ctx, id, reservation, ttl)
}
