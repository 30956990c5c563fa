package memredis

import (
	"net"
	"sync"
)

// maxBacklog is how far a subscriber may fall behind before it is cut off, as
// Redis does (client-output-buffer-limit pubsub 32mb).
const maxBacklog = 32 << 20

// outbox takes what the server answers to one client. Write never waits:
// miniredis writes while it holds its only lock, so a client that stopped
// reading would otherwise stop every other client of the region.
type outbox struct {
	conn  net.Conn
	turn  chan struct{} // holds one token: whoever takes it writes to conn
	kick  chan struct{} // a subscriber's message waits
	mu    sync.Mutex
	buf   []byte
	async bool // messages arrive outside the request loop
	mute  bool
}

func newOutbox(conn net.Conn) *outbox {
	o := &outbox{conn: conn, turn: make(chan struct{}, 1), kick: make(chan struct{}, 1)}
	o.turn <- struct{}{}
	return o
}

// Write takes p; it never fails and never blocks.
func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mute {
		return len(p), nil
	}
	o.buf = append(o.buf, p...)
	if !o.async {
		return len(p), nil
	}
	if len(o.buf) > maxBacklog {
		o.buf, o.mute = nil, true
		o.conn.Close()
	}
	select {
	case o.kick <- struct{}{}:
	default:
	}
	return len(p), nil
}

// drain sends everything taken so far.
func (o *outbox) drain() error {
	<-o.turn
	defer func() { o.turn <- struct{}{} }()
	o.mu.Lock()
	out := o.buf
	o.buf = nil
	o.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	if _, err := o.conn.Write(out); err != nil {
		return err
	}
	o.reuse(out)
	return nil
}

// reuse keeps a small buffer for the next answer.
func (o *outbox) reuse(out []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf == nil && cap(out) <= 64<<10 {
		o.buf = out[:0]
	}
}

// silence drops (true) or takes (false) what is written.
func (o *outbox) silence(mute bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mute = mute
}

// push sends messages as they come until done is closed.
func (o *outbox) push(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-o.kick:
		}
		if o.drain() != nil {
			o.conn.Close()
			return
		}
	}
}

// startAsync says that messages will arrive outside the request loop; false
// when that was known.
func (o *outbox) startAsync() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.async
	o.async = true
	return !was
}
