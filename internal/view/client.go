package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/lua"
)

// clients are the connections of one DB, by what a retry would mean.
type clients struct {
	apply *redis.Client // writes of the view: never retried, the position decides
	read  *redis.Client // idempotent; retried
	lease *redis.Client // DB 2
}

// Open prepares the connections without using the network. The error is a
// malformed URL.
func Open(cfg Config) (*DB, error) {
	o, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "open view %q", redactURL(cfg.URL)).
			WithHint("a Redis URL reads redis://[user:password@]host:port[/db]")
	}
	if cfg.DB >= 0 {
		o.DB = cfg.DB
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.TLS != nil {
		o.TLSConfig = cfg.TLS
	}
	o.Dialer = cfg.Dial
	o.Protocol = 3
	o.DisableIdentity = true
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DialerRetries = 1 // callers retry, and know when to
	redis.SetLogger(quiet{})
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 2*time.Second, 5*time.Second, 5*time.Second

	apply, read, lease := *o, *o, *o
	apply.MaxRetries, apply.PoolSize = -1, 16
	read.MaxRetries, read.PoolSize = 1, 16
	lease.MaxRetries, lease.PoolSize, lease.DB = -1, 4, LeaseDB
	db := &DB{cfg: cfg, scripts: loadScripts()}
	db.clients = clients{redis.NewClient(&apply), redis.NewClient(&read), redis.NewClient(&lease)}
	return db, nil
}

// quiet discards the Redis library's own log, which would go to the standard
// error under whatever is drawn there. Everything it says is returned as an
// error too.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// redactURL keeps a password out of errors.
func redactURL(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "***" + rest[i:]
	}
	return scheme + "://" + rest
}

func (c clients) close() error {
	return errors.Join(c.apply.Close(), c.read.Close(), c.lease.Close())
}

// scripts are the assembled Lua scripts, made once per DB.
type scripts struct {
	apply, sweep, read, head, inspect, cad, cas, wipe lua.Script
}

func loadScripts() scripts {
	return scripts{
		lua.Apply(), lua.Sweep(), lua.Read(), lua.Head(), lua.Inspect(),
		lua.CompareAndDelete(), lua.CompareAndSet(), lua.Wipe(),
	}
}

// run sends a script by its hash and, when the server has forgotten it, loads
// it and sends it once more. That is safe for every script here: NOSCRIPT means
// that nothing ran.
func run(ctx context.Context, c *redis.Client, s lua.Script, keys []string, args ...any) (any, error) {
	v, err := c.EvalSha(ctx, s.SHA, keys, args...).Result()
	if err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return v, err
	}
	if err := c.ScriptLoad(ctx, s.Source).Err(); err != nil {
		return nil, fmt.Errorf("load script %s: %w", s.Name, err)
	}
	return c.EvalSha(ctx, s.SHA, keys, args...).Result()
}

// probe remembers what the server offers.
type probe struct {
	mu     sync.Mutex
	known  atomic.Bool
	xsetid bool
}

// hasXSETID asks once whether the server knows XSETID; the embedded one does
// not. Asking about a key that never exists changes nothing.
func (db *DB) hasXSETID(ctx context.Context) (bool, error) {
	p := &db.probe
	if p.known.Load() {
		return p.xsetid, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := db.clients.apply.Do(ctx, "XSETID", "geokv:probe", "0-1").Err()
	switch {
	case err == nil, strings.Contains(errText(err), "no such key"):
		p.xsetid = true
	case strings.Contains(errText(err), "unknown command"):
		p.xsetid = false
	default:
		return false, err
	}
	p.known.Store(true)
	return p.xsetid, nil
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return strings.ToLower(err.Error())
}

// blockedStates are the error codes with which a server refuses before it
// changes anything.
var blockedStates = [...]string{"MISCONF", "OOM", "READONLY", "LOADING", "BUSY", "MASTERDOWN", "NOREPLICAS", "NOAUTH", "NOPERM", "WRONGPASS", "CLUSTERDOWN"}

// refusal turns a server's refusal to write into a *BlockedError and leaves
// other errors as they are.
func refusal(err error) error {
	for _, state := range blockedStates {
		if redis.HasErrorPrefix(err, state) {
			return &BlockedError{State: state, Err: err}
		}
	}
	return err
}

// broken names what a script that ran answered with: an error of the server that
// is no refusal. Others did not come from the server.
func broken(err error) error {
	var blocked *BlockedError
	var said redis.Error
	switch {
	case errors.As(err, &blocked):
	case errors.As(err, &said):
		return &ScriptError{Err: said}
	}
	return fmt.Errorf("apply: %w", err)
}

// Check answers whether this Redis may hold a view: version 7.0 or newer,
// maxmemory-policy noeviction, a master, not loading. The error is a
// *fail.Error with a hint: around an *UnfitError when the server answered and may
// not; of code NotAllowed when only other settings help. Servers that lack INFO sections (the embedded one) pass what they cannot
// answer.
func (db *DB) Check(ctx context.Context) error {
	info, err := db.info(ctx)
	if err != nil {
		return db.Explain(err)
	}
	switch {
	case info["loading"] == "1":
		return fail.Wrap(fail.Unavailable, ErrLoading, "use redis at %s", redactURL(db.cfg.URL)).WithHint("wait until it has read its snapshot")
	case info["role"] != "" && info["role"] != "master":
		return db.unfit(fail.Unavailable, "redis is a %s, a view needs a master", info["role"]).
			WithHint("name the master's address in the region's redis.url")
	case info["maxmemory_policy"] != "" && info["maxmemory_policy"] != "noeviction":
		return db.unfit(fail.NotAllowed, "redis may evict keys (maxmemory-policy %s)", info["maxmemory_policy"]).
			WithHint("run CONFIG SET maxmemory-policy noeviction: evicted sidecars let older writes win")
	}
	if v := info["redis_version"]; v != "" && major(v) < 7 {
		return db.unfit(fail.NotAllowed, "redis %s is too old", v).WithHint("use Redis 7.0 or newer, or Valkey")
	}
	return nil
}

func (db *DB) unfit(code fail.Code, format string, args ...any) *fail.Error {
	return fail.Wrap(code, &UnfitError{fmt.Sprintf(format, args...)}, "use redis at %s", redactURL(db.cfg.URL))
}

// major reads the first number of a version, 7 when there is none.
func major(version string) int {
	text, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(text)
	if err != nil {
		return 7
	}
	return n
}

// info merges the sections a check needs. A section the server does not know
// is left out; an error means that it could not be reached at all.
func (db *DB) info(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	if err := db.clients.read.Ping(ctx).Err(); err != nil {
		if redis.HasErrorPrefix(err, "LOADING") {
			return map[string]string{"loading": "1"}, nil
		}
		return nil, err
	}
	for _, section := range []string{"server", "replication", "memory", "persistence"} {
		text, err := db.clients.read.Info(ctx, section).Result()
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				out[k] = v
			}
		}
	}
	return out, nil
}
