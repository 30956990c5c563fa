// Package pause is the wait between two tries of anything that is repeated: it
// ends early when nobody wants the outcome any more.
package pause

import (
	"context"
	"time"
)

// For waits for d and reports whether ctx is still alive.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil // both may have happened
	}
}
