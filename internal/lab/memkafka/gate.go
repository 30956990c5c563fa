package memkafka

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// gate is a listener that can be shut and opened again at the same address,
// which the broker above it does not notice.
type gate struct {
	listen func(network, address string) (net.Listener, error)
	addr   net.Addr

	mu     sync.Mutex
	inner  net.Listener // nil while shut
	opened chan struct{}
	conns  map[*gateConn]struct{}
	closed chan struct{}
}

func openGate(listen func(network, address string) (net.Listener, error), addr string) (*gate, error) {
	g := &gate{listen: listen, opened: make(chan struct{}, 1), closed: make(chan struct{}), conns: map[*gateConn]struct{}{}}
	if g.listen == nil {
		g.listen = net.Listen
	}
	var err error
	if addr == "" {
		g.inner, err = listenFree(g.listen)
	} else {
		g.inner, err = g.listen("tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	g.addr = g.inner.Addr()
	return g, nil
}

// listenFree takes a port below the ranges from which systems give ports to
// outgoing connections, so that nobody gets it while the gate is shut.
func listenFree(listen func(network, address string) (net.Listener, error)) (net.Listener, error) {
	for range 50 {
		port := 20000 + rand.IntN(12000)
		if l, err := listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return l, nil
		}
	}
	return listen("tcp", "127.0.0.1:0")
}

// Accept waits through the times when the gate is shut.
func (g *gate) Accept() (net.Conn, error) {
	for {
		inner := g.current()
		if inner == nil {
			select {
			case <-g.opened:
				continue
			case <-g.closed:
				return nil, net.ErrClosed
			}
		}
		conn, err := inner.Accept()
		if err == nil {
			if c := g.admit(inner, conn); c != nil {
				return c, nil
			}
			continue
		}
		if g.current() == inner && !g.isClosed() { // a failure of its own, such as too many open files
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (g *gate) current() net.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inner
}

func (g *gate) isClosed() bool {
	select {
	case <-g.closed:
		return true
	default:
		return false
	}
}

// admit notes a connection, or closes it when the gate was shut meanwhile.
func (g *gate) admit(inner net.Listener, conn net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inner != inner {
		conn.Close()
		return nil
	}
	c := &gateConn{conn, g}
	g.conns[c] = struct{}{}
	return c
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inner == nil {
		return
	}
	g.inner.Close()
	g.inner = nil
	for c := range g.conns {
		c.Conn.Close()
	}
	clear(g.conns)
}

// open listens again. Just after shut the system may hold the port for a
// moment, so it tries until ctx ends, for two seconds at most.
func (g *gate) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		err := g.tryOpen()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (g *gate) tryOpen() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isClosed() {
		return net.ErrClosed
	}
	if g.inner != nil {
		return nil
	}
	inner, err := g.listen("tcp", g.addr.String())
	if err != nil {
		return err
	}
	g.inner = inner
	select {
	case g.opened <- struct{}{}:
	default:
	}
	return nil
}

func (g *gate) isOpen() bool { return g.current() != nil }

// Close ends Accept for good.
func (g *gate) Close() error {
	g.shut()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isClosed() {
		close(g.closed)
	}
	return nil
}

// Addr is the address of the first opening.
func (g *gate) Addr() net.Addr { return g.addr }

// gateConn tells its gate when it is closed.
type gateConn struct {
	net.Conn
	gate *gate
}

// Close closes the connection.
func (c *gateConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
