package view

import (
	"context"
	"fmt"
)

// A view that lost what it held stands somewhere again as soon as the first batch
// is applied to it. The mark tells a process that starts then, and one that
// starts after a crash, that it is not whole.

// MarkRebuilding notes in the view that it is not whole.
func (db *DB) MarkRebuilding(ctx context.Context) error {
	if err := db.clients.apply.Set(ctx, rebuildingKey, "1", 0).Err(); err != nil {
		return fmt.Errorf("mark the view as partial: %w", refusal(err))
	}
	return nil
}

// EndRebuilding removes the mark.
func (db *DB) EndRebuilding(ctx context.Context) error {
	if err := db.clients.apply.Del(ctx, rebuildingKey).Err(); err != nil {
		return fmt.Errorf("mark the view as whole: %w", refusal(err))
	}
	return nil
}

// Rebuilding reports whether the view is marked.
func (db *DB) Rebuilding(ctx context.Context) (bool, error) {
	n, err := db.clients.apply.Exists(ctx, rebuildingKey).Result()
	if err != nil {
		return false, fmt.Errorf("look whether the view is partial: %w", err)
	}
	return n > 0, nil
}
