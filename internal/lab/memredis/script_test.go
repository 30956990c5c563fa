package memredis

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/view/redistest"
)

// scriptCases are run here and on a real Redis; answers must agree.
var scriptCases = []string{
	"return redis.call('SADD','s','a')",
	"return redis.pcall('SADD','s','a')",
	"local e=redis.pcall('SADD','s','a') return e.err",
	"local ok,e=pcall(redis.call,'SADD','s','a') return {type(e), tostring(ok)}",
	"error('boom')",
	"error({err='MYERR x'})",
	"return {err='MYERR y'}",
	"return redis.error_reply('single')",
	"return redis.error_reply('-two words')",
	"return redis.status_reply('FINE')",
	"local x = nil; return x.y", "return nil + 1",
	"return y",
	"y = 1",
	"return {1,2.9,'a',true,false,nil,3}",
	"return {1,{2,{3,'x'}},'y'}",
	"return redis.call('nosuch')",
	"return redis.pcall('nosuch').err",
	"return redis.call('GET')",
	"return redis.call('GET', {})",
	"return redis.call()",
	"syntax error here",
	"return redis.sha1hex('')",
	"return redis.call('SET','q',0.1)",
	"redis.call('SET','q',0.1) return redis.call('GET','q')",
	"redis.call('SET','q',1e15) return redis.call('GET','q')",
	"redis.call('SET','q',2^60) return redis.call('GET','q')",
	"return 3.99", "return -3.99", "return true", "return false", "return nil", "return 'x'", "return",
	"return redis.call('PING')", "return redis.call('PING').ok",
	"return type(redis.call('GET','none'))",
	"return redis.call('SUBSCRIBE','x')",
	"return redis.call('HGETALL','none')",
	"return redis.call('MGET','s','none')",
	"return {KEYS[1], ARGV[1], #KEYS, #ARGV}",
	"return cjson.encode({1,2})",
	"return cjson.decode('{\"a\":[1,2]}').a[2]",
	"local t={} for i=1,7900 do t[i]='k'..i end return redis.call('DEL', unpack(t))",
	"local t={} for i=1,7900 do t[i]=i end return select('#', unpack(t))",
	"return string.format('%.17g', 1e15)",
	"return type(print)", "return type(dofile)", "return type(loadfile)", "return type(require)",
	"return type(loadstring)", "return type(os)",
	"redis.call('SELECT', 3) redis.call('SET','in3','x') return redis.call('GET','in3')",
	"return redis.call('GET','in3')",
	"redis.call('SET','e','v','PXAT', 4102444800123) return redis.call('PEXPIRETIME','e')",
	"redis.call('SET','e','v','PX', 100000) local t = redis.call('PTTL','e') return t > 99000 and t <= 100000",
	"redis.call('SET','e','v','EX', 100) return redis.call('TTL','e')",
	"redis.call('SETEX','e',100,'v') return {redis.call('GET','e'), redis.call('TTL','e')}",
	"redis.call('SET','e','v') redis.call('EXPIRE','e',100) return redis.call('TTL','e')",
	"return #redis.call('TIME')",
	"return redis.call('TTL','none')",
	"redis.call('XADD','x','5-1','f','v') return redis.call('XRANGE','x','-','+')",
	"return redis.pcall('XADD','x','5-0','f','v').err",
}

func TestScriptsAnswerAsRealRedis(t *testing.T) {
	real, here := realRedis(t), owner(t, start(t))
	for _, c := range []*redis.Client{real, here} {
		if err := c.Set(t.Context(), "s", "1", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range scriptCases {
		want, got := answer(t.Context(), real, source), answer(t.Context(), here, source)
		if got != want {
			t.Errorf("%s\n got  %s\n want %s", source, got, want)
		}
	}
}

// Lines and columns that only the real interpreter knows, and texts in which
// the two interpreters differ by nature.
var interpreter = regexp.MustCompile(`, on @user_script.*$|(function\)): user_script.*$|user_script:\d+:|attempt to [a-z]+ .* script:|cannot perform .* script:|Attempt to modify a readonly table|Script attempted to create global variable 'y'`)

func answer(ctx context.Context, c *redis.Client, source string) string {
	v, err := c.Eval(ctx, source, []string{"s"}, "arg").Result()
	if err != nil {
		return "error " + strings.TrimSpace(interpreter.ReplaceAllString(err.Error(), ""))
	}
	return fmt.Sprintf("%T %v", v, v)
}

// realRedis is a client of a redis-server that runs as long as the test.
func realRedis(t *testing.T) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestScriptCache(t *testing.T) {
	c, ctx := owner(t, start(t)), t.Context()
	sha := c.ScriptLoad(ctx, "return ARGV[1]").Val()
	if got := c.EvalSha(ctx, sha, nil, "a").Val(); got != "a" {
		t.Errorf("EVALSHA = %v, want a", got)
	}
	if got := c.ScriptExists(ctx, sha, strings.Repeat("0", 40)).Val(); len(got) != 2 || !got[0] || got[1] {
		t.Errorf("SCRIPT EXISTS = %v, want [true false]", got)
	}
	if err := c.ScriptFlush(ctx).Err(); err != nil {
		t.Error(err)
	}
	if err := c.EvalSha(ctx, sha, nil).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOSCRIPT ") {
		t.Errorf("EVALSHA after SCRIPT FLUSH: got %v, want NOSCRIPT", err)
	}
	if err := c.ScriptLoad(ctx, "not lua at all").Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR Error compiling script") {
		t.Errorf("SCRIPT LOAD of nonsense: %v", err)
	}
}

// A failed script must leave nothing behind for the next one.
func TestScriptsAreApart(t *testing.T) {
	c, ctx := owner(t, start(t)), t.Context()
	deep := "local function f(n) return 1 + f(n + 1) end return f(1)"
	if err := c.Eval(ctx, deep, nil).Err(); err == nil {
		t.Error("endless recursion succeeded")
	}
	for range 3 {
		if got, err := c.Eval(ctx, "local n = (n or 0) return #KEYS", []string{"a", "b"}).Result(); err == nil {
			t.Errorf("undeclared variable gave %v", got)
		}
		if got, err := c.Eval(ctx, "return {#KEYS, #ARGV}", []string{"a"}, 1, 2).Result(); fmt.Sprint(got) != "[1 2]" {
			t.Errorf("got %v, %v, want [1 2]", got, err)
		}
	}
}

func TestScriptsAreAtomicAndSelectTheirDatabase(t *testing.T) {
	s, ctx := start(t), t.Context()
	const workers, each = 4, 200
	script := redis.NewScript("local n = tonumber(redis.call('GET', KEYS[1]) or '0') redis.call('SET', KEYS[1], n + 1) return n + 1")
	done := make(chan error, workers)
	for w := range workers {
		c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: User, Password: secret, DB: w % 2})
		defer c.Close()
		go func() {
			var err error
			for range each {
				if e := script.Run(ctx, c, []string{"n"}).Err(); e != nil {
					err = e
				}
			}
			done <- err
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for db := range 2 {
		c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: User, Password: secret, DB: db})
		defer c.Close()
		if n, _ := c.Get(ctx, "n").Int(); n != workers*each/2 {
			t.Errorf("database %d counted %d, want %d", db, n, workers*each/2)
		}
	}
}

// The benchmark's script has the shape of a one-event apply: read a hash, write
// a hash and a value.
const benchScript = `local at = redis.call('HGET', KEYS[1]..':meta', 'phys')
if at and tonumber(at) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1]..':meta', 'phys', ARGV[1], 'reg', '1')
redis.call('SET', KEYS[1], ARGV[2])
return 1`

func benchmarkScript(b *testing.B, c *redis.Client) {
	ctx := b.Context()
	sha := c.ScriptLoad(ctx, benchScript).Val()
	for n := 0; b.Loop(); n++ {
		if err := c.EvalSha(ctx, sha, []string{fmt.Sprintf("k%d", n%1000)}, n, "v").Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScriptPooled(b *testing.B) { benchmarkScript(b, owner(b, start(b))) }

func BenchmarkScriptPlain(b *testing.B) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	c := redis.NewClient(&redis.Options{Addr: m.Addr()})
	b.Cleanup(func() { c.Close() })
	benchmarkScript(b, c)
}

func BenchmarkScriptPipelined(b *testing.B) {
	c, ctx := owner(b, start(b)), b.Context()
	sha := c.ScriptLoad(ctx, benchScript).Val()
	const batch = 128
	for n := 0; b.Loop(); n += batch {
		p := c.Pipeline()
		for i := range batch {
			p.EvalSha(ctx, sha, []string{fmt.Sprintf("k%d", (n+i)%1000)}, n+i, "v")
		}
		if _, err := p.Exec(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/script")
}
