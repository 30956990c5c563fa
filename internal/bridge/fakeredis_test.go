package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/view"
)

// fakeRedis is a view and a lease table in memory.
type fakeRedis struct {
	mu        sync.Mutex
	heads     map[string]view.KeyHead
	positions map[string]hlc.Timestamp // by topic
	table     map[string]tableEntry
	down      bool          // every call fails
	hang      bool          // every call waits for its context
	noReads   bool          // the view may not be read; the table may
	mute      int           // the next so many table writes take effect, but the answer is lost
	skew      time.Duration // of this server's clock
	rtt       time.Duration
}

type tableEntry struct {
	value   string
	expires time.Time
}

var errDown = errors.New("redis is down")

func newFakeRedis() *fakeRedis {
	r := &fakeRedis{heads: map[string]view.KeyHead{}, positions: map[string]hlc.Timestamp{}, table: map[string]tableEntry{}}
	r.table["run"] = tableEntry{"1", time.Now().AddDate(1, 0, 0)} // the table is old
	return r
}

// loseTable is a FLUSHALL, or a restart without a snapshot.
func (r *fakeRedis) loseTable() { r.set(func() { clear(r.table) }) }

func (r *fakeRedis) TableAge(ctx context.Context, upTo time.Duration) (time.Duration, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if r.get("run") == "" {
		r.table["run"] = tableEntry{"1", time.Now().AddDate(1, 0, 0)}
		r.table["young"] = tableEntry{"1", time.Now().Add(upTo)}
	}
	return upTo - max(0, time.Until(r.table["young"].expires)), nil
}

func (r *fakeRedis) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// call locks for one command; the returned func unlocks.
func (r *fakeRedis) call(ctx context.Context) (func(), error) {
	r.mu.Lock()
	if r.hang {
		r.mu.Unlock()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.down || ctx.Err() != nil {
		r.mu.Unlock()
		return nil, errDown
	}
	return r.mu.Unlock, nil
}

func (r *fakeRedis) get(name string) string {
	e, ok := r.table[name]
	if !ok || !time.Now().Before(e.expires) {
		return ""
	}
	return e.value
}

func (r *fakeRedis) put(name, value string, ttl time.Duration) error {
	r.table[name] = tableEntry{value, time.Now().Add(ttl)}
	if r.mute > 0 {
		r.mute--
		return errors.New("the answer was lost")
	}
	return nil
}

// change swaps old for new under name, if old stands there; "" is free.
func (r *fakeRedis) change(ctx context.Context, name, old, new string, ttl time.Duration) (bool, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if r.get(name) != old {
		return false, nil
	}
	if new == "" {
		delete(r.table, name)
		return true, nil
	}
	return true, r.put(name, new, ttl)
}

func slotName(slot uint16) string { return fmt.Sprintf("slot:%d", slot) }

func (r *fakeRedis) AcquireSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	return r.change(ctx, slotName(slot), "", holder, ttl)
}

func (r *fakeRedis) RenewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	return r.change(ctx, slotName(slot), holder, holder, ttl)
}

func (r *fakeRedis) ReleaseSlot(ctx context.Context, slot uint16, holder string) error {
	_, err := r.change(ctx, slotName(slot), holder, "", 0)
	return err
}

func (r *fakeRedis) SlotHolder(ctx context.Context, slot uint16) (string, error) {
	return r.LookupText(ctx, slotName(slot))
}

func (r *fakeRedis) LookupText(ctx context.Context, name string) (string, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	return r.get(name), nil
}

func (r *fakeRedis) ReserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) ([]byte, bool, error) {
	reserved, err := r.change(ctx, "eid:"+id, "", string(reservation), ttl)
	if reserved || err != nil {
		return nil, reserved, err
	}
	existing, err := r.LookupText(ctx, "eid:"+id)
	return []byte(existing), false, err
}

func (r *fakeRedis) StoreReceipt(ctx context.Context, id string, reservation, receipt []byte, ttl time.Duration) (bool, error) {
	return r.change(ctx, "eid:"+id, string(reservation), string(receipt), ttl)
}

func (r *fakeRedis) ReleaseID(ctx context.Context, id string, reservation []byte) error {
	_, err := r.change(ctx, "eid:"+id, string(reservation), "", 0)
	return err
}

func (r *fakeRedis) Time(ctx context.Context) (time.Time, time.Duration, error) {
	unlock, err := r.call(ctx)
	if err != nil {
		return time.Time{}, 0, err
	}
	defer unlock()
	return time.Now().Add(r.skew), r.rtt, nil
}

func (r *fakeRedis) Newest(ctx context.Context, key []byte) (view.KeyHead, error) {
	unlock, err := r.read(ctx)
	if err != nil {
		return view.KeyHead{}, err
	}
	defer unlock()
	return r.heads[string(key)], nil
}

func (r *fakeRedis) Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error) {
	unlock, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []view.Position
	for _, p := range partitions {
		out = append(out, view.Position{Topic: topic, Partition: p, HLC: r.positions[topic]})
	}
	return out, nil
}

// read is call of a command that reads the view.
func (r *fakeRedis) read(ctx context.Context) (func(), error) {
	unlock, err := r.call(ctx)
	if err == nil && r.noReads {
		unlock()
		return nil, errors.New("NOPERM")
	}
	return unlock, err
}
