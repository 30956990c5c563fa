// Package memredis is one region's Redis inside the process: it lets a first
// run of geokv need nothing installed, and tests run on a clock of their own.
//
// miniredis keeps the data and knows the commands. This package puts in front
// of it what a view needs and miniredis lacks: one Lua machine with compiled
// scripts (miniredis builds one per call), a door that lets strangers read and
// only geokv write, expiry that follows the clock, and clients that stop
// reading without stopping everyone else. Nothing is persisted: the view is
// rebuilt from the log at every start, and until SetReady strangers get LOADING.
package memredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// User is the account with full access.
const User = "geokv"

// Config says how to start a Server.
type Config struct {
	// Listener or Addr is where to serve; Addr "127.0.0.1:0" picks a free
	// loopback port. Both empty: no listener, connections by Dial only, as a
	// test in virtual time needs.
	Listener net.Listener
	Addr     string
	// Secret is the password of User. Required.
	Secret string
	// Wall is the clock for TIME and expiry; nil means time.Now.
	Wall   func() time.Time
	Logger *slog.Logger
}

// Server is a running Redis. Its methods are safe for concurrent use.
type Server struct {
	mini     *miniredis.Miniredis
	dispatch *server.Server
	inner    *inner
	scripts  *scripts
	clock    *clock
	secret   string
	wall     func() time.Time
	logger   *slog.Logger
	runID    string
	ready    atomic.Bool

	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	closed   bool
	stop     context.CancelFunc
	wg       sync.WaitGroup
}

// Start starts a Server; strangers get LOADING until SetReady(true).
func Start(cfg Config) (*Server, error) {
	if cfg.Secret == "" {
		return nil, errors.New("start embedded redis: no secret")
	}
	s := &Server{
		mini: miniredis.NewMiniRedis(), secret: cfg.Secret, wall: cfg.Wall, logger: cfg.Logger,
		conns: map[net.Conn]struct{}{}, runID: newRunID(),
	}
	if s.wall == nil {
		s.wall = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if err := s.open(cfg); err != nil {
		return nil, fmt.Errorf("start embedded redis: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.wg.Go(func() { s.clock.run(ctx) })
	if s.listener != nil {
		s.wg.Go(s.accept)
	}
	return s, nil
}

// open starts miniredis without a listener of its own and takes the seat from
// which scripts call it.
func (s *Server) open(cfg Config) error {
	probe, err := s.mini.Dial()
	if err != nil {
		return err
	}
	defer probe.Close()
	s.dispatch = s.mini.Server()
	if s.inner, err = newInner(s.mini); err != nil {
		return err
	}
	s.clock = newClock(s.mini, s.wall)
	s.scripts = newScripts(s.mini, s.inner, s.clock)
	s.listener = cfg.Listener
	if s.listener == nil && cfg.Addr != "" {
		s.listener, err = net.Listen("tcp", cfg.Addr)
	}
	return err
}

// Addr is the address clients connect to, empty without a listener.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// URL is the connection string with geokv's own credentials.
func (s *Server) URL() string {
	return fmt.Sprintf("redis://%s:%s@%s/0", User, s.secret, s.Addr())
}

// Dial opens a connection without a listener, over net.Pipe.
func (s *Server) Dial() (net.Conn, error) {
	client, conn := net.Pipe()
	if !s.serve(conn) {
		client.Close()
		return nil, net.ErrClosed
	}
	return client, nil
}

// SetReady opens the view to strangers (true), or answers their reads with
// LOADING (false) while it is rebuilt. Connections with geokv's credentials
// are served either way.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// FlushAll empties every database.
func (s *Server) FlushAll() { s.mini.FlushAll() }

// Close stops the server and waits for its goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()

	if s.listener != nil {
		s.listener.Close()
	}
	for conn := range conns {
		conn.Close()
	}
	s.stop()
	s.mini.Close()
	s.wg.Wait()
	s.scripts.close()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if s.isClosed() {
				return
			}
			s.logger.Warn("accept on embedded redis", "err", err)
			time.Sleep(10 * time.Millisecond) // out of descriptors: let some close
			continue
		}
		s.serve(conn)
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// serve starts a session on conn; false when the server is closed.
func (s *Server) serve(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	s.wg.Go(func() {
		newSession(s, conn).run()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	})
	return true
}
