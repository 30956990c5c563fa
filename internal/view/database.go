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

// KeyCount returns about how many user keys have a value: a key counts twice when
// the database grows or shrinks while it is walked.
func (db *DB) KeyCount(ctx context.Context) (n int64, err error) {
	err = db.walk(ctx, "*"+metaSuffix, func(names []string) (bool, error) {
		keys, err := db.visible(ctx, names)
		n += int64(len(keys))
		return true, err
	})
	return n, err
}

// visible returns, of the user keys whose meta hashes these are, those that have
// a value: what is visible stands at the key's own name.
func (db *DB) visible(ctx context.Context, names []string) ([][]byte, error) {
	var keys [][]byte
	var there []*redis.IntCmd
	pipe := db.clients.read.Pipeline()
	for _, name := range names {
		if key, ok := userKey(name); ok {
			keys = append(keys, []byte(key))
			there = append(there, pipe.Exists(ctx, key))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look for values of keys: %w", err)
	}
	with := keys[:0]
	for i, key := range keys {
		if there[i].Val() > 0 {
			with = append(with, key)
		}
	}
	return with, nil
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
