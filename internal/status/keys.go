package status

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/geokv/geokv/internal/lane"
)

// countEvery bounds how often a view is walked to count its keys.
const countEvery = 5 * time.Second

// keyCount remembers the size of a view, since counting walks it.
type keyCount struct {
	value    atomic.Int64
	counting sync.Mutex
	at       time.Time // of value; guarded by counting
}

// get returns a count that is at most countEvery old; the last one known when
// the view does not answer in time or is being counted for somebody else.
func (k *keyCount) get(ctx context.Context, v View) int64 {
	if !k.counting.TryLock() {
		return k.value.Load()
	}
	defer k.counting.Unlock()
	if k.at.IsZero() || time.Since(k.at) >= countEvery {
		if n, err := v.KeyCount(ctx); err == nil {
			k.value.Store(n)
			k.at = time.Now()
		}
	}
	return k.value.Load()
}

func sortedLanes(lanes map[lane.ID]lane.Set) []lane.ID {
	return slices.SortedFunc(maps.Keys(lanes), lane.ID.Compare)
}
