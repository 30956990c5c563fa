// Package pause is the wait between two tries of anything that is repeated: it
// ends early when nobody wants the outcome any more, or when there is news.
package pause

import (
	"context"
	"time"
)

// For waits for d and reports whether ctx is still alive.
func For(ctx context.Context, d time.Duration) bool { return Until(ctx, nil, d) }

// Until waits for news, but no longer than d, and reports whether ctx is still
// alive.
func Until(ctx context.Context, news <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-news:
	}
	return ctx.Err() == nil // more than one may have happened
}
