package mirror

import (
	"context"
	"sync"
)

// Bounds of what a delayed flow keeps in memory; beyond them it stops reading.
const (
	queueRecords = 100_000
	queueBytes   = 64 << 20
)

// queue holds batches between reading and writing, in order.
type queue struct {
	mu      sync.Mutex
	batches []batch
	records int
	bytes   int
	moved   chan struct{} // closed and replaced at every change
}

func newQueue() *queue { return &queue{moved: make(chan struct{})} }

// put appends a batch once there is room.
func (q *queue) put(ctx context.Context, b batch) error {
	for {
		q.mu.Lock()
		if q.records < queueRecords && q.bytes < queueBytes {
			q.batches = append(q.batches, b)
			q.count(b, 1)
			q.mu.Unlock()
			return nil
		}
		moved := q.moved
		q.mu.Unlock()
		if err := wait(ctx, moved); err != nil {
			return err
		}
	}
}

// take removes the first batch, waiting for one.
func (q *queue) take(ctx context.Context) (batch, error) {
	for {
		q.mu.Lock()
		if len(q.batches) > 0 {
			b := q.batches[0]
			q.batches[0] = batch{} // let go of its memory
			q.batches = q.batches[1:]
			q.count(b, -1)
			q.mu.Unlock()
			return b, nil
		}
		moved := q.moved
		q.mu.Unlock()
		if err := wait(ctx, moved); err != nil {
			return batch{}, err
		}
	}
}

func (q *queue) count(b batch, sign int) {
	q.records += sign * len(b.records)
	for _, r := range b.records {
		q.bytes += sign * (len(r.Key) + len(r.Value))
	}
	close(q.moved)
	q.moved = make(chan struct{})
}

func wait(ctx context.Context, moved <-chan struct{}) error {
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
