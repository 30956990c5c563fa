package web_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/web"
)

// pipes is a listener without a network: connections are net.Pipe, so that they
// live in a bubble of virtual time and buffer nothing.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }

func (pipeAddr) String() string { return "127.0.0.1:1" }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	}
}

// piped is a server with its real deadlines on pipes.
type piped struct {
	*fakeService
	server *web.Server
	net    *pipes
	http   *http.Client
	client *client.Client
	stop   func()
}

func newPiped(t *testing.T, change ...func(*web.Config)) *piped {
	t.Helper()
	p := &piped{fakeService: newFake(), net: newPipes()}
	c := web.Config{Service: p.fakeService, Token: token}
	for _, ch := range change {
		ch(&c)
	}
	var err error
	if p.server, err = web.New(c); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.net) }()
	p.http = &http.Client{Transport: &http.Transport{DialContext: p.net.dial}}
	if p.client, err = client.New(client.Config{URL: "http://localhost", Token: token, HTTP: p.http}); err != nil {
		t.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		end, cancel := context.WithTimeout(context.Background(), time.Minute) // a request that never ends fails the test
		defer cancel()
		if err := p.server.Shutdown(end); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		p.hub.Close()
		p.http.CloseIdleConnections()
	})
	return p
}

// open begins an event stream and returns its lines.
func (p *piped) open(t *testing.T, query string) (*bufio.Reader, *http.Response) {
	t.Helper()
	resp, err := p.http.Get("http://localhost/api/events" + query)
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(resp.Body), resp
}

// next reads one message: its fields, joined by blanks.
func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var fields []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", fields, err)
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return strings.Join(fields, " ")
		}
		fields = append(fields, line)
	}
}
