package view

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

func (db *DB) acquireSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	ok, err := db.claimName(ctx, slotKey(slot), []byte(holder), ttl)
	if err != nil {
		err = fmt.Errorf("lease slot %d: %w", slot, err)
	}
	return ok, err
}

func (db *DB) claimName(ctx context.Context, name string, value []byte, ttl time.Duration) (bool, error) {
	_, err := db.clients.lease.SetArgs(ctx, name, value, redis.SetArgs{Mode: "NX", TTL: ttl}).Result()
	if err == redis.Nil {
		return false, nil
	}
	return err == nil, err
}

func (db *DB) renewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error) {
	n, err := run(ctx, db.clients.lease, db.scripts.cas, []string{slotKey(slot)}, holder, holder, ttl.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("renew slot %d: %w", slot, err)
	}
	return number(n) == 1, nil
}

func (db *DB) releaseSlot(ctx context.Context, slot uint16, holder string) error {
	if _, err := run(ctx, db.clients.lease, db.scripts.cad, []string{slotKey(slot)}, holder); err != nil {
		return fmt.Errorf("release slot %d: %w", slot, err)
	}
	return nil
}

func (db *DB) reserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) ([]byte, bool, error) {
	for range 2 {
		ok, err := db.claimName(ctx, eidKey(id), reservation, ttl)
		if ok || err != nil {
			return nil, ok, wrapID("reserve", id, err)
		}
		existing, err := db.lookupID(ctx, id)
		if existing != nil || err != nil {
			return existing, false, err
		}
		// it expired between the two questions: ask once more
	}
	return nil, false, fmt.Errorf("reserve event id %q: it comes and goes", id)
}

func (db *DB) storeReceipt(ctx context.Context, id string, reservation, receipt []byte, ttl time.Duration) (bool, error) {
	n, err := run(ctx, db.clients.lease, db.scripts.cas, []string{eidKey(id)}, reservation, receipt, ttl.Milliseconds())
	return number(n) == 1, wrapID("store receipt of", id, err)
}

func (db *DB) lookupID(ctx context.Context, id string) ([]byte, error) {
	b, err := db.clients.lease.Get(ctx, eidKey(id)).Bytes()
	if err == redis.Nil {
		return nil, nil
	}
	return b, wrapID("look up", id, err)
}

func (db *DB) releaseID(ctx context.Context, id string, reservation []byte) error {
	_, err := run(ctx, db.clients.lease, db.scripts.cad, []string{eidKey(id)}, reservation)
	return wrapID("release", id, err)
}

func wrapID(verb, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s event id %q: %w", verb, id, err)
}

func (db *DB) slotHolder(ctx context.Context, slot uint16) (string, error) {
	holder, err := db.clients.lease.Get(ctx, slotKey(slot)).Result()
	if err == redis.Nil {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read holder of slot %d: %w", slot, err)
	}
	return holder, nil
}
