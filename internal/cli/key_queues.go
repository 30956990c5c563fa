package cli

import "sync"

// keyQueues runs work of one key in order and work of different keys at once,
// at most inFlight at a time.
type keyQueues struct {
	mu      sync.Mutex
	waiting map[string][]func()
	slots   chan struct{}
}

func newKeyQueues() *keyQueues {
	return &keyQueues{waiting: map[string][]func(){}, slots: make(chan struct{}, inFlight)}
}

// run takes work for a key; it waits only while too much is on its way.
func (q *keyQueues) run(key string, work func()) {
	q.slots <- struct{}{}
	q.mu.Lock()
	defer q.mu.Unlock()
	if queue, busy := q.waiting[key]; busy {
		q.waiting[key] = append(queue, work)
		return
	}
	q.waiting[key] = nil
	go q.drain(key, work)
}

func (q *keyQueues) drain(key string, work func()) {
	for work != nil {
		work()
		<-q.slots
		work = q.next(key)
	}
}

func (q *keyQueues) next(key string) func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.waiting[key]
	if len(queue) == 0 {
		delete(q.waiting, key)
		return nil
	}
	q.waiting[key] = queue[1:]
	return queue[0]
}
