// Package localredis runs a redis-server as a child process for one region of a
// local cluster, with the settings a view needs, and cleans up after a parent
// that was killed.
package localredis

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// Config says how to start a Server.
type Config struct {
	Dir    string // for the snapshot, the configuration and the log file
	Binary string // "" looks for redis-server in PATH
	User   string // has full access with Secret; everyone else reads
	Secret string
	Logger *slog.Logger
}

// Server is a running redis-server.
type Server struct {
	cfg      Config
	addr     string
	cmd      *exec.Cmd
	exited   chan struct{} // closed when the process is gone
	stopping atomic.Bool
}

// Waits for the process: to answer, which includes loading its snapshot, and to
// end, which includes writing it.
const (
	startWait = time.Minute
	stopWait  = 30 * time.Second
)

// Start ends a redis-server that a killed parent left in the directory, starts
// a new one and returns when it answers. Errors are *fail.Error.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Binary == "" {
		binary, err := exec.LookPath("redis-server")
		if err != nil {
			return nil, fail.Wrap(fail.Unavailable, err, "find redis-server").
				WithHint("install Redis 7 or newer, or use the embedded one (--redis embedded)")
		}
		cfg.Binary = binary
	}
	if err := endOrphan(ctx, cfg); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, exited: make(chan struct{})}
	if err := s.launch(); err != nil {
		return nil, err
	}
	if err := s.awaitAnswer(ctx); err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

func (s *Server) launch() error {
	port, err := freePort()
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "find a port for redis-server")
	}
	s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	config := filepath.Join(s.cfg.Dir, "redis.conf")
	if err := os.WriteFile(config, []byte(s.configuration(port)), 0o600); err != nil {
		return fail.Wrap(fail.Rejected, err, "write the configuration of redis-server")
	}
	s.cmd = exec.Command(s.cfg.Binary, config)
	s.cmd.Dir = s.cfg.Dir
	detach(s.cmd) // Ctrl-C reaches us, and we stop it in order
	if err := s.cmd.Start(); err != nil {
		return fail.Wrap(fail.Unavailable, err, "start %s", s.cfg.Binary)
	}
	go s.watch()
	if err := writePID(s.cfg.Dir, s.cmd.Process.Pid, port); err != nil {
		s.kill()
		return fail.Wrap(fail.Rejected, err, "note the pid of redis-server")
	}
	return nil
}

// configuration is redis.conf. Snapshots and no append-only file: a torn
// transaction in the latter can be executed twice. Readers get no scripts, as a
// script holds up everyone.
func (s *Server) configuration(port int) string {
	sum := sha256.Sum256([]byte(s.cfg.Secret))
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(port),
		"dir " + strconv.Quote(s.cfg.Dir),
		"logfile redis.log",
		"daemonize no",
		"save 60 1000",
		"appendonly no",
		"maxmemory-policy noeviction",
		"user " + s.cfg.User + " on #" + hex.EncodeToString(sum[:]) + " ~* &* +@all",
		"user default on nopass ~* &* -@all +@read +@connection +@transaction +subscribe +psubscribe +unsubscribe +punsubscribe +pubsub" +
			" +info +time +dbsize +command -@dangerous +info +keys -@scripting",
	}
	return strings.Join(lines, "\n") + "\n"
}

// watch says when the process ends on its own.
func (s *Server) watch() {
	err := s.cmd.Wait()
	close(s.exited)
	if !s.stopping.Load() {
		s.cfg.Logger.Error("redis-server ended", "err", err, "log", filepath.Join(s.cfg.Dir, "redis.log"))
	}
}

// awaitAnswer waits until the server has loaded its snapshot.
func (s *Server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	logFile := filepath.Join(s.cfg.Dir, "redis.log")
	for {
		if s.ask(ctx, "PING", "PONG") == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fail.New(fail.Unavailable, "start redis-server: it ended: %s", lastLine(logFile)).WithHint("see %s", logFile)
		case <-ctx.Done():
			return fail.Wrap(fail.Timeout, context.Cause(ctx), "wait for redis-server on %s", s.addr).WithHint("see %s", logFile)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// ask sends one command with the credentials and compares the answer.
func (s *Server) ask(ctx context.Context, command, want string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s %s\r\n%s\r\n", s.cfg.User, s.cfg.Secret, command); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	for _, want := range []string{"OK", want} {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line != "+"+want {
			return fmt.Errorf("redis-server answered %q", line)
		}
	}
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr }

// Stop makes the server write its snapshot and end. When ctx ends or it takes
// too long, it is killed and the error says so: the view is then as old as its
// last snapshot and catches up from the log.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	_ = s.ask(ctx, "SHUTDOWN SAVE", "") // the answer is that the connection ends
	select {
	case <-s.exited:
		return os.Remove(pidFile(s.cfg.Dir))
	case <-ctx.Done():
		s.kill()
		return fail.New(fail.Timeout, "stop redis-server on %s: it did not end, and was killed", s.addr).
			WithHint("see %s", filepath.Join(s.cfg.Dir, "redis.log"))
	}
}

func (s *Server) kill() {
	s.stopping.Store(true)
	s.cmd.Process.Kill()
	<-s.exited
	os.Remove(pidFile(s.cfg.Dir))
}

// freePort picks a port below the ranges that systems use for outgoing
// connections.
func freePort() (int, error) {
	for range 50 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("50 ports tried, all taken")
}

func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "it wrote no log"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
