package status

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

// A view is walked to count its keys. One that did not move since the last count
// began holds what was counted, so it is walked for at most one part in
// countShare of the time. One that moved is counted again at once when it stands
// still, else after countSoon, or after as long as counting took if that is more.
const (
	countEvery = 200 * time.Millisecond
	countShare = 50
	countSoon  = 2 * time.Second
	countLimit = time.Minute
)

// keyCount remembers the size of a view, since counting walks it.
type keyCount struct {
	mu      sync.Mutex
	value   int64
	known   bool
	of      map[wal.Partition]int64 // positions before value was counted
	seen    map[wal.Partition]int64 // at the last look
	at      time.Time               // when value was counted
	took    time.Duration           // to count it
	running chan struct{}           // closed when the count under way ends; nil without one
}

// get returns the number of keys of a view at the given positions, at most
// countSoon old where counting takes less; api.Unknown before the first count.
// A count outlives the caller's patience, so that a large view gets one too.
func (k *keyCount) get(ctx context.Context, v View, positions map[wal.Partition]int64, patience time.Duration) int64 {
	k.mu.Lock()
	if k.running == nil && k.due(positions) {
		k.running = make(chan struct{})
		go k.count(context.WithoutCancel(ctx), v, positions, k.running)
	}
	k.seen = positions
	running := k.running
	k.mu.Unlock()
	if running != nil {
		pause.Until(ctx, running, patience)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		return api.Unknown
	}
	return k.value
}

// due decides whether to count. The caller holds mu.
func (k *keyCount) due(positions map[wal.Partition]int64) bool {
	wait := max(countEvery, countShare*k.took)
	switch {
	case !k.known:
		return true
	case maps.Equal(positions, k.of):
	case maps.Equal(positions, k.seen):
		wait = countEvery
	default:
		wait = max(min(wait, countSoon), k.took)
	}
	return time.Since(k.at) >= wait
}

func (k *keyCount) count(ctx context.Context, v View, positions map[wal.Partition]int64, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	began := time.Now()
	n, err := v.KeyCount(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.value, k.known, k.of = n, true, positions
		k.at, k.took = time.Now(), time.Since(began)
	}
	k.running = nil
	close(done)
}
