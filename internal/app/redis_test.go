package app_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view/redistest"
)

// condition is something wrong with a region's Redis, as the status must tell it.
type condition struct {
	name       string
	begin, end func(t *testing.T)
	state      api.State
	detail     string // expression
}

// Each bad condition of a real Redis has a clear state and reason in the report
// while it lasts, and no event that was written meanwhile is skipped.
func TestBadRedisIsNamedInTheStatusAndNothingIsSkipped(t *testing.T) {
	server := redistest.Start(t)
	door := redistest.OpenDoor(t, server.Addr)
	raw := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	defer raw.Close()
	say := func(words ...any) func(*testing.T) {
		return func(t *testing.T) {
			if err := raw.Do(t.Context(), words...).Err(); err != nil {
				t.Fatalf("%v: %v", words, err)
			}
		}
	}
	say("SET", "session:1", "theirs")(t)
	a := lone(t, "redis://"+door.Addr)
	written := 0
	incr := func(n int) {
		for range n {
			op := event.Operation{Key: []byte("k"), Args: event.Incr{Delta: 1}}
			if r, err := a.Produce(t.Context(), op); err != nil || r.Outcome != event.Durable {
				t.Fatalf("a write while Redis is unfit: %+v, %v", r, err)
			}
			written++
		}
	}
	incr(20)
	awaitValue(t, a, written)
	awaitReport(t, a, "foreign keys", func(r api.RegionReport) bool {
		return r.State == api.StateUp && strings.Contains(fmt.Sprint(r.Alarms), `FOREIGN_KEYS the view's database holds keys that geokv did not write: "session:1"`)
	})
	for _, c := range conditions(t, server, door, raw, say) {
		c.begin(t)
		incr(1)
		pattern := regexp.MustCompile(c.detail)
		awaitReport(t, a, c.name, func(r api.RegionReport) bool { return r.State == c.state && pattern.MatchString(r.Detail) })
		c.end(t)
		incr(5)
		awaitValue(t, a, written)
		awaitReport(t, a, "the end of "+c.name, func(r api.RegionReport) bool {
			return r.State == api.StateUp && r.LagEvents == 0 && r.Detail == ""
		})
	}
	if got := raw.Get(t.Context(), "session:1").Val(); got != "theirs" {
		t.Errorf("the foreign key holds %q", got)
	}
}

func conditions(t *testing.T, server *redistest.Server, door *redistest.Door, raw *redis.Client, say func(words ...any) func(*testing.T)) []condition {
	version := regexp.MustCompile(`redis_version:(\S+)`).FindStringSubmatch(raw.Info(t.Context(), "server").Val())[1]
	old := ("6.2.14" + strings.Repeat("0", 8))[:len(version)]
	loaded := make(chan struct{})
	return []condition{
		{"a wrong eviction policy", say("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), say("CONFIG", "SET", "maxmemory-policy", "noeviction"),
			api.StateBlocked, `may evict keys \(maxmemory-policy allkeys-lru\)`},
		{"a wrong version", func(*testing.T) { door.Lie("redis_version:"+version, "redis_version:"+old) }, func(*testing.T) { door.Lie("", "") },
			api.StateBlocked, `redis ` + old + ` is too old`},
		{"a read-only replica", say("REPLICAOF", "127.0.0.1", "1"), say("REPLICAOF", "NO", "ONE"),
			api.StateBlocked, "redis is a slave, a view needs a master"},
		{"refused writes", say("CONFIG", "SET", "min-replicas-to-write", "1"), say("CONFIG", "SET", "min-replicas-to-write", "0"),
			api.StateBlocked, `refuses writes \(NOREPLICAS\)`},
		{"no memory", say("CONFIG", "SET", "maxmemory", "1"), say("CONFIG", "SET", "maxmemory", "0"),
			api.StateBlocked, `refuses writes \(OOM\)`},
		{"loading",
			func(t *testing.T) {
				say("DEBUG", "POPULATE", "2000", "session")(t) // something to load
				say("SAVE")(t)
				server.Kill()
				// microseconds per key, and how often it listens meanwhile
				server.AddArgs("--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024")
				go func() {
					defer close(loaded) // also when it fails: who waits for it goes on
					server.Run(t)
				}()
			},
			func(*testing.T) { <-loaded },
			api.StateDown, "(?i)is loading"},
	}
}

// awaitReport collects reports until one is as wanted.
func awaitReport(t *testing.T, a *app.App, what string, ok func(api.RegionReport) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		report, err := a.Status(ctx)
		if err == nil && ok(report.Regions[0]) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the status never showed %s: %+v, %v", what, report.Regions, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// awaitValue waits until the counter holds every increment, and no more.
func awaitValue(t *testing.T, a *app.App, want int) {
	t.Helper()
	awaitReport(t, a, fmt.Sprintf("%d applied", want), func(r api.RegionReport) bool {
		return r.Origins != nil && r.LagEvents == 0 && r.State == api.StateUp
	})
	page, err := a.Key(t.Context(), api.KeyQuery{Region: "us", Key: []byte("k")})
	if err != nil || string(page.View.String) != fmt.Sprint(want) {
		t.Fatalf("the counter holds %q, %v, want %d", page.View.String, err, want)
	}
}
