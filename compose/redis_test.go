package compose

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/view/redistest"
)

// A real redis-server takes the command of the file: everybody reads, geokv
// writes, and nothing is evicted.
func TestRedisTakesItsCommand(t *testing.T) {
	command := load(t).Services["redis-us"].Command[1:]
	var args []string
	for _, word := range command {
		args = append(args, strings.ReplaceAll(word, "/data", t.TempDir()))
	}
	addr, ctx := redistest.Start(t, args...).Addr, t.Context()
	geokv := redis.NewClient(&redis.Options{Addr: addr, Username: "geokv", Password: "geokv-lab"})
	anybody := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { geokv.Close(); anybody.Close() })
	if err := geokv.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatalf("geokv writes: %v", err)
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
