package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/addrtest"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// roundTrip is a network and a server in one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body))}
}

func clientOf(t *testing.T, f roundTrip) *Client {
	t.Helper()
	c, err := New(Config{URL: "http://geokv.test", Token: "secret", HTTP: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// late answers nothing before the time is over, or the request.
func late(after time.Duration, resp *http.Response) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(after):
			return resp, nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		code       fail.Code
		message    string
		hint       string
	}{
		{"geokv's own", `{"error":{"code":"WRONGTYPE","message":"it is a set","hint":"DEL it"}}`, 409, fail.WrongType, "it is a set", "DEL it"},
		{"code of a newer server", `{"error":{"code":"FROZEN","message":"m"}}`, 418, "FROZEN", "m", ""},
		{"the code decides, not the status", `{"error":{"code":"BUSY","message":"m"}}`, 400, fail.Busy, "m", ""},
		{"somebody else's 401", "<html>", 401, fail.NotAllowed, "not as geokv does", "something else"},
		{"somebody else's 403", "", 403, fail.NotAllowed, "not as geokv does", "something else"},
		{"somebody else's 404", "404 page not found", 404, fail.NotFound, "not as geokv does", "something else"},
		{"a gateway", "<html>Bad Gateway</html>", 502, fail.Unavailable, "not as geokv does", "something else"},
		{"JSON without a code", `{"error":{}}`, 500, fail.Unavailable, "not as geokv does", "something else"},
		{"another shape", `{"error":"no"}`, 400, fail.Unavailable, "not as geokv does", "something else"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clientOf(t, func(*http.Request) (*http.Response, error) { return answer(tt.status, tt.body), nil })
			_, err := c.Status(t.Context())
			if fail.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.message) || !strings.Contains(fail.HintOf(err), tt.hint) {
				t.Errorf("got %s, %v, hint %q", fail.CodeOf(err), err, fail.HintOf(err))
			}
		})
	}
}

func TestMalformedAnswers(t *testing.T) {
	for name, body := range map[string]string{"no JSON": "<html>", "nothing": "", "cut": `{"status":"o`, "another type": `{"events":"many"}`} {
		c := clientOf(t, func(*http.Request) (*http.Response, error) { return answer(200, body), nil })
		if _, err := c.Health(t.Context()); fail.CodeOf(err) != fail.Internal || !strings.Contains(fail.HintOf(err), "/api/health") {
			t.Errorf("%s: got %s, %v", name, fail.CodeOf(err), err)
		}
	}
}

func TestAnswerThatBreaksOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"status":`)
	}))
	defer server.Close()
	c, err := New(Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	if _, err := c.Health(t.Context()); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("got %s, %v", fail.CodeOf(err), err)
	}
}

func TestNobodyListens(t *testing.T) {
	address := addrtest.Refusing(t)
	c, err := New(Config{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"health":  func() error { _, err := c.Health(t.Context()); return err },
		"follow":  func() error { return c.Follow(t.Context(), Follow{}, nil) },
		"produce": func() error { _, err := c.Produce(t.Context(), operation()); return err }, // never sent: it has failed
	} {
		err := ask()
		if fail.CodeOf(err) != fail.Unavailable || !strings.Contains(err.Error(), address) || !strings.Contains(fail.HintOf(err), "geokv up") {
			t.Errorf("%s: got %s, %v, hint %q", name, fail.CodeOf(err), err, fail.HintOf(err))
		}
	}
}

// Calls give up after their own time, and none before the server may answer.
func TestTimeouts(t *testing.T) {
	ctx := context.Background()
	for name, tt := range map[string]struct {
		call   func(*Client) error
		giveUp time.Duration // 0: never
	}{
		"health":      {func(c *Client) error { _, err := c.Health(ctx); return err }, 10 * time.Second},
		"status":      {func(c *Client) error { _, err := c.Status(ctx); return err }, 30 * time.Second},
		"plan":        {func(c *Client) error { _, err := c.Plan(ctx, operation()); return err }, 30 * time.Second},
		"await":       {func(c *Client) error { _, err := c.Await(ctx, event.Receipt{}, nil, time.Minute); return err }, 90 * time.Second},
		"part":        {func(c *Client) error { _, err := c.Key(ctx, api.KeyQuery{Limit: 5}); return err }, 30 * time.Second},
		"whole value": {func(c *Client) error { _, err := c.Key(ctx, api.KeyQuery{Limit: api.WholeValue}); return err }, 0},
		"start":       {func(c *Client) error { _, err := c.StartRegion(ctx, "eu"); return err }, 0},
		"log":         {func(c *Client) error { return c.Log(ctx, api.LogQuery{}, nil) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(t, late(time.Hour, answer(200, "{}")))
				began := time.Now()
				err := tt.call(c)
				waited := time.Since(began)
				switch {
				case tt.giveUp == 0 && waited != time.Hour:
					t.Errorf("gave up after %v (%v)", waited, err)
				case tt.giveUp > 0 && (waited != tt.giveUp || fail.CodeOf(err) != fail.Timeout):
					t.Errorf("got %s, %v after %v, want TIMEOUT after %v", fail.CodeOf(err), err, waited, tt.giveUp)
				case tt.giveUp > 0 && (!strings.HasSuffix(err.Error(), c.URL()+": no answer within "+tt.giveUp.String()) || fail.HintOf(err) == ""):
					t.Errorf("%v, hint %q: want who did not answer within how long, and what to do", err, fail.HintOf(err))
				}
			})
		})
	}
}

func TestACallThatItsCallerEndsIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, late(time.Hour, nil))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
	})
}

// The token goes with writes, and no further than it must.
func TestTokenGoesWithWritesOnly(t *testing.T) {
	var method, token, kind string
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		method, token, kind = r.Method, r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		return answer(200, "{}"), nil
	})
	if _, err := c.Plan(t.Context(), operation()); err != nil || method != "POST" || token != "Bearer secret" || kind != "application/json" {
		t.Errorf("a write: %s, token %q, type %q (%v)", method, token, kind, err)
	}
	if _, err := c.Status(t.Context()); err != nil || method != "GET" || token != "" {
		t.Errorf("a read: %s, token %q (%v)", method, token, err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080":         "http://127.0.0.1:8080/api/health",
		"http://geokv.test":      "http://geokv.test/api/health",
		"https://x.test/behind/": "https://x.test/behind/api/health",
		"[::1]:80":               "http://[::1]:80/api/health",
	} {
		var asked *url.URL
		c, err := New(Config{URL: address, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL
			return answer(200, "{}"), nil
		})}})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if _, err := c.Health(t.Context()); err != nil || asked.String() != want {
			t.Errorf("%s: asked %s (%v), want %s", address, asked, err, want)
		}
	}
}

func operation() event.Operation {
	return event.Operation{Region: "eu", EventID: "mine", Key: []byte("k"), Args: event.Set{Value: []byte("v")}}
}

// A write has three outcomes: what was answered, certainly failed, and unknown
// when it may have been done although no answer tells.
func TestOutcomesOfAWrite(t *testing.T) {
	const durable, failed, unknown = "durable", "failed", "unknown"
	broken := func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	dial := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	says := func(status int, body string) roundTrip {
		return func(*http.Request) (*http.Response, error) { return answer(status, body), nil }
	}
	for name, tt := range map[string]struct {
		server roundTrip
		want   string
	}{
		"durable":              {says(201, `{"event_id":"mine","outcome":"durable"}`), durable},
		"unknown, told":        {says(202, `{"event_id":"mine","outcome":"unknown"}`), unknown},
		"refused":              {says(422, `{"error":{"code":"REJECTED","message":"m"}}`), failed},
		"certainly failed":     {says(503, `{"error":{"code":"UNAVAILABLE","message":"m"}}`), failed},
		"not geokv":            {says(404, "<html>"), failed},
		"a gateway gave up":    {says(504, "<html>"), unknown},
		"answer not readable":  {says(201, "<html>"), unknown},
		"connection broke":     {broken, unknown},
		"could not connect":    {dial, failed},
		"no answer in time":    {late(time.Hour, nil), unknown},
		"answer without an id": {says(201, `{"outcome":"durable"}`), durable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				receipt, err := clientOf(t, tt.server).Produce(t.Context(), operation())
				got := string(receipt.Outcome)
				if err != nil {
					got = failed
				}
				if got != tt.want {
					t.Fatalf("got %s (%+v, %v), want %s", got, receipt, err, tt.want)
				}
				if got == unknown && receipt.EventID != "mine" {
					t.Errorf("the receipt %+v does not name what to repeat", receipt)
				}
			})
		})
	}
	sent := false
	c := clientOf(t, func(*http.Request) (*http.Response, error) { sent = true; return nil, io.EOF })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Produce(ended, operation()); !errors.Is(err, context.Canceled) || sent {
		t.Errorf("a write that was over before it began: %v, sent %v", err, sent)
	}
}

func TestLog(t *testing.T) {
	const one = `{"kind":"seen","region":"us","event":{"key":"k"}}` + "\n"
	for name, tt := range map[string]struct {
		body    string
		code    fail.Code // "" for none
		emitted int
	}{
		"all":                  {one + one, "", 2},
		"nothing":              {"", "", 0},
		"failed on the way":    {one + `{"error":{"code":"UNAVAILABLE","message":"gone"}}` + "\n", fail.Unavailable, 1},
		"cut within a line":    {one + one[:20], fail.Unavailable, 1},
		"line that is no JSON": {one + "<html>\n", fail.Internal, 1},
	} {
		var query url.Values
		c := clientOf(t, func(r *http.Request) (*http.Response, error) {
			query = r.URL.Query()
			return answer(200, tt.body), nil
		})
		emitted := 0
		err := c.Log(t.Context(), api.LogQuery{SinceMS: 5}, func(api.Observation) error { emitted++; return nil })
		if (err != nil) != (tt.code != "") || err != nil && fail.CodeOf(err) != tt.code || emitted != tt.emitted {
			t.Errorf("%s: %d emitted, %v", name, emitted, err)
		}
		if query.Get("limit") != "0" || query.Get("since_ms") != "5" || query.Has("until_ms") {
			t.Errorf("%s: asked for %v", name, query)
		}
	}
	enough := errors.New("enough")
	c := clientOf(t, func(*http.Request) (*http.Response, error) { return answer(200, one+one), nil })
	if err := c.Log(t.Context(), api.LogQuery{}, func(api.Observation) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want what emit returned", err)
	}
}

func TestReady(t *testing.T) {
	status, body := 503, `{"error":{"code":"REBUILDING","message":"region eu is at 45%"}}`
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		return answer(status, body), nil
	})
	if err := c.Ready(t.Context()); fail.CodeOf(err) != fail.Rebuilding || !strings.Contains(err.Error(), "45%") {
		t.Errorf("a server that is not ready: %v", err)
	}
	status, body = 200, "ok\n"
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("a server that is: %v", err)
	}
}
