// Package client is geokv's HTTP API as Go calls: how the command line, the TUI
// and the drills reach a running cluster. Errors come back as the *fail.Error
// the server made.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

const (
	defaultTimeout = 30 * time.Second
	maxAnswer      = 1 << 30 // a whole value may be large
)

// Config says which server to ask.
type Config struct {
	URL     string        // http://127.0.0.1:8080; without a scheme http is meant
	Token   string        // for writes; empty when only reading
	Timeout time.Duration // of one request; 0: 30 s. Await, Log and Follow have their own
	HTTP    *http.Client  // nil: a client of its own
}

// Client asks one server. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	token   string
	timeout time.Duration
	http    *http.Client
}

// New makes a client; it does not connect.
func New(c Config) (*Client, error) {
	text := c.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fail.New(fail.Usage, "API address %q, want http://host:port", c.URL)
	}
	if strings.ContainsFunc(c.Token, unicode.IsControl) { // it could not be sent, which looks like a lost answer
		return nil, fail.New(fail.Usage, "the token holds a line break or another control character").
			WithHint("look at GEOKV_TOKEN or the token file: a token is one line")
	}
	client := &Client{base: base, token: c.Token, timeout: cmp.Or(c.Timeout, defaultTimeout), http: c.HTTP}
	if client.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64 // produce - keeps many writes in flight
		client.http = &http.Client{Transport: transport}
	}
	return client, nil
}

// URL is the server's address.
func (c *Client) URL() string { return c.base.String() }

// CloseIdleConnections gives back connections that are not in use.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// within gives a call so much time; unreachable says how much it was.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, noAnswer{limit})
}

// noAnswer is the end of the time that a call was given.
type noAnswer struct{ limit time.Duration }

func (n noAnswer) Error() string { return "no answer within " + n.limit.String() }
func (noAnswer) Unwrap() error   { return context.DeadlineExceeded }

// get asks for path and decodes the answer into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	ctx, cancel := within(ctx, c.timeout)
	defer cancel()
	return c.call(ctx, http.MethodGet, path, query, nil, out)
}

// post sends body as JSON and decodes the answer into out.
func (c *Client) post(ctx context.Context, path string, body, out any) error {
	ctx, cancel := within(ctx, c.timeout)
	defer cancel()
	return c.call(ctx, http.MethodPost, path, nil, body, out)
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	resp, err := c.send(ctx, method, path, query, body, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return c.failure(resp)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if len(answer) > maxAnswer {
		return &transportError{summary: fail.New(fail.Rejected, "%s answers with more than %d MiB", c.base, maxAnswer>>20).
			WithHint("read a part: --limit")}
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return &transportError{summary: fail.Wrap(fail.Internal, err, "read the answer of %s", c.base).
			WithHint("is it geokv that answers there, and the same version? see /api/health")}
	}
	return nil
}

// send makes the request; the caller closes the body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any, header http.Header) (*http.Response, error) {
	var payload io.Reader
	if method == http.MethodPost {
		text := []byte("{}")
		if body != nil {
			var err error
			if text, err = event.Marshal(body); err != nil {
				return nil, fail.Wrap(fail.Usage, err, "encode the request")
			}
		}
		payload = bytes.NewReader(text)
	}
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, target.String(), payload)
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "make the request")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		if c.token != "" { // reads need none, so it travels no further than it must
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return resp, nil
}

// failure turns a refusal into the error the server meant.
func (c *Client) failure(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var body api.Error
	if json.Unmarshal(text, &body) == nil && body.Error.Code != "" {
		return body.Error.Fail()
	}
	code := map[int]fail.Code{
		http.StatusUnauthorized: fail.NotAllowed, http.StatusForbidden: fail.NotAllowed, http.StatusNotFound: fail.NotFound,
	}[resp.StatusCode]
	err := fail.New(cmp.Or(code, fail.Unavailable), "%s answers %s and not as geokv does", c.base, resp.Status).
		WithHint("something else may listen there, or stand in between")
	if resp.StatusCode >= 500 { // a gateway that may have passed the request on
		return &transportError{summary: err}
	}
	return err
}

// transportError marks a request without a readable answer: whether the server
// acted on it cannot be known, unless it was never sent.
type transportError struct {
	summary *fail.Error
	unsent  bool
}

func (e *transportError) Error() string { return e.summary.Error() }
func (e *transportError) Unwrap() error { return e.summary }

// unreachable explains why no answer came. A call that its caller ended is
// context.Canceled.
func (c *Client) unreachable(ctx context.Context, err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err // url.Error repeats method and address
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &transportError{summary: fail.Wrap(fail.Timeout, cmp.Or(context.Cause(ctx), err), "wait for the API at %s", c.base).
			WithHint("it takes connections and does not answer: is the process stopped (Ctrl-Z), or the machine busy? let it go on, or end it and start it again")}
	}
	var op *net.OpError
	return &transportError{
		summary: fail.Wrap(fail.Unavailable, err, "reach the API at %s", c.base).WithHint("is `geokv up` or `geokv serve` running there?"),
		unsent:  errors.As(err, &op) && op.Op == "dial",
	}
}
