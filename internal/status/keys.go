package status

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A view is walked to count its keys: not more often than countEvery, and never
// for more than one part in countShare of the time.
const (
	countEvery = 200 * time.Millisecond
	countShare = 50
)

// keyCount remembers the size of a view, since counting walks it.
type keyCount struct {
	value    atomic.Int64
	counting sync.Mutex
	at       time.Time     // of value; guarded by counting
	took     time.Duration // to count it
}

// get returns a recent count; the last one known when the view does not answer
// in time or is being counted for somebody else.
func (k *keyCount) get(ctx context.Context, v View) int64 {
	if !k.counting.TryLock() {
		return k.value.Load()
	}
	defer k.counting.Unlock()
	if began := time.Now(); k.at.IsZero() || began.Sub(k.at) >= max(countEvery, countShare*k.took) {
		if n, err := v.KeyCount(ctx); err == nil {
			k.value.Store(n)
			k.at, k.took = time.Now(), time.Since(began)
		}
	}
	return k.value.Load()
}
