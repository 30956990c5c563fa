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
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
)

// Config says how to start a Server.
type Config struct {
	Dir    string // for the snapshot, the configuration and the log file
	Port   int    // on the loopback; 0 chooses a free one
	Binary string // "" looks for redis-server in PATH
	User   string // has full access with Secret; everyone else reads
	Secret string
	Logger *slog.Logger
}

// Server is a redis-server that is started again, at the same port, when it
// ends on its own.
type Server struct {
	cfg     Config
	process *offspring.Process
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
	if err := endOrphan(cfg); err != nil {
		return nil, err
	}
	if cfg.Port == 0 {
		port, err := freePort()
		if err != nil {
			return nil, fail.Wrap(fail.Unavailable, err, "find a port for redis-server")
		}
		cfg.Port = port
	}
	s := &Server{cfg: cfg}
	if err := s.launch(); err != nil {
		return nil, err
	}
	if err := s.awaitAnswer(ctx); err != nil {
		s.process.Stop(0)
		return nil, err
	}
	return s, nil
}

// EndOrphan ends the redis-server that a killed parent left in a directory, and
// reports whether there was one: two servers on one directory overwrite each
// other's snapshots. It writes its snapshot first.
func EndOrphan(dir string) (bool, error) {
	ended, err := offspring.EndOrphans(dir, configFile(dir))
	return len(ended) > 0, err
}

func endOrphan(cfg Config) error {
	ended, err := EndOrphan(cfg.Dir)
	if ended {
		cfg.Logger.Warn("ended the redis-server that an earlier run left behind", "directory", cfg.Dir)
	}
	return err
}

func configFile(dir string) string { return filepath.Join(dir, "redis.conf") }

func logFile(dir string) string { return filepath.Join(dir, "redis.log") }

func (s *Server) launch() (err error) {
	config := configFile(s.cfg.Dir)
	if err := os.WriteFile(config, []byte(s.configuration()), 0o600); err != nil {
		return fail.Wrap(fail.Unavailable, err, "write the configuration of redis-server")
	}
	s.process, err = offspring.Start(offspring.Config{
		Name: "redis-server", LogFile: logFile(s.cfg.Dir), PIDFile: filepath.Join(s.cfg.Dir, "redis.pid"), Logger: s.cfg.Logger,
		Command: func() *exec.Cmd {
			cmd := exec.Command(s.cfg.Binary, config)
			cmd.Dir = s.cfg.Dir
			return cmd
		},
	})
	return err
}

// configuration is redis.conf. Snapshots and no append-only file: a torn
// transaction in the latter can be executed twice. Readers get no scripts, as a
// script holds up everyone. The title stays the command line, by which a later
// start knows it.
func (s *Server) configuration() string {
	sum := sha256.Sum256([]byte(s.cfg.Secret))
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(s.cfg.Port),
		"dir " + strconv.Quote(s.cfg.Dir),
		"set-proc-title no",
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

// awaitAnswer waits until the server has loaded its snapshot.
func (s *Server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	log := logFile(s.cfg.Dir)
	exited := s.process.Exited()
	for {
		if s.ask(ctx, "PING", "PONG") == nil {
			return nil
		}
		select {
		case <-exited:
			return fail.New(fail.Unavailable, "start redis-server: it ended: %s", offspring.LastLine(log)).WithHint("see %s", log)
		case <-ctx.Done():
			return fail.Wrap(fail.Timeout, context.Cause(ctx), "wait for redis-server on %s", s.Addr()).WithHint("see %s", log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// ask sends one command with the credentials and compares the answer.
func (s *Server) ask(ctx context.Context, command, want string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Addr())
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
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port)) }

// Process is the server's process, to be killed on purpose.
func (s *Server) Process() *offspring.Process { return s.process }

// Stop makes the server write its snapshot and end. When ctx ends or it takes
// too long, it is killed and the error says so: the view is then as old as its
// last snapshot and catches up from the log.
func (s *Server) Stop(ctx context.Context) error {
	grace := stopWait
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, max(0, time.Until(deadline)))
	}
	if ctx.Err() != nil {
		grace = 0
	}
	if !s.process.Stop(grace) {
		return fail.New(fail.Timeout, "stop redis-server on %s: it did not end, and was killed", s.Addr()).
			WithHint("see %s", logFile(s.cfg.Dir))
	}
	return nil
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
