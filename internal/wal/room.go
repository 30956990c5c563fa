package wal

import (
	"context"
	"sync"
)

// room bounds what is buffered. The client has bounds of its own, but it
// reports them through the record's callback, on another goroutine; Append must
// know before it returns, or a sequence number would be spent on nothing.
type room struct {
	maxRecords, maxBytes int

	mu      sync.Mutex
	records int
	bytes   int
	freed   chan struct{} // closed and replaced when something is freed and somebody waits
	waiting int
}

func newRoom(records, bytes int) *room {
	return &room{maxRecords: records, maxBytes: bytes, freed: make(chan struct{})}
}

// take reserves room for one record of size bytes; false when there is none. A
// record larger than the whole room is let in alone.
func (r *room) take(size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.records >= r.maxRecords || r.records > 0 && r.bytes+size > r.maxBytes {
		return false
	}
	r.records++
	r.bytes += size
	return true
}

func (r *room) give(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records--
	r.bytes -= size
	if r.waiting > 0 {
		close(r.freed)
		r.freed = make(chan struct{})
		r.waiting = 0
	}
}

func (r *room) used() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records
}

// wait returns a channel that closes when something is freed, or nil when ok
// already holds. ok is called with the room locked.
func (r *room) wait(ok func() bool) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok() {
		return nil
	}
	r.waiting++
	return r.freed
}

// waitEmpty returns when nothing is buffered or ctx ends.
func (r *room) waitEmpty(ctx context.Context) error {
	for {
		freed := r.wait(func() bool { return r.records == 0 })
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waitFor returns when a record of size bytes would fit or ctx ends.
func (r *room) waitFor(ctx context.Context, size int) error {
	freed := r.wait(func() bool {
		return r.records == 0 || r.records < r.maxRecords && r.bytes+size <= r.maxBytes
	})
	if freed == nil {
		return nil
	}
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
