package view

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/event"
)

// Operations on whole databases, for rebuilds.

// Size returns the number of Redis keys, sidecars included (DBSIZE).
func (db *DB) Size(ctx context.Context) (int64, error) { return db.clients.read.DBSize(ctx).Result() }

// Flush empties this DB's database (never DB 2).
func (db *DB) Flush(ctx context.Context) error {
	if db.clients.apply.Options().DB == LeaseDB {
		return errors.New("flush view: database 2 holds leases and is never flushed")
	}
	real, err := db.hasXSETID(ctx)
	if err == nil && real {
		// frees memory in the background; the names are gone at once
		err = db.clients.apply.FlushDBAsync(ctx).Err()
	} else if err == nil {
		// the embedded server would flush at some later time
		err = db.clients.apply.FlushDB(ctx).Err()
	}
	if err != nil {
		return fmt.Errorf("flush view: %w", refusal(err))
	}
	return nil
}

// walk calls f with every name in the database until it says stop. A name may
// come twice.
func (db *DB) walk(ctx context.Context, match string, f func(names []string) (more bool, err error)) error {
	for cursor := uint64(0); ; {
		names, next, err := db.clients.read.Scan(ctx, cursor, match, 1000).Result()
		if err != nil {
			return fmt.Errorf("walk keys: %w", err)
		}
		more, err := f(names)
		if err != nil || !more || next == 0 {
			return err
		}
		cursor = next
	}
}

// KeyCount returns the number of user keys that have a visible or parked value
// or a tombstone: the keys with a meta hash. It walks the database.
func (db *DB) KeyCount(ctx context.Context) (int64, error) {
	seen := map[string]struct{}{}
	err := db.walk(ctx, "*"+metaSuffix, func(names []string) (bool, error) {
		for _, name := range names {
			if key, ok := userKey(name); ok {
				seen[key] = struct{}{}
			}
		}
		return true, nil
	})
	return int64(len(seen)), err
}

// ForeignKeys returns up to n keys of this database that geokv did not write:
// names without a meta hash that are no sidecars.
func (db *DB) ForeignKeys(ctx context.Context, n int) ([][]byte, error) {
	found := map[string]struct{}{}
	err := db.walk(ctx, "*", func(names []string) (bool, error) {
		foreign, err := db.withoutMeta(ctx, names)
		for _, name := range foreign {
			found[name] = struct{}{}
		}
		return len(found) < n, err
	})
	var out [][]byte
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if len(out) < n {
			out = append(out, []byte(name))
		}
	}
	return out, err
}

// withoutMeta returns those names that belong to no key of geokv's.
func (db *DB) withoutMeta(ctx context.Context, names []string) (foreign []string, err error) {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasPrefix(name, "geokv:") })
	pipe := db.clients.read.Pipeline()
	replies := make([]*redis.IntCmd, len(names))
	for i, name := range names {
		replies[i] = pipe.Exists(ctx, ownerOf(name)+metaSuffix)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("walk keys: %w", err)
	}
	for i, name := range names {
		if replies[i].Val() == 0 {
			foreign = append(foreign, name)
		}
	}
	return foreign, nil
}

// ownerOf returns the user key that a sidecar or parked value belongs to, or
// the name itself when it is no sidecar.
func ownerOf(name string) string {
	if key, beside := event.Owner([]byte(name)); beside {
		return string(key)
	}
	return name
}
