package bridge_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
)

// A bridge that was closed before it could start has no lane to plan with.
func TestPlanAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		registry := &fakeRegistry{down: true}
		g.codec = avro.NewCodec(registry, "")
		b := g.open()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		registry.mu.Lock()
		registry.down = false
		registry.mu.Unlock()
		if _, _, err := b.Plan(t.Context(), op(t, "set k v")); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
	})
}

// However many receipts wait for a Redis that hangs, Run ends with its context.
func TestRunEndsWhileReceiptsCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.open()
		const n = 100
		g.log.set(func() { g.log.hold = true })
		done := make(chan struct{}, n)
		for i := range n {
			go func() {
				g.once(b, "incr k", fmt.Sprint("id-", i))
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		g.redis.set(func() { g.redis.hang = true })
		g.log.set(func() { g.log.hold = false })
		for range n {
			<-done
		}
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		time.Sleep(6 * time.Second) // it is at them
		cancel()
		began := time.Now()
		if <-ended; time.Since(began) > 0 {
			t.Errorf("it ended %v after its context", time.Since(began))
		}
	})
}

// A reservation is moved to another slot in the very moment in which its record
// becomes durable: the receipt is stored all the same, and when nobody learns that
// it was moved as well.
func TestReceiptMeetsTheMoveOfItsReservation(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			leases := &slowRenewal{fakeRedis: g.redis, log: g.log}
			leases.lost.Store(lost)
			b := g.openWith(func(c *bridge.Config) { c.Leases = leases })
			stop := g.run(b)
			defer stop()
			other := g.open()
			stopToo := g.run(other)
			defer stopToo()
			g.log.set(func() { g.log.hold = true })
			if r := g.once(b, "incr k", "id-1"); r.Outcome != event.FateUnknown {
				t.Fatalf("%+v, while the log holds the record back", r)
			}
			g.redis.set(func() { g.redis.table[slotName(0)] = tableEntry{"somebody else", time.Now().Add(time.Hour)} })
			time.Sleep(time.Minute)
			g.log.set(func() { g.log.down = true }) // what is not stored cannot be looked up
			if r := g.once(other, "incr k", "id-1"); r.Outcome != event.Durable {
				t.Errorf("reply lost %v: %+v at another bridge, want the stored receipt", lost, r)
			}
		})
	}
}

// slowRenewal answers the move of a reservation only after the records on their
// way became durable, or not at all.
type slowRenewal struct {
	*fakeRedis
	log  *fakeLog
	lost atomic.Bool // the reply to the first call
}

func (r *slowRenewal) StoreReceipt(ctx context.Context, id string, old, entry []byte, ttl time.Duration) (bool, error) {
	lost := r.lost.Swap(false)
	ok, err := r.fakeRedis.StoreReceipt(ctx, id, old, entry, ttl)
	r.log.set(func() { r.log.hold = false })
	time.Sleep(100 * time.Millisecond)
	if lost {
		return false, errDown
	}
	return ok, err
}
