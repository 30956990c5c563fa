package localredis

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
	"github.com/geokv/geokv/internal/polltest"
)

const secret = "s3cret"

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no redis-server in PATH")
	}
	t.Skip("no redis-server in PATH")
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Dir: dir, User: "geokv", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.process.Stop(0)
	})
	return s
}

func client(t *testing.T, s *Server, user, password string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: user, Password: password, MaxRetries: -1})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSettingsAndRights(t *testing.T) {
	needRedis(t)
	s, ctx := start(t, t.TempDir()), t.Context()
	full, guest := client(t, s, "geokv", secret), client(t, s, "", "")
	for name, want := range map[string]string{"maxmemory-policy": "noeviction", "appendonly": "no", "save": "60 1000", "bind": "127.0.0.1"} {
		if got := full.ConfigGet(ctx, name).Val()[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if err := full.Eval(ctx, "return redis.call('SET', KEYS[1], 'v')", []string{"k"}).Err(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"GET k", "KEYS *", "SCAN 0", "INFO", "PING", "DBSIZE", "TTL k", "TYPE k"} {
		if err := guest.Do(ctx, args(line)...).Err(); err != nil {
			t.Errorf("stranger: %s: %v", line, err)
		}
	}
	for _, line := range []string{"SET k w", "DEL k", "FLUSHALL", "CONFIG GET *", "SHUTDOWN", "PUBLISH geokv:obs x", "EVAL x 0", "EVAL_RO x 0", "SCRIPT FLUSH", "DEBUG JMAP", "SWAPDB 0 1"} {
		if err := guest.Do(ctx, args(line)...).Err(); err == nil {
			t.Errorf("stranger: %s was allowed", line)
		}
	}
	if err := client(t, s, "geokv", "wrong").Ping(ctx).Err(); err == nil {
		t.Error("a wrong password was accepted")
	}
}

func args(line string) (out []any) {
	for _, w := range strings.Fields(line) {
		out = append(out, w)
	}
	return out
}

func TestCleanStopKeepsTheData(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	s := start(t, dir)
	client(t, s, "geokv", secret).Set(t.Context(), "k", "v", 0)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/redis.pid"); err == nil {
		t.Error("pid file left after a clean stop")
	}
	s = start(t, dir)
	if got := client(t, s, "geokv", secret).Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("k = %q after a restart, want v", got)
	}
}

// A parent that is killed leaves its redis-server running; the next start ends
// it, and keeps its data.
func TestOrphanIsEnded(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	first := start(t, dir)
	client(t, first, "geokv", secret).Set(t.Context(), "k", "v", 0)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command("redis-server", dir+"/redis.conf")
	orphan.Dir = dir
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { orphan.Wait(); close(exited) }()
	t.Cleanup(func() { orphan.Process.Kill() })
	if err := os.WriteFile(dir+"/redis.pid", fmt.Appendln(nil, orphan.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}

	s := start(t, dir)
	select {
	case <-exited:
	case <-time.After(10 * time.Second):
		t.Fatal("the orphan still runs")
	}
	if got := client(t, s, "geokv", secret).Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("k = %q, want what the orphan had", got)
	}
}

// One that is killed comes back at the same port, as old as its last snapshot.
func TestKilledServerComesBack(t *testing.T) {
	needRedis(t)
	s := start(t, t.TempDir())
	c := client(t, s, "geokv", secret)
	c.Set(t.Context(), "k", "v", 0)
	c.Save(t.Context())
	s.Process().Restart()
	polltest.Until(t, "it is back with its data", func() bool { return c.Get(t.Context(), "k").Val() == "v" })
}

// A pid that now belongs to someone else is left alone.
func TestStrangersPIDIsLeftAlone(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	if err := os.WriteFile(dir+"/redis.pid", fmt.Appendln(nil, sleeper.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
	if offspring.CommandLine(sleeper.Process.Pid) == "" {
		t.Error("a stranger's process was ended")
	}
}

func TestFailuresExplainThemselves(t *testing.T) {
	needRedis(t)
	_, err := Start(t.Context(), Config{Dir: t.TempDir(), Binary: "/no/such/redis-server", User: "geokv", Secret: secret})
	if fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("missing binary: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/dump.rdb", []byte("not a snapshot"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Dir: dir, User: "geokv", Secret: secret})
	if fail.CodeOf(err) != fail.Unavailable || !strings.Contains(fail.HintOf(err), "redis.log") {
		t.Errorf("damaged snapshot: %v, hint %q", err, fail.HintOf(err))
	}
}

func TestStopOfAStuckServer(t *testing.T) {
	needRedis(t)
	s := start(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); fail.CodeOf(err) != fail.Timeout {
		t.Errorf("stop without time: %v", err)
	}
	if s.process.Alive() {
		t.Error("the process still runs")
	}
}
