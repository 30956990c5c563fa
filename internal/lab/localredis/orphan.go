package localredis

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

func pidFile(dir string) string { return filepath.Join(dir, "redis.pid") }

// writePID notes the child: its pid, and the port by which a later start tells
// it from a stranger with the same pid.
func writePID(dir string, pid, port int) error {
	return os.WriteFile(pidFile(dir), fmt.Appendf(nil, "%d %d\n", pid, port), 0o600)
}

// endOrphan ends the redis-server of a parent that was killed: two servers on
// one directory overwrite each other's snapshots. It writes its snapshot first.
func endOrphan(ctx context.Context, cfg Config) error {
	text, err := os.ReadFile(pidFile(cfg.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var pid, port int
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d %d", &pid, &port)
	}
	if err != nil {
		cfg.Logger.Warn("pid file of redis-server is unreadable", "file", pidFile(cfg.Dir), "err", err)
		return nil
	}
	if !isOurs(pid, port) {
		return os.Remove(pidFile(cfg.Dir))
	}
	cfg.Logger.Warn("ending the redis-server that an earlier run left behind", "pid", pid)
	if err := end(ctx, pid, port); err != nil {
		return fail.Wrap(fail.Unavailable, err, "end the redis-server with pid %d that an earlier run left behind", pid).
			WithHint("end it by hand: kill %d", pid)
	}
	return os.Remove(pidFile(cfg.Dir))
}

// isOurs reports whether the process exists and is the redis-server on the
// port: Redis writes its address into its title.
func isOurs(pid, port int) bool {
	title := commandLine(pid)
	return strings.Contains(title, "redis-server") && strings.Contains(title, fmt.Sprintf(":%d", port))
}

func end(ctx context.Context, pid, port int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer process.Release()
	if err := terminate(process); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	for isOurs(pid, port) {
		select {
		case <-ctx.Done():
			return process.Kill()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
