//go:build unix

package proof

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/crdt/crdttest"
	"github.com/geokv/geokv/internal/materializer"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/view/redistest"
)

// stoppedFor is how long the stopped server stays so after it was noticed.
var stoppedFor = flag.Duration("stopped", 0, "how long redis-server is stopped beyond being noticed")

// fault is something that happens to a real server while a materializer works.
type fault struct {
	name  string
	begin func(t *testing.T, r *region)
	end   func(t *testing.T, r *region)
	alarm string // pattern of what the state says meanwhile; "" when nothing shows
}

// do runs a command in the server that must succeed.
func do(args ...any) func(*testing.T, *region) {
	return func(t *testing.T, r *region) {
		t.Helper()
		if err := r.raw.Do(within(t), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
}

// snapshots of the server's file, to bring an old one back.
func dump(r *region) string { return filepath.Join(r.server.Dir(), "dump.rdb") }

func restart(t *testing.T, r *region) {
	t.Helper()
	r.server.Kill()
	polltest.Until(t, "redis is back", func() bool { return r.server.Run(t) })
}

func faults() []fault {
	var oldest []byte
	stopped, loaded := make(chan struct{}), make(chan struct{})
	return []fault{
		{name: "an old snapshot is taken and kept",
			begin: func(t *testing.T, r *region) {
				do("SAVE")(t, r)
				var err error
				if oldest, err = os.ReadFile(dump(r)); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "FLUSHALL", begin: do("FLUSHALL")},
		{name: "restore of the old snapshot", begin: func(t *testing.T, r *region) {
			r.server.Kill()
			if err := os.WriteFile(dump(r), oldest, 0o600); err != nil {
				t.Fatal(err)
			}
			restart(t, r)
		}},
		{name: "SCRIPT FLUSH in a loop",
			begin: func(t *testing.T, r *region) {
				go func() {
					for {
						select {
						case <-stopped:
							return
						default:
							r.raw.ScriptFlush(context.Background()) // as often as it gets in
						}
					}
				}()
			},
			end: func(t *testing.T, r *region) { close(stopped) }},
		{name: "SIGSTOP", alarm: "cannot be reached",
			begin: func(t *testing.T, r *region) { r.server.Signal(t, syscall.SIGSTOP) },
			end: func(t *testing.T, r *region) {
				time.Sleep(*stoppedFor) // the fault itself, not a wait for something
				r.server.Signal(t, syscall.SIGCONT)
			}},
		{name: "out of memory", alarm: `refuses writes \(OOM\)`,
			begin: do("CONFIG", "SET", "maxmemory", "1"), end: do("CONFIG", "SET", "maxmemory", "0")},
		{name: "too few replicas", alarm: `refuses writes \(NOREPLICAS\)`,
			begin: do("CONFIG", "SET", "min-replicas-to-write", "1"), end: do("CONFIG", "SET", "min-replicas-to-write", "0")},
		{name: "read-only replica", alarm: "redis is a slave, a view needs a master",
			begin: do("REPLICAOF", "127.0.0.1", "1"), end: do("REPLICAOF", "NO", "ONE")},
		{name: "wrong eviction policy", alarm: `may evict keys \(maxmemory-policy allkeys-lru\)`,
			begin: do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), end: do("CONFIG", "SET", "maxmemory-policy", "noeviction")},
		{name: "torn marker", alarm: "rebuilt from the log", begin: func(t *testing.T, r *region) {
			names, err := r.raw.Keys(within(t), "geokv:pos:us.events:*").Result()
			if err != nil || len(names) == 0 {
				t.Fatal(names, err)
			}
			do("HINCRBY", names[0], "b", "1")(t, r)
		}},
		{name: "loading", alarm: "(?i)is loading",
			begin: func(t *testing.T, r *region) {
				// Many keys elsewhere, of bytes that do not shrink: loading takes longer than
				// any wait between two tries, and it listens within the patience of one.
				do("EVAL", "redis.call('SELECT', 3) for i = 1, 1500 do redis.call('SET', i, redis.sha1hex(i) .. redis.sha1hex(-i)) end return 1", "0")(t, r)
				do("SAVE")(t, r)
				r.server.Kill()
				// microseconds per key, and how often it listens meanwhile
				r.server.AddArgs("--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024")
				go func() {
					r.server.Run(t)
					close(loaded)
				}()
			},
			end: func(t *testing.T, r *region) { <-loaded }},
	}
}

// TestFaults injects one fault after another under a materializer: each shows in
// the state for what it is, and once it is over the view is the fold of the log:
// nothing was skipped and nothing applied twice.
func TestFaults(t *testing.T) {
	r := newRegion(t)
	var keys [][]byte
	for i := range 40 {
		keys = append(keys, []byte{'k', byte('a' + i%26), byte('0' + i/26)})
	}
	list := faults()
	events := crdttest.Generate(rand.New(rand.NewPCG(11, 1)), crdttest.Options{Events: 60 * (2*len(list) + 1), Keys: keys, SpanMS: 100_000})
	parts := slices.Collect(slices.Chunk(events, 60))
	m, stop := r.run(hasty{r.db, 300 * time.Millisecond})
	r.append(parts[0]...)
	r.awaitEnd()
	for i, f := range list {
		started := time.Now()
		r.append(parts[2*i+1]...)
		f.begin(t, r)
		r.append(parts[2*i+2]...)
		if f.alarm != "" {
			pattern := regexp.MustCompile(f.alarm)
			polltest.Until(t, f.name+" shows in the state", func() bool { return pattern.MatchString(alarms(m)) }, func() string { return alarms(m) })
		}
		if f.end != nil {
			f.end(t, r)
		}
		r.awaitEnd()
		r.wantFold(slices.Concat(parts[:2*i+3]...))
		polltest.Until(t, f.name+" is over in the state", func() bool { return !m.State().Blocked() })
		t.Logf("%-36s %4d ms", f.name, time.Since(started).Milliseconds())
		if t.Failed() {
			t.Fatalf("after %s; alarms: %s", f.name, alarms(m))
		}
	}
	stop()
}

func alarms(m *materializer.Materializer) string {
	var b strings.Builder
	for _, a := range m.State().Alarms {
		b.WriteString(a.Code + " " + a.Message + "\n")
	}
	return b.String()
}

// Foreign keys are named and left alone, and the view works beside them.
func TestForeignKeysAreNamedAndKept(t *testing.T) {
	r := newRegion(t)
	do("SET", "session:1", "theirs")(t, r)
	m, _ := r.run(r.db)
	events := increasing(30)
	r.append(events...)
	r.awaitEnd()
	r.wantFold(events)
	polltest.Until(t, "the key is named", func() bool {
		return strings.Contains(alarms(m), `FOREIGN_KEYS the view's database holds keys that geokv did not write: "session:1"`)
	})
	if got := r.raw.Get(within(t), "session:1").Val(); got != "theirs" {
		t.Errorf("the foreign key holds %q", got)
	}
}

// A server that is too old is not written to: it is asked through a door that
// changes what it says of its version.
func TestOldServerIsRefused(t *testing.T) {
	r := newRegion(t)
	version := r.raw.Info(within(t), "server").Val()
	version = regexp.MustCompile(`redis_version:(\S+)`).FindStringSubmatch(version)[1]
	old := ("6.2.14" + strings.Repeat("0", 8))[:len(version)]
	door := redistest.OpenDoor(t, r.server.Addr)
	door.Lie("redis_version:"+version, "redis_version:"+old)
	m, _ := r.run(openDB(t, "redis://"+door.Addr))
	r.append(increasing(30)...)
	polltest.Until(t, "the version is named", func() bool { return strings.Contains(alarms(m), "is too old") })
	if n := r.raw.DBSize(within(t)).Val(); n != 0 {
		t.Errorf("%d keys were written all the same", n)
	}
}

// All operations pass a server whose collation orders text backwards as they
// pass any other: nothing in the scripts compares strings.
func TestHostileCollation(t *testing.T) {
	r := newRegionOn(t, redistest.StartIn(t, hostileLocale(t)))
	if got := r.raw.Eval(within(t), "return 'a' < 'b' and 'usual' or 'hostile'", nil).Val(); got != "hostile" {
		t.Fatalf("the collation is %v: the fault was not injected", got)
	}
	for seed := range uint64(3) {
		rng, list := round(500 + seed)
		for order := range orders {
			if _, _, err := deliver(r.db, rng, list, order); err != nil {
				t.Fatalf("seed %d, order %d: %s", 500+seed, order, explain(r.db, err))
			}
		}
	}
}

// hostileLocale compiles a locale in which z comes before a.
func hostileLocale(t *testing.T) (env []string) {
	t.Helper()
	if _, err := exec.LookPath("localedef"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("localedef is not in PATH; it comes with the C library")
		}
		t.Skip("SKIPPED: localedef is not in PATH")
	}
	dir := t.TempDir()
	text := "comment_char %\nescape_char /\nLC_COLLATE\norder_start forward\n"
	for c := '~'; c >= ' '; c-- {
		text += fmt.Sprintf("<U%04X>\n", c)
	}
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte(text+"order_end\nEND LC_COLLATE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// it warns of everything else that a locale has, and says so in its status
	out, _ := exec.Command("localedef", "-c", "-i", source, filepath.Join(dir, "hostile")).CombinedOutput()
	if _, err := os.Stat(filepath.Join(dir, "hostile", "LC_COLLATE")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{"LOCPATH=" + dir, "LC_ALL=hostile"}
}
