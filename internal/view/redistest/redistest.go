// Package redistest starts real Redis servers for tests. The embedded server
// cannot prove everything (streams above all), so tests of the merge rules run
// on both.
package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Server is a redis-server process of one test.
type Server struct {
	Addr string // host:port
	URL  string // redis://host:port/0

	dir  string
	args []string
	env  []string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

// Start runs redis-server from PATH on a free loopback port with its own
// directory and ends it with the test. Extra arguments are passed on, as in
// "--maxmemory", "10mb". Without a binary the test fails where the environment
// variable CI is set and is skipped, visibly, elsewhere.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return StartIn(t, nil, args...)
}

// StartIn is Start with additional environment variables, as in "LC_ALL=C".
func StartIn(t testing.TB, env []string, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not in PATH; the rules must be proven on a real server")
		}
		t.Skip("SKIPPED ON THE REAL SERVER: redis-server is not in PATH")
	}
	for range 5 {
		port := freePort(t)
		s := &Server{Addr: "127.0.0.1:" + port, URL: "redis://127.0.0.1:" + port + "/0", dir: t.TempDir(), env: env}
		s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
			"--appendonly", "no", "--logfile", filepath.Join(s.dir, "log"), "--databases", "4",
			"--enable-debug-command", "local"}, args...)
		t.Cleanup(s.Kill)
		if s.Run(t) {
			return s
		}
	}
	t.Fatal("redis-server did not start; see its log")
	return nil
}

// Run starts the process and waits until it listens; false when the port was taken.
func (s *Server) Run(t testing.TB) bool {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Env = append(os.Environ(), s.env...)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	exited := make(chan struct{})
	s.gone = exited
	go func(cmd *exec.Cmd) {
		cmd.Wait()
		close(exited)
	}(s.cmd)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		select {
		case <-exited:
			return false
		default:
		}
		if answersPing(s.Addr) {
			return true
		}
		time.Sleep(5 * time.Millisecond) // polling a foreign process
	}
	return false
}

// Kill ends the process at once, as kill -9 does, and returns when it is gone:
// its port is free.
func (s *Server) Kill() {
	if s.gone != nil {
		s.cmd.Process.Kill()
		<-s.gone
	}
}

// Signal sends the process a signal, such as SIGSTOP.
func (s *Server) Signal(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("signal redis-server: %v", err)
	}
}

// AddArgs adds arguments for the next Run.
func (s *Server) AddArgs(args ...string) { s.args = append(s.args, args...) }

// Dir is the server's working directory, with its log and snapshots.
func (s *Server) Dir() string { return s.dir }

func answersPing(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(conn, "PING\r\n")
	buf := make([]byte, 64)
	n, _ := conn.Read(buf)
	return strings.HasPrefix(string(buf[:n]), "+PONG")
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
