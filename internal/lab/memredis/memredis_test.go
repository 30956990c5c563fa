package memredis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/polltest"
)

const secret = "s3cret"

func start(t testing.TB) *Server {
	t.Helper()
	s, err := Start(Config{Addr: "127.0.0.1:0", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.SetReady(true)
	return s
}

func dial(t testing.TB, s *Server, user, password string, protocol int) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{
		Addr: s.Addr(), Username: user, Password: password, Protocol: protocol,
		MaxRetries: -1, ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func owner(t testing.TB, s *Server) *redis.Client    { return dial(t, s, User, secret, 3) }
func stranger(t testing.TB, s *Server) *redis.Client { return dial(t, s, "", "", 2) }

func TestStrangersReadAndOnlyGeokvWrites(t *testing.T) {
	s, ctx := start(t), t.Context()
	full, guest := owner(t, s), stranger(t, s)
	for _, cmd := range [][]any{
		{"SET", "s", "1"}, {"SADD", "set", "a"}, {"ZADD", "z", "1", "a"}, {"HSET", "h", "f", "v"}, {"XADD", "x", "1-1", "f", "v"},
	} {
		if err := full.Do(ctx, cmd...).Err(); err != nil {
			t.Fatalf("geokv: %v: %v", cmd, err)
		}
	}
	for _, cmd := range []string{
		"GET s", "MGET s t", "STRLEN s", "GETRANGE s 0 1", "TTL s", "PTTL s", "EXISTS s", "TYPE s", "KEYS *", "SCAN 0", "DBSIZE",
		"SMEMBERS set", "SISMEMBER set a", "SCARD set", "SSCAN set 0",
		"ZRANGE z 0 -1 WITHSCORES", "ZSCORE z a", "ZCARD z", "ZRANGEBYSCORE z -inf +inf",
		"HGETALL h", "HGET h f", "HMGET h f g", "HLEN h", "HSCAN h 0",
		"XRANGE x - +", "XREVRANGE x + -", "XLEN x", "XREAD STREAMS x 0", "XINFO STREAM x",
		"PING", "ECHO hi", "TIME", "INFO", "INFO memory", "SELECT 0", "COMMAND",
	} {
		if err := guest.Do(ctx, words(cmd)...).Err(); err != nil && !errors.Is(err, redis.Nil) {
			t.Errorf("stranger: %s: %v", cmd, err)
		}
	}
	for _, cmd := range []string{
		"SET s 2", "DEL s", "INCR n", "SADD set b", "ZADD z 1 b", "HSET h f w", "XADD x * f v", "EXPIRE s 1", "GETDEL s",
		"FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "RENAME s t", "PUBLISH geokv:obs forged",
		"EVAL return 0", "EVALSHA 0 0", "EVAL_RO return 0", "SCRIPT FLUSH", "CONFIG GET save", "XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >",
	} {
		err := guest.Do(ctx, words(cmd)...).Err()
		if err == nil || !strings.HasPrefix(err.Error(), "NOPERM User default has no permissions to run the '") {
			t.Errorf("stranger: %s: got %v, want NOPERM", cmd, err)
		}
	}
	if got := full.Get(ctx, "s").Val(); got != "1" {
		t.Errorf("s = %q after refused writes, want 1", got)
	}
}

func words(line string) []any {
	var out []any
	for _, w := range strings.Fields(line) {
		out = append(out, w)
	}
	return out
}

func TestLoadingUntilReady(t *testing.T) {
	s, ctx := start(t), t.Context()
	s.SetReady(false)
	full, guest := owner(t, s), stranger(t, s)
	if err := full.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatalf("geokv while rebuilding: %v", err)
	}
	if err := guest.Get(ctx, "k").Err(); err == nil || !strings.HasPrefix(err.Error(), "LOADING ") {
		t.Errorf("stranger's read while rebuilding: got %v, want LOADING", err)
	}
	if err := guest.Set(ctx, "k", "v", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM ") {
		t.Errorf("stranger's write while rebuilding: got %v, want NOPERM", err)
	}
	if info := guest.Info(ctx, "persistence").Val(); !strings.Contains(info, "loading:1") {
		t.Errorf("INFO persistence = %q, want loading:1", info)
	}
	if info := full.Info(ctx, "persistence").Val(); !strings.Contains(info, "loading:0") {
		t.Errorf("INFO persistence for geokv = %q, want loading:0: it would wait for itself", info)
	}
	s.SetReady(true)
	if got, err := guest.Get(ctx, "k").Result(); got != "v" {
		t.Errorf("stranger's read when ready: got %q, %v", got, err)
	}
}

func TestCredentials(t *testing.T) {
	s, ctx := start(t), t.Context()
	for _, protocol := range []int{2, 3} { // 2 sends AUTH, 3 sends HELLO ... AUTH
		c := dial(t, s, User, secret, protocol)
		if err := c.Set(ctx, "k", "v", 0).Err(); err != nil {
			t.Errorf("RESP%d with credentials: %v", protocol, err)
		}
		for _, wrong := range [][2]string{{User, "no"}, {"root", secret}} {
			err := dial(t, s, wrong[0], wrong[1], protocol).Set(ctx, "k", "v", 0).Err()
			if err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
				t.Errorf("RESP%d as %v: got %v, want WRONGPASS", protocol, wrong, err)
			}
		}
	}
	hello, err := dial(t, s, "", "", 3).Do(ctx, "HELLO", "3").Result()
	if m, ok := hello.(map[any]any); !ok || m["proto"] != int64(3) {
		t.Errorf("HELLO 3 = %v, %v, want a map with proto 3", hello, err)
	}
}

func TestTransactions(t *testing.T) {
	s, ctx := start(t), t.Context()
	full := owner(t, s)
	cmds, err := full.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "n")
		p.Set(ctx, "k", "v", time.Hour)
		p.Get(ctx, "k")
		return nil
	})
	if err != nil || cmds[2].(*redis.StringCmd).Val() != "v" {
		t.Errorf("transaction: %v, %v", cmds, err)
	}
	if left := full.PTTL(ctx, "k").Val(); left < 59*time.Minute || left > time.Hour {
		t.Errorf("PTTL = %v, want an hour", left)
	}

	guest := stranger(t, s)
	_, err = guest.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Get(ctx, "k")
		p.Incr(ctx, "n")
		return nil
	})
	if err == nil {
		t.Error("a stranger's transaction with a write succeeded")
	}
	if got := full.Get(ctx, "n").Val(); got != "1" {
		t.Errorf("n = %s after a stranger's transaction, want 1", got)
	}
	if _, err := guest.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "k"); return nil }); err != nil {
		t.Errorf("a stranger's reading transaction: %v", err)
	}

	err = full.Watch(ctx, func(tx *redis.Tx) error {
		full.Set(ctx, "n", "9", 0)
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Set(ctx, "n", "10", 0); return nil })
		return err
	}, "n")
	if !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("watched key changed: got %v, want %v", err, redis.TxFailedErr)
	}
}

func TestPubSub(t *testing.T) {
	s, ctx := start(t), t.Context()
	full := owner(t, s)
	for _, protocol := range []int{2, 3} {
		sub := dial(t, s, "", "", protocol).Subscribe(ctx, "geokv:obs")
		if _, err := sub.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		if n := full.Publish(ctx, "geokv:obs", "hello").Val(); n != 1 {
			t.Errorf("RESP%d: PUBLISH reached %d, want 1", protocol, n)
		}
		if msg, err := sub.ReceiveMessage(ctx); err != nil || msg.Payload != "hello" {
			t.Errorf("RESP%d: got %v, %v", protocol, msg, err)
		}
		sub.Close()
		polltest.Until(t, "nobody subscribes", func() bool { return full.Publish(ctx, "geokv:obs", "x").Val() == 0 })
	}
}

// A subscriber that stops reading must be cut off, and until then must not
// delay anyone.
func TestStuckSubscriber(t *testing.T) {
	s, ctx := start(t), t.Context()
	full := owner(t, s)
	stuck, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	fmt.Fprint(stuck, "SUBSCRIBE c\r\n")
	polltest.Until(t, "one subscribes", func() bool { return full.Publish(ctx, "c", "x").Val() == 1 })
	message := strings.Repeat("m", 1<<20)
	for range 64 {
		full.Publish(ctx, "c", message)
	}
	polltest.Until(t, "nobody subscribes", func() bool { return full.Publish(ctx, "c", "x").Val() == 0 })
}

func TestOddInput(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct{ in, want string }{
		"inline":        {"PING\r\n", "+PONG\r\n"},
		"empty array":   {"*0\r\n*1\r\n$4\r\nPING\r\n", "+PONG\r\n"},
		"null array":    {"*-1\r\nPING\r\n", "+PONG\r\n"},
		"huge bulk":     {"*1\r\n$99999999999\r\n", "-ERR Protocol error\r\n"},
		"huge array":    {"*99999999999\r\n", "-ERR Protocol error\r\n"},
		"negative bulk": {"*1\r\n$-5\r\n", "-ERR Protocol error\r\n"},
	} {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, test.in)
		conn.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(conn)
		if string(got) != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		conn.Close()
	}
}

func TestBlockedReaderThatLeaves(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "XREAD BLOCK 0 STREAMS none $\r\n")
	conn.Close()
	polltest.Until(t, "no client is left", func() bool { return s.clients() == 0 })
}

func TestReport(t *testing.T) {
	s, ctx := start(t), t.Context()
	full := owner(t, s)
	info := full.Info(ctx).Val()
	for _, want := range []string{"redis_version:", "run_id:", "maxmemory_policy:noeviction", "role:master", "loading:0"} {
		if !strings.Contains(info, want) {
			t.Errorf("INFO lacks %s", want)
		}
	}
	if got := full.ConfigGet(ctx, "maxmemory*").Val(); got["maxmemory-policy"] != "noeviction" {
		t.Errorf("CONFIG GET maxmemory* = %v", got)
	}
}

func TestClosedServerRefusesAndEndsGoroutines(t *testing.T) {
	s := start(t)
	full := owner(t, s)
	if err := full.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Close() // waits for every goroutine
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := full.Ping(ctx).Err(); err == nil {
		t.Error("a closed server answered")
	}
	if _, err := s.Dial(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial after Close: %v", err)
	}
}
