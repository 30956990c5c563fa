package view

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/fail"
)

// scratchKey marks a database that one process uses for a while and empties
// afterwards.
const scratchKey = "geokv:scratch"

// ClaimScratch takes an empty database for this process. Of two that try, one
// gets it. The error is a *fail.Error when the database holds anything.
func (db *DB) ClaimScratch(ctx context.Context) error {
	number := db.clients.apply.Options().DB
	refused := fail.New(fail.NotAllowed, "database %d is not empty", number).
		WithHint("choose an empty one with --db; nothing in it was touched")
	free, err := db.clients.apply.SetNX(ctx, scratchKey, "1", 0).Result()
	if err != nil {
		return fmt.Errorf("claim database %d: %w", number, refusal(err))
	}
	if !free {
		return refused
	}
	names, err := db.clients.apply.DBSize(ctx).Result()
	if err == nil && names == 1 {
		return nil
	}
	if gone := db.clients.apply.Del(ctx, scratchKey).Err(); err == nil {
		err = gone
	}
	if err != nil {
		return fmt.Errorf("claim database %d: %w", number, refusal(err))
	}
	return refused
}

// ResetScratch empties a claimed database and keeps the claim.
func (db *DB) ResetScratch(ctx context.Context) error {
	_, err := db.clients.apply.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.FlushDB(ctx)
		return pipe.Set(ctx, scratchKey, "1", 0).Err()
	})
	if err != nil {
		return fmt.Errorf("empty scratch database: %w", refusal(err))
	}
	return nil
}

// ReleaseScratch empties a claimed database and gives it back.
func (db *DB) ReleaseScratch(ctx context.Context) error {
	if err := db.clients.apply.FlushDB(ctx).Err(); err != nil {
		return fmt.Errorf("empty scratch database: %w", refusal(err))
	}
	return nil
}
