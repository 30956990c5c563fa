package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

// TestBadInputIsRefused sends what users and programs get wrong. Nothing of it
// may reach a log: at the end the cluster holds the few good writes only.
func TestBadInputIsRefused(t *testing.T) {
	ctx, h := bounded(t), newHome(t)
	c := h.up("--memory")
	h.env = append(h.env, "GEOKV_DATA=") // found as the cluster in memory
	t.Run("operations on the command line", func(t *testing.T) { badCommands(t, h) })
	t.Run("operations as JSON lines", func(t *testing.T) { badLines(t, h) })
	t.Run("requests", func(t *testing.T) { badRequests(ctx, t, c) })
	t.Run("bytes that are not UTF-8", func(t *testing.T) { anyBytes(t, h) })
	t.Run("increments beyond int64 are clamped as a sum", func(t *testing.T) { clampedSum(ctx, t, c) })
	t.Run("a port in use", func(t *testing.T) { portInUse(t) })
	c.t = t
	if union := c.viewsEqualFold(ctx); len(union) != 7 {
		t.Errorf("%d events in the logs, want the 7 good writes", len(union))
	}
}

func badCommands(t *testing.T, h *home) {
	h.t = t
	for _, bad := range []struct {
		code int
		says string
		args string
	}{
		{2, "RENAME", "produce rename a b"},
		{2, "unknown command", "prodcue incr k"},
		{2, "unknown flag", "produce incr k --regoin eu"},
		{2, "incr", "produce incr"},
		{2, "set", "produce set k"},
		{2, "hset", "produce hset k f"},
		{2, "zadd", "produce zadd z 1"},
		{2, "argument", "produce"},
		{3, "us, eu, ap", "produce incr k --region mars"},
		{3, "us, eu, ap", "get k --region mars"},
		{3, "us, eu, ap", "keys --region mars"},
		{2, "reserved", "produce set geokv:pos:us.events:1 v"},
		{2, "reserved", "produce set k:meta v"},
		{2, "reserved", "produce sadd k:smeta v"},
		{2, "reserved", "produce incr k:seq:eu 1"},
		{2, "reserved", "produce set k:~late v"},
		{2, "4096", "produce set " + strings.Repeat("k", event.MaxKeyBytes+1) + " v"},
		{2, "nan", "produce zadd z nan m"},
		{2, "2^63-1", "produce incr k 9223372036854775808"},
		{2, "2^63-1", "produce incr k -9223372036854775809"},
		{2, "2^63-1", "produce incr k 1.5"},
		{2, "PX", "produce set k v PX 0"},
		{2, "NX", "produce set k v NX"},
		{2, "MAXLEN", "produce xtrim k MAXLEN 5"},
		{2, "999999999999999", "produce xdel k 999999999999999-0"},
		{2, "receipt", "get k --after nonsense"},
		{2, "timeout", "get k --timeout soon"},
		{2, "table, json", "get k -o xml"},
		{2, "--color", "get k --color pink"},
	} {
		r := h.run(strings.Fields(bad.args)...)
		if r.code != bad.code || !strings.Contains(strings.ToLower(r.stderr), strings.ToLower(bad.says)) {
			t.Errorf("geokv %.60s: exit code %d, want %d and %q on stderr:\n%s", bad.args, r.code, bad.code, bad.says, r.stderr)
		}
		if r.stdout != "" {
			t.Errorf("geokv %.60s: wrote %q to stdout", bad.args, r.stdout)
		}
	}
}

// badLines mixes good operations with malformed ones: each bad line is named by
// its number, the good ones are written, and the exit code is 1.
func badLines(t *testing.T, h *home) {
	members := `["m` + strings.Repeat(`","m`, event.MaxElements) + `"]`
	bad := map[int]string{
		2:  `{"op":"INCR","key":"n","delta":`,
		3:  `nonsense`,
		4:  `{"op":"SET","key":"k","value":"` + strings.Repeat("v", event.MaxValueBytes+1) + `"}`,
		5:  `{"op":"SADD","key":"k","members":["` + strings.Repeat("m", event.MaxValueBytes+1) + `"]}`,
		6:  `{"op":"SADD","key":"k","members":` + members + `}`,
		7:  `{"op":"SADD","key":"k","members":[]}`,
		8:  `{"op":"ZADD","key":"k","members":[{"member":"m","score":"nan"}]}`,
		9:  `{"op":"INCR","key":"k","delta":9223372036854775808}`,
		10: `{"op":"SET","key":"k","value":"v","nx":true}`,
		11: "{\"op\":\"SET\",\"key\":\"\xff\",\"value\":\"v\"}",
		12: `{"op":"SET","key":{"base64":"not base64"},"value":"v"}`,
		13: `{"op":"SET","key":"k","value":"v","ttl_ms":-1}`,
		14: `{"op":"SET","key":"k","value":"v","event_id":"a\nb"}`,
		15: `{"op":"FLUSHALL","key":"k"}`,
		16: `{"op":"SET","value":"v"}`,
		17: `{"op":"DEL","key":"x:meta"}`,
		18: `{"op":"DEL","key":"k"}{"op":"DEL","key":"k"}`,
		19: strings.Repeat("x", 3<<20),
	}
	const good = `{"op":"INCR","key":"good","delta":1}`
	var input strings.Builder
	for n := 1; n <= 20; n++ {
		line, isBad := bad[n]
		if !isBad {
			line = good
		}
		input.WriteString(line + "\n")
	}
	r := h.runWith(input.String(), "produce", "-", "--wait-all", "-o", "jsonl")
	if r.code != 1 {
		t.Errorf("exit code %d, want 1\n%s", r.code, r.stderr)
	}
	seen := 0
	for text := range strings.Lines(r.stdout) {
		var line struct {
			Line    int
			Receipt *event.Receipt
			Error   *struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		seen++
		if _, isBad := bad[line.Line]; isBad != (line.Error != nil) || line.Line != seen {
			t.Errorf("result %d: %.200s", seen, text)
		}
		if line.Error != nil && line.Error.Code != "USAGE" && line.Error.Code != "REJECTED" {
			t.Errorf("line %d: code %s (%.100s)", line.Line, line.Error.Code, line.Error.Message)
		}
	}
	if seen != 20 {
		t.Errorf("%d results for 20 lines", seen)
	}
	if got := h.run("get", "good", "-o", "json").stdout; !strings.Contains(got, `"value": "2"`) {
		t.Errorf("good is %s, want 2: the good lines count", got)
	}
}

func badRequests(ctx context.Context, t *testing.T, c *cluster) {
	const good = `{"op":"SET","key":"k","value":"v"}`
	for _, bad := range []struct {
		name, body, token, path, contentType string
		status                               int
	}{
		{name: "no token", body: good, status: 401},
		{name: "wrong token", body: good, token: strings.Repeat("0", 64), status: 401},
		{name: "token in the URL", body: good, path: "?token=" + c.token, status: 401},
		{name: "form", body: good, token: c.token, contentType: "application/x-www-form-urlencoded", status: 415},
		{name: "body over 1 MiB", body: `{"op":"SET","key":"k","value":"` + strings.Repeat("v", 1<<20) + `"}`, token: c.token, status: 413},
		{name: "value over the limit", body: `{"op":"SET","key":"k","value":"` + strings.Repeat("v", event.MaxValueBytes+1) + `"}`, token: c.token, status: 422},
		{name: "malformed", body: `{"op":`, token: c.token, status: 400},
		{name: "unknown region", body: `{"op":"DEL","key":"k","region":"mars"}`, token: c.token, status: 404},
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.ready.API+"/api/produce"+bad.path, strings.NewReader(bad.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if bad.contentType != "" {
			req.Header.Set("Content-Type", bad.contentType)
		}
		if bad.token != "" {
			req.Header.Set("Authorization", "Bearer "+bad.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != bad.status || !strings.Contains(string(text), `"code"`) || strings.Contains(string(text), c.token) {
			t.Errorf("%s: %d %s, want %d", bad.name, resp.StatusCode, text, bad.status)
		}
	}
}

// anyBytes writes and reads a key and a value that no JSON string can hold, from
// JSON and from the shell.
func anyBytes(t *testing.T, h *home) {
	r := h.runWith(`{"op":"SET","key":{"base64":"/2tleQ=="},"value":{"base64":"AP8="}}`+"\n", "produce", "-", "--wait-all")
	if r.code != 0 {
		t.Fatalf("produce -: exit code %d\n%s", r.code, r.stderr)
	}
	r = h.run("get", "\xffkey", "-o", "json")
	if r.code != 0 || !strings.Contains(r.stdout, `"base64": "/2tleQ=="`) || !strings.Contains(r.stdout, `"base64": "AP8="`) {
		t.Errorf("get: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = h.run("produce", "set", "shell\xfe", "\xff\x01", "--wait-all")
	if r.code != 0 {
		t.Fatalf("produce: exit code %d\n%s", r.code, r.stderr)
	}
	r = h.run("get", "shell\xfe")
	if r.code != 0 || strings.ContainsAny(r.stdout, "\x01\x1b") {
		t.Errorf("get for people: exit code %d, %q", r.code, r.stdout)
	}
}

// clampedSum adds two increments whose sum is beyond int64, and takes one back:
// the sum is exact, what is shown is clamped.
func clampedSum(ctx context.Context, t *testing.T, c *cluster) {
	for _, step := range []struct {
		delta int64
		want  string
	}{{1<<63 - 1, "9223372036854775807"}, {1<<63 - 1, "9223372036854775807"}, {-(1<<63 - 1), "9223372036854775807"}} {
		receipt := c.produce(ctx, event.Operation{Key: []byte("huge"), Args: event.Incr{Delta: step.delta}})
		c.mustAwait(ctx, receipt, c.regions()...)
		for _, region := range c.regions() {
			if got := c.redis(t, region).Get(ctx, "huge").Val(); got != step.want {
				t.Errorf("%s: after %d got %s, want %s", region, step.delta, got, step.want)
			}
		}
	}
}

func portInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other := newHome(t)
	other.fails(5, []string{taken.Addr().String(), "hint: "}, "up", "--http", taken.Addr().String())
	other.fails(5, []string{"none runs there"}, "status") // and nothing was left behind
}

// TestWithoutAClusterEveryCommandNamesUp asks every command that needs a
// cluster.
func TestWithoutAClusterEveryCommandNamesUp(t *testing.T) {
	h := newHome(t)
	for _, args := range []string{
		"produce incr k 1", "produce -", "get k", "get k --region all", "keys", "tail", "tail --exit", "status",
		"status --until converged", "sim start", "sim stop", "sim rate 5", "sim run --for 1s", "produce incr k 1 --direct", "get k --memory",
	} {
		h.fails(5, []string{"geokv up"}, strings.Fields(args)...)
	}
	h.fails(2, []string{"geokv up"}, "serve")
	h.fails(2, []string{"geokv up"}, "materialize")
	r := h.run("get", "k", "-o", "json")
	var body struct {
		Error struct{ Code, Message, Hint string }
	}
	if err := json.Unmarshal([]byte(r.stderr), &body); err != nil || body.Error.Code != "UNAVAILABLE" || !strings.Contains(body.Error.Hint, "geokv up") {
		t.Errorf("as JSON: %v %s", err, r.stderr)
	}
}
