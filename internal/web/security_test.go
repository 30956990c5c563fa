package web_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/web"
)

const goodBody = `{"region":"eu","op":"SET","key":"k","value":"v"}`

// ask makes one request in the process; change may spoil it.
func ask(s *web.Server, method, target, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, ch := range change {
		ch(r)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func errorOf(t *testing.T, w *httptest.ResponseRecorder) api.ErrorDetail {
	t.Helper()
	var body api.Error
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code == "" {
		t.Fatalf("status %d, body %q: not the error object (%v)", w.Code, w.Body, err)
	}
	return body.Error
}

func TestRefusals(t *testing.T) {
	big := `{"op":"SET","key":"k","value":"` + strings.Repeat("x", 1<<20) + `"}`
	tests := []struct {
		name, method, target, body string
		change                     []func(*http.Request)
		status                     int
		code                       fail.Code
		says                       string
	}{
		{name: "no token", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Authorization", "")}, status: 401, code: fail.NotAllowed},
		{name: "wrong token", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Authorization", "Bearer "+token[1:])}, status: 401, code: fail.NotAllowed},
		{name: "token and more", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Authorization", "Bearer "+token+"0")}, status: 401, code: fail.NotAllowed},
		{name: "wrong scheme", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Authorization", "Basic "+token)}, status: 401, code: fail.NotAllowed},
		{name: "token in the URL", method: "POST", target: "/api/produce?token=" + token, body: goodBody, change: []func(*http.Request){header("Authorization", "")}, status: 401, code: fail.NotAllowed},
		{name: "token before the body is looked at", method: "POST", target: "/api/produce", body: "{", change: []func(*http.Request){header("Authorization", "")}, status: 401, code: fail.NotAllowed},
		{name: "plan without token", method: "POST", target: "/api/plan", body: goodBody, change: []func(*http.Request){header("Authorization", "")}, status: 401, code: fail.NotAllowed},
		{name: "sim without token", method: "POST", target: "/api/sim/start", body: "{}", change: []func(*http.Request){header("Authorization", "")}, status: 401, code: fail.NotAllowed},
		{name: "lab without token", method: "POST", target: "/api/lab/regions/eu", body: "{}", change: []func(*http.Request){header("Authorization", "")}, status: 401, code: fail.NotAllowed},

		{name: "rebound host", method: "GET", target: "/api/status", change: []func(*http.Request){host("evil.example.com")}, status: 403, code: fail.NotAllowed, says: "evil.example.com"},
		{name: "rebound host with port", method: "GET", target: "/metrics", change: []func(*http.Request){host("evil.example.com:8080")}, status: 403, code: fail.NotAllowed},
		{name: "host with an allowed prefix", method: "GET", target: "/api/status", change: []func(*http.Request){host("localhost.evil.com")}, status: 403, code: fail.NotAllowed},
		{name: "no host", method: "GET", target: "/api/status", change: []func(*http.Request){host("")}, status: 403, code: fail.NotAllowed},
		{name: "another address", method: "GET", target: "/api/status", change: []func(*http.Request){host("10.0.0.1")}, status: 403, code: fail.NotAllowed},

		{name: "other origin", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Origin", "https://evil.example.com")}, status: 403, code: fail.NotAllowed},
		{name: "cross-site", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}, status: 403, code: fail.NotAllowed},
		{name: "form", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Content-Type", "text/plain")}, status: 415, code: fail.Usage},
		{name: "no content type", method: "POST", target: "/api/produce", body: goodBody, change: []func(*http.Request){header("Content-Type", "")}, status: 415, code: fail.Usage},

		{name: "body over 1 MiB", method: "POST", target: "/api/produce", body: big, status: 413, code: fail.Rejected},
		{name: "body over 1 MiB of blanks", method: "POST", target: "/api/sim/stop", body: strings.Repeat(" ", 1<<20+1), status: 413, code: fail.Rejected},
		{name: "not JSON", method: "POST", target: "/api/produce", body: `{"op":`, status: 400, code: fail.Usage},
		{name: "empty body", method: "POST", target: "/api/produce", body: "", status: 400, code: fail.Usage},
		{name: "two values", method: "POST", target: "/api/produce", body: goodBody + goodBody, status: 400, code: fail.Usage},
		{name: "an array", method: "POST", target: "/api/produce", body: "[]", status: 400, code: fail.Usage},
		{name: "unknown field", method: "POST", target: "/api/produce", body: `{"op":"SET","key":"k","value":"v","nx":true}`, status: 400, code: fail.Usage, says: "nx"},
		{name: "not UTF-8", method: "POST", target: "/api/produce", body: "{\"op\":\"DEL\",\"key\":\"\xff\"}", status: 400, code: fail.Usage, says: "UTF-8"},
		{name: "unknown op", method: "POST", target: "/api/produce", body: `{"op":"FLUSHALL","key":"k"}`, status: 400, code: fail.Usage, says: "FLUSHALL"},
		{name: "no op", method: "POST", target: "/api/produce", body: `{}`, status: 400, code: fail.Usage, says: "want one of"},
		{name: "null", method: "POST", target: "/api/produce", body: `null`, status: 400, code: fail.Usage},
		{name: "value over the limit", method: "POST", target: "/api/produce", body: `{"op":"SET","key":"k","value":"` + strings.Repeat("v", event.MaxValueBytes+1) + `"}`, status: 422, code: fail.Rejected},
		{name: "unknown region", method: "POST", target: "/api/produce", body: `{"region":"mars","op":"DEL","key":"k"}`, status: 404, code: fail.NotFound, says: "mars"},
		{name: "reserved key", method: "POST", target: "/api/produce", body: `{"op":"DEL","key":"x:meta"}`, status: 422, code: fail.Rejected, says: "x:meta"},
		{name: "empty key", method: "POST", target: "/api/produce", body: `{"op":"DEL","key":""}`, status: 422, code: fail.Rejected},
		{name: "NaN score", method: "POST", target: "/api/produce", body: `{"op":"ZADD","key":"k","member":"m","score":"nan"}`, status: 400, code: fail.Usage},
		{name: "delta out of range", method: "POST", target: "/api/produce", body: `{"op":"INCR","key":"k","delta":"9223372036854775808"}`, status: 400, code: fail.Usage},
		{name: "missing argument", method: "POST", target: "/api/produce", body: `{"op":"SET","key":"k"}`, status: 400, code: fail.Usage, says: "value"},

		{name: "unknown region state", method: "GET", target: "/api/regions/mars/state", status: 404, code: fail.NotFound, says: "mars"},
		{name: "unknown region keys", method: "GET", target: "/api/regions/mars/keys", status: 404, code: fail.NotFound},
		{name: "unknown region key", method: "GET", target: "/api/regions/mars/key/k", status: 404, code: fail.NotFound},
		{name: "empty key in path", method: "GET", target: "/api/regions/us/key/", status: 400, code: fail.Usage},
		{name: "empty k", method: "GET", target: "/api/regions/us/key", status: 400, code: fail.Usage},
		{name: "bad base64", method: "GET", target: "/api/regions/us/key?k=***", status: 400, code: fail.Usage},
		{name: "key too long", method: "GET", target: "/api/regions/us/key/" + strings.Repeat("k", event.MaxKeyBytes+1), status: 400, code: fail.Usage},
		{name: "unknown type", method: "GET", target: "/api/regions/us/key/k?type=list", status: 400, code: fail.Usage, says: "list"},
		{name: "type none", method: "GET", target: "/api/regions/us/key/k?type=none", status: 400, code: fail.Usage},
		{name: "limit 0 of keys", method: "GET", target: "/api/regions/us/keys?limit=0", status: 400, code: fail.Usage},
		{name: "whole value from a cursor", method: "GET", target: "/api/regions/us/key/k?limit=0&cursor=3", status: 400, code: fail.Usage},
		{name: "limit below 0", method: "GET", target: "/api/regions/us/key/k?limit=-1", status: 400, code: fail.Usage},
		{name: "limit too large", method: "GET", target: "/api/regions/us/keys?limit=10001", status: 400, code: fail.Usage},
		{name: "limit not a number", method: "GET", target: "/api/log?limit=many", status: 400, code: fail.Usage},
		{name: "log upside down", method: "GET", target: "/api/log?since_ms=9&until_ms=9", status: 400, code: fail.Usage},
		{name: "await without receipt", method: "GET", target: "/api/await", status: 400, code: fail.Usage},
		{name: "await of nonsense", method: "GET", target: "/api/await?receipt=a/b/c/d/e", status: 400, code: fail.Usage},
		{name: "await in an unknown region", method: "GET", target: "/api/await?regions=mars&receipt=eu/3/2.1/9/1-5", status: 404, code: fail.NotFound},
		{name: "await of an unknown region's write", method: "GET", target: "/api/await?receipt=mars/3/2.1/9/1-5", status: 404, code: fail.NotFound},
		{name: "await for ever", method: "GET", target: "/api/await?timeout_ms=300001&receipt=eu/3/2.1/9/1-5", status: 400, code: fail.Usage},
		{name: "events of an unknown region", method: "GET", target: "/api/events?region=mars", status: 404, code: fail.NotFound},
		{name: "events of an unknown kind", method: "GET", target: "/api/events?kind=felt", status: 400, code: fail.Usage},
		{name: "events recent", method: "GET", target: "/api/events?recent=-1", status: 400, code: fail.Usage},

		{name: "sim in an unknown region", method: "POST", target: "/api/sim/start", body: `{"regions":["mars"]}`, status: 404, code: fail.NotFound},
		{name: "sim stop with an argument", method: "POST", target: "/api/sim/stop", body: `{"now":1}`, status: 400, code: fail.Usage},
		{name: "link to itself", method: "POST", target: "/api/lab/links/us/us", body: `{"action":"cut"}`, status: 404, code: fail.NotFound},
		{name: "link action", method: "POST", target: "/api/lab/links/us/eu", body: `{"action":"bend"}`, status: 400, code: fail.Usage},
		{name: "link delay", method: "POST", target: "/api/lab/links/us/eu", body: `{"action":"delay","delay_ms":60001}`, status: 400, code: fail.Usage},
		{name: "region action", method: "POST", target: "/api/lab/regions/us", body: `{}`, status: 400, code: fail.Usage},
		{name: "lab region", method: "POST", target: "/api/lab/regions/mars", body: `{"action":"stop"}`, status: 404, code: fail.NotFound},

		{name: "unknown route", method: "GET", target: "/api/nothing", status: 404, code: fail.NotFound, says: "/api/nothing"},
		{name: "unknown page", method: "GET", target: "/", status: 404, code: fail.NotFound},
		{name: "method", method: "POST", target: "/api/status", status: 404, code: fail.NotFound},
		{name: "GET on a write", method: "GET", target: "/api/produce", status: 404, code: fail.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			w := ask(f.server, tt.method, tt.target, tt.body, tt.change...)
			got := errorOf(t, w)
			if w.Code != tt.status || got.Code != tt.code {
				t.Errorf("got %d %s (%s), want %d %s", w.Code, got.Code, got.Message, tt.status, tt.code)
			}
			if !strings.Contains(got.Message, tt.says) {
				t.Errorf("message %q does not name %q", got.Message, tt.says)
			}
			if op := f.lastOp(); op.Args != nil {
				t.Errorf("the refused request reached the service: %+v", op)
			}
			if strings.Contains(w.Body.String(), token) {
				t.Errorf("the answer shows the token: %s", w.Body)
			}
		})
	}
}

func TestAllowedHosts(t *testing.T) {
	f := newFixture(t, func(c *web.Config) { c.AllowHosts = []string{"geokv.example.com", "10.1.2.3"} })
	for _, name := range []string{"localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:9", "[::1]", "geokv.example.com", "Geokv.Example.com:443", "10.1.2.3"} {
		if w := ask(f.server, "GET", "/api/health", "", host(name)); w.Code != 200 {
			t.Errorf("host %s: status %d, want 200", name, w.Code)
		}
	}
}

func TestServerWithoutTokenRefusesEveryWrite(t *testing.T) {
	f := newFixture(t, func(c *web.Config) { c.Token = "" })
	for _, authorization := range []string{"", "Bearer ", "Bearer " + token} {
		w := ask(f.server, "POST", "/api/produce", goodBody, header("Authorization", authorization))
		if got := errorOf(t, w); w.Code != 403 || got.Hint == "" {
			t.Errorf("authorization %q: got %d %+v, want 403 with a hint", authorization, w.Code, got)
		}
	}
	if health, err := f.client.Health(t.Context()); err != nil || health.Writes {
		t.Errorf("health says writes=%v (%v)", health.Writes, err)
	}
}

func TestGuessingTokensIsSlowedDown(t *testing.T) {
	var seconds atomic.Int64
	f := newFixture(t, func(c *web.Config) {
		c.Wall = func() time.Time { return began.Add(time.Duration(seconds.Load()) * time.Second) }
	})
	guess := func(peer, with string) int {
		return ask(f.server, "POST", "/api/produce", goodBody, header("Authorization", "Bearer "+with), func(r *http.Request) { r.RemoteAddr = peer + ":4711" }).Code
	}
	for i := range 20 {
		if code := guess("10.9.9.9", "guess"); code != 401 {
			t.Fatalf("guess %d: status %d, want 401", i, code)
		}
	}
	if code := guess("10.9.9.9", "guess"); code != 429 {
		t.Errorf("21st guess: status %d, want 429", code)
	}
	if code := guess("10.9.9.9", token); code != 201 {
		t.Errorf("the right token behind the same address: status %d, want 201", code)
	}
	if code := guess("10.9.9.10", token); code != 201 {
		t.Errorf("another peer: status %d, want 201", code)
	}
	seconds.Add(2)
	if code := guess("10.9.9.9", "guess"); code != 401 {
		t.Errorf("after two seconds: status %d, want 401", code)
	}
}

func TestAllowedOriginMayWriteAndRead(t *testing.T) {
	const origin = "https://ops.example.com"
	f := newFixture(t, func(c *web.Config) { c.AllowOrigins = []string{origin} })
	preflight := ask(f.server, "OPTIONS", "/api/produce", "", header("Origin", origin), header("Access-Control-Request-Method", "POST"))
	if preflight.Code != 204 || preflight.Header().Get("Access-Control-Allow-Origin") != origin || !strings.Contains(preflight.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", preflight.Code, preflight.Header())
	}
	if w := ask(f.server, "POST", "/api/produce", goodBody, header("Origin", origin), header("Sec-Fetch-Site", "cross-site")); w.Code != 201 || w.Header().Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("write: %d %v", w.Code, w.Header())
	}
	other := ask(f.server, "GET", "/api/status", "", header("Origin", "https://evil.example.com"))
	if got := other.Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("another origin may read: %q", got)
	}
	if _, err := web.New(web.Config{Service: newFake(), AllowOrigins: []string{"*"}}); err == nil {
		t.Error("a wildcard origin was accepted")
	}
}

func TestSecurityHeadersOnEveryAnswer(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{"/api/status", "/metrics", "/livez", "/api/nothing", "/api/regions/us/key/k"} {
		h := ask(f.server, "GET", target, "").Header()
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", target, name, h.Get(name), want)
			}
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: policy %q", target, h.Get("Content-Security-Policy"))
		}
	}
}

func TestProduceStatuses(t *testing.T) {
	f := newFixture(t)
	if w := ask(f.server, "POST", "/api/produce", goodBody); w.Code != 201 || !strings.Contains(w.Body.String(), `"outcome":"durable"`) {
		t.Errorf("durable: %d %s", w.Code, w.Body)
	}
	f.set(func(f *fakeService) { f.outcome = event.FateUnknown })
	if w := ask(f.server, "POST", "/api/produce", goodBody); w.Code != 202 || !strings.Contains(w.Body.String(), `"outcome":"unknown"`) {
		t.Errorf("unknown: %d %s", w.Code, w.Body)
	}
	f.set(func(f *fakeService) { f.err = fail.New(fail.WrongType, "WRONGTYPE") })
	if w := ask(f.server, "POST", "/api/produce", goodBody); w.Code != 409 {
		t.Errorf("wrong type: %d", w.Code)
	}
	f.set(func(f *fakeService) { f.err = fail.New(fail.Clock, "clock") })
	if w := ask(f.server, "POST", "/api/produce", goodBody); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("clock: %d %v", w.Code, w.Header())
	}
	metrics := ask(f.server, "GET", "/metrics", "").Body.String()
	for _, line := range []string{`geokv_http_writes_total{outcome="durable"} 1`, `geokv_http_writes_total{outcome="unknown"} 1`, `geokv_http_writes_total{outcome="refused"} 2`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	if strings.Contains(metrics, "} -1\n") {
		t.Error("what is unknown stands in the metrics as -1")
	}
}

// The path after /key/ is the key's bytes, whatever they are.
func TestKeysInPaths(t *testing.T) {
	f := newFixture(t)
	for path, key := range map[string]string{
		"k":                  "k",
		"a/b":                "a/b",
		"a%2Fb":              "a/b",
		"a//b/":              "a//b/",
		"a/../b/.":           "a/../b/.",
		"%2e%2e":             "..",
		"a+b%20c":            "a+b c",
		"100%25":             "100%",
		"%00%FF":             "\x00\xff",
		"cart:active":        "cart:active",
		"%E6%9D%B1":          "東",
		"key/key":            "key/key",
		"q%3Fx%23y?limit=7":  "q?x#y",
		"a%0d%0aEvil%3A%201": "a\r\nEvil: 1",
	} {
		w := ask(f.server, "GET", "/api/regions/us/key/"+path, "")
		if got := f.askedKey(); w.Code != 200 || string(got.Key) != key {
			t.Errorf("/key/%s: status %d, key %q, want %q", path, w.Code, got.Key, key)
		}
	}
	if got := f.askedKey().Limit; got != 7 && got != 1000 {
		t.Errorf("limit %d", got)
	}
	for query, key := range map[string]string{"k=YS9i": "a/b", "k=AP8": "\x00\xff", "k=AP8=": "\x00\xff", "k=__8": "\xff\xff"} {
		w := ask(f.server, "GET", "/api/regions/us/key?"+query, "")
		if got := f.askedKey(); w.Code != 200 || string(got.Key) != key {
			t.Errorf("/key?%s: status %d, key %q, want %q", query, w.Code, got.Key, key)
		}
	}
}

func TestProbesAndMetrics(t *testing.T) {
	f := newFixture(t)
	if w := ask(f.server, "GET", "/livez", ""); w.Code != 200 {
		t.Errorf("livez: %d", w.Code)
	}
	if w := ask(f.server, "GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("readyz: %d", w.Code)
	}
	metrics := ask(f.server, "GET", "/metrics", "").Body.String()
	for _, line := range []string{
		"geokv_converged 1", "geokv_status_collected 1", `geokv_region_up{region="us",state="up"} 1`,
		`geokv_lag_events{origin="eu",region="us"} 3`, `geokv_lag_seconds{origin="eu",region="us"} 1.5`,
		`geokv_events_total{outcome="applied",region="us"} 12`, `geokv_alarms{code="BLOCKED",region="us"} 2`,
		`geokv_quarantine_dropped_total{region="us"} 3`,
		`geokv_flow_gap_events{from="us",to="eu"} 8`, `geokv_http_requests_total{route="/livez",status="200"} 1`, "go_goroutines",
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	if strings.Contains(metrics, "} -1\n") {
		t.Error("what is unknown stands in the metrics as -1")
	}
	ask(f.server, "GET", "/api/regions/us/key/very-secret-key", "")
	ask(f.server, "GET", "/api/no/such/very-secret-key", "")
	if metrics = ask(f.server, "GET", "/metrics", "").Body.String(); strings.Contains(metrics, "very-secret-key") {
		t.Error("a key stands in a label")
	}
	f.set(func(f *fakeService) { f.err = fail.New(fail.Rebuilding, "eu is being rebuilt") })
	if w := ask(f.server, "GET", "/readyz", ""); w.Code != 503 || errorOf(t, w).Code != fail.Rebuilding {
		t.Errorf("readyz of a region that rebuilds: %d %s", w.Code, w.Body)
	}
	if w := ask(f.server, "GET", "/livez", ""); w.Code != 200 {
		t.Errorf("livez must not depend on the regions: %d", w.Code)
	}
	if metrics = ask(f.server, "GET", "/metrics", "").Body.String(); !strings.Contains(metrics, "geokv_status_collected 0") {
		t.Error("metrics hide that the status could not be collected")
	}
}

func TestServerWithoutLab(t *testing.T) {
	f := newFixture(t, func(c *web.Config) { c.Lab = nil })
	if w := ask(f.server, "GET", "/api/lab", ""); w.Code != 404 || errorOf(t, w).Hint == "" {
		t.Errorf("got %d", w.Code)
	}
}

func TestTooManyWaiters(t *testing.T) {
	f := newFixture(t)
	hold := make(chan struct{})
	f.set(func(f *fakeService) { f.hold = hold })
	results := make(chan error, 200)
	for range 200 {
		go func() {
			_, err := f.client.Await(t.Context(), receipt(event.Durable), nil, 30*time.Second)
			results <- err
		}()
	}
	refused := 0
	for range 200 - 128 { // exactly those beyond the limit come back before hold is released
		if err := <-results; fail.CodeOf(err) != fail.Busy {
			t.Fatalf("got %v, want BUSY", err)
		}
		refused++
	}
	close(hold)
	for range 128 {
		if err := <-results; err != nil {
			t.Fatalf("a waiter within the limit failed: %v", err)
		}
	}
}

func TestAwaitTimesOut(t *testing.T) {
	f := newFixture(t)
	f.set(func(f *fakeService) { f.hold = make(chan struct{}) })
	_, err := f.client.Await(t.Context(), receipt(event.Durable), nil, 20*time.Millisecond)
	if fail.CodeOf(err) != fail.Timeout {
		t.Errorf("got %v, want TIMEOUT", err)
	}
}

func TestLargestBodyIsAccepted(t *testing.T) {
	f := newFixture(t)
	value := bytes.Repeat([]byte("x"), event.MaxValueBytes)
	if _, err := f.client.Produce(t.Context(), event.Operation{Key: []byte("k"), Args: event.Set{Value: value}}); err != nil {
		t.Errorf("a value of the greatest size: %v", err)
	}
}
