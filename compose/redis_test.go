package compose

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A real redis-server takes the command of the file: everybody reads, geokv
// writes, and nothing is evicted.
func TestRedisTakesItsCommand(t *testing.T) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip("no redis-server")
		}
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	command := load(t).Services["redis-us"].Command[1:]
	var args []string
	for _, word := range command {
		args = append(args, strings.ReplaceAll(word, "/data", t.TempDir()))
	}
	cmd := exec.Command(binary, append(args, "--port", port, "--bind", "127.0.0.1")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })

	geokv := redis.NewClient(&redis.Options{Addr: addr, Username: "geokv", Password: "geokv-lab"})
	anybody := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { geokv.Close(); anybody.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for err = geokv.Set(ctx, "k", "v", 0).Err(); err != nil; err = geokv.Set(ctx, "k", "v", 0).Err() {
		if ctx.Err() != nil {
			t.Fatalf("geokv writes: %v", err)
		}
	}
	if got, err := anybody.Get(ctx, "k").Result(); err != nil || got != "v" {
		t.Errorf("anybody reads: %q, %v", got, err)
	}
	if err := anybody.Set(ctx, "k", "w", 0).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("anybody writes: %v, want NOPERM", err)
	}
	if policy := geokv.ConfigGet(ctx, "maxmemory-policy").Val()["maxmemory-policy"]; policy != "noeviction" {
		t.Errorf("maxmemory-policy %q", policy)
	}
}
