package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/addrtest"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/watch"
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

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:1" }

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

func TestStreamMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		p.hub.Publish(observations(1, 5)...)
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("header %v", resp.Header)
		}
		epoch := p.hub.Epoch()
		if got, want := next(t, lines), `retry: 1000 event: hello id: `+epoch+`-5 data: {"epoch":"`+epoch+`","newest":5}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		sent := time.Now()
		p.hub.Publish(observation(6))
		if got, want := next(t, lines), "id: "+epoch+`-6 data: {"id":6,"kind":"seen","region":"us",`; !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s...", got, want)
		}
		if waited := time.Since(sent); waited != 50*time.Millisecond {
			t.Errorf("the batch went out after %v, want 50ms", waited)
		}
	})
}

// The last so many are counted among those that the reader wants, however long
// ago they came.
func TestRecentCountsWhatTheFilterWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		history := observations(1, 100) // all seen in us but these
		history[4].Kind, history[9].Kind, history[30].Region = api.KindApplied, api.KindApplied, "eu"
		history[20].Kind, history[20].Region = api.KindApplied, "eu"
		p.hub.Publish(history...)
		for query, want := range map[string][]string{
			"?recent=2&kind=applied":           {"10", "21"},
			"?recent=9&kind=applied":           {"5", "10", "21"},
			"?recent=1&region=eu":              {"31"},
			"?recent=1&region=eu&kind=applied": {"21"},
			"?recent=2":                        {"99", "100"},
			"?recent=3&region=us":              {"98", "99", "100"},
		} {
			lines, resp := p.open(t, query)
			next(t, lines)
			for _, id := range want {
				if got := next(t, lines); !strings.HasPrefix(got, "id: "+p.hub.Epoch()+"-"+id+" ") {
					t.Errorf("%s: got %.60s..., want %s", query, got, id)
				}
			}
			resp.Body.Close()
		}
		lines, resp := p.open(t, "?kind=applied")
		defer resp.Body.Close()
		next(t, lines)
		if got := next(t, lines); got != ": heartbeat" {
			t.Errorf("without recent the stream begins with %s", got)
		}
	})
}

// Heartbeats come every 15 s of silence, far beyond the server's own deadlines
// for reading a request and writing an answer.
func TestHeartbeatsKeepTheStreamOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		next(t, lines)
		last := time.Now()
		for range 40 { // ten minutes
			if got := next(t, lines); got != ": heartbeat" {
				t.Fatalf("got %q, want a heartbeat", got)
			}
			if waited := time.Since(last); waited != 15*time.Second {
				t.Fatalf("heartbeat after %v, want 15s", waited)
			}
			last = time.Now()
		}
		p.hub.Publish(observation(1))
		if got := next(t, lines); !strings.HasPrefix(got, "id: ") {
			t.Errorf("got %q, want an observation", got)
		}
	})
}

func TestSlowReaderIsToldWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t, func(c *web.Config) { c.StreamBuffer = 10 })
		defer p.stop()
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		next(t, lines)
		const published = 500
		for i := range published { // nobody reads meanwhile
			p.hub.Publish(observation(i + 1))
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		var received, lost int
		var ids []uint64
		for received+lost < published {
			got := next(t, lines)
			if data, isLost := strings.CutPrefix(got, "event: lost data: "); isLost {
				var count, total int
				if _, err := sscan(data, &count, &total); err != nil {
					t.Fatalf("%s: %v", data, err)
				}
				if lost += count; lost != total {
					t.Errorf("told of %d in all, says total %d", lost, total)
				}
				continue
			}
			received++
			id, _, _ := strings.Cut(got[strings.Index(got, "-")+1:], " ")
			n, err := strconv.ParseUint(id, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, n)
		}
		if lost == 0 || received == 0 || !slices.IsSorted(ids) || ids[len(ids)-1] != published {
			t.Errorf("received %d (last %d), lost %d of %d; want both, in order, with the newest last", received, ids[len(ids)-1], lost, published)
		}
		metrics := ask(p.server, "GET", "/metrics", "").Body.String()
		if want := "geokv_stream_lost_total " + strconv.Itoa(lost); !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	})
}

func sscan(data string, count, total *int) (int, error) {
	var l api.Lost
	err := jsonUnmarshal(data, &l)
	*count, *total = int(l.Count), int(l.Total)
	return 2, err
}

// A reader that takes no byte for a minute is gone, whatever TCP believes.
func TestStuckReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t, func(c *web.Config) { c.MaxStreams = 1 })
		defer p.stop()
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		next(t, lines)
		p.hub.Publish(observations(1, 2000)...)
		time.Sleep(50*time.Millisecond + 59*time.Second)
		_, refused := p.open(t, "")
		refused.Body.Close()
		if refused.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("before a minute: status %d, want 503", refused.StatusCode)
		}
		time.Sleep(2 * time.Second)
		again, second := p.open(t, "")
		defer second.Body.Close()
		if second.StatusCode != http.StatusOK {
			t.Fatalf("the stuck reader still holds its place: status %d", second.StatusCode)
		}
		next(t, again)
	})
}

func TestSlowBodyIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		conn, err := p.net.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		writer := make(chan struct{})
		defer func() { conn.Close(); <-writer }()
		head := "POST /api/produce HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
			"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
		go func() {
			defer close(writer)
			if _, err := io.WriteString(conn, head); err != nil {
				return
			}
			for { // one byte a second, for ever
				time.Sleep(time.Second)
				if _, err := io.WriteString(conn, " "); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); resp.StatusCode != http.StatusRequestTimeout || waited > 16*time.Second {
			t.Errorf("status %d after %v, want 408 after 15s", resp.StatusCode, waited)
		}
	})
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		defer p.stop()
		conn, err := p.net.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, _ = io.ReadAll(conn)
		if waited := time.Since(start); waited > 6*time.Second {
			t.Errorf("an unfinished header held a connection for %v", waited)
		}
	})
}

func TestThousandIdleReaders(t *testing.T) {
	const readers = 1000
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t, func(c *web.Config) { c.MaxStreams = readers })
		defer p.stop()
		var before, after runtime.MemStats
		goroutines := runtime.NumGoroutine()
		runtime.GC()
		runtime.ReadMemStats(&before)
		var open []*http.Response
		for range readers {
			lines, resp := p.open(t, "")
			next(t, lines)
			open = append(open, resp)
		}
		_, refused := p.open(t, "")
		refused.Body.Close()
		if refused.StatusCode != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") == "" {
			t.Errorf("reader %d: status %d, want 503 with Retry-After", readers+1, refused.StatusCode)
		}
		for i := range 20 { // nobody reads
			p.hub.Publish(observations(100*i+1, 100)...)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		// A reader holds what is being written to it; the history is shared.
		grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / readers
		if limit := int64(512 << 10); grown > limit {
			t.Errorf("a reader that does not read holds %d bytes, want at most %d", grown, limit)
		}
		if n := (runtime.NumGoroutine() - goroutines) / readers; n > 6 { // client and server side
			t.Errorf("%d goroutines per reader", n)
		}
		for _, resp := range open {
			resp.Body.Close()
		}
		synctest.Wait()
		_, resp := p.open(t, "")
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("after they left: status %d", resp.StatusCode)
		}
	})
}

func TestShutdownEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(t)
		lines, resp := p.open(t, "")
		defer resp.Body.Close()
		next(t, lines)
		ended := make(chan error)
		go func() {
			_, err := lines.ReadByte()
			ended <- err
		}()
		start := time.Now()
		p.stop()
		if waited := time.Since(start); waited > 2*time.Second {
			t.Errorf("Shutdown took %v with a stream open", waited)
		}
		if err := <-ended; err != io.EOF {
			t.Errorf("the stream ended with %v, want EOF", err)
		}
	})
}

// gather follows until want observations have come and returns their offsets
// and what else was said.
func gather(t *testing.T, c *client.Client, f client.Follow, want int) (got []api.Observation, other []client.Message) {
	t.Helper()
	done := errors.New("done")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := c.Follow(ctx, f, func(m client.Message) error {
		if m.Observations == nil {
			other = append(other, m)
		}
		if got = append(got, m.Observations...); len(got) >= want {
			return done
		}
		return nil
	})
	if err != done {
		t.Fatalf("after %d of %d observations: %v", len(got), want, err)
	}
	return got, other
}

func TestStreamStartsWhereItIsTold(t *testing.T) {
	f := newFixture(t)
	f.hub.Publish(observations(1, 20)...)
	tests := []struct {
		name   string
		follow client.Follow
		want   []int64
	}{
		{"recent", client.Follow{Recent: 3}, []int64{18, 19, 20}},
		{"more recent than there are", client.Follow{Recent: 100}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}},
		{"since a time", client.Follow{SinceMS: 1700000000017}, []int64{17, 18, 19, 20}},
		{"since before the history", client.Follow{SinceMS: 1}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}},
		{"after an id", client.Follow{LastID: f.hub.Epoch() + "-18"}, []int64{19, 20}},
		{"after an id, whatever else is asked", client.Follow{LastID: f.hub.Epoch() + "-18", Recent: 10}, []int64{19, 20}},
		{"one region and kind", client.Follow{Recent: 2, Region: "us", Kind: api.KindSeen}, []int64{19, 20}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, other := gather(t, f.client, tt.follow, len(tt.want))
			if !slices.Equal(names(got), tt.want) {
				t.Errorf("got %v, want %v", names(got), tt.want)
			}
			if len(other) != 1 || other[0].Hello == nil || other[0].Hello.Newest != uint64(tt.want[0]-1) {
				t.Errorf("besides: %+v, want hello alone, with the number before the first", other)
			}
		})
	}
}

func TestStreamFilters(t *testing.T) {
	f := newFixture(t)
	mixed := observations(1, 9)
	for i := range mixed {
		mixed[i].Region = []string{"us", "eu", "ap"}[i%3]
		if i%2 == 0 {
			mixed[i].Kind = api.KindApplied
		}
	}
	f.hub.Publish(mixed...)
	got, _ := gather(t, f.client, client.Follow{Recent: 9, Region: "eu"}, 3)
	same(t, "region", names(got), []int64{2, 5, 8})
	got, _ = gather(t, f.client, client.Follow{Recent: 9, Kind: api.KindApplied}, 5)
	same(t, "kind", names(got), []int64{1, 3, 5, 7, 9})
	got, _ = gather(t, f.client, client.Follow{Recent: 9, Region: "eu", Kind: api.KindApplied}, 1)
	same(t, "both", names(got), []int64{5})
}

func TestHistoryThatIsGoneCountsAsLost(t *testing.T) {
	f := newFixture(t, func(c *web.Config) {
		c.Service.(*fakeService).hub = watch.NewHub(began, 10)
	})
	f.hub.Publish(observations(1, 30)...)
	got, other := gather(t, f.client, client.Follow{LastID: f.hub.Epoch() + "-5"}, 10)
	if names(got)[0] != 21 || len(other) != 2 || other[1].Lost == nil || other[1].Lost.Count != 15 {
		t.Errorf("got %v and %+v, want 21 to 30 and 15 lost", names(got), other)
	}
}

func TestAnotherEpochGetsAReset(t *testing.T) {
	f := newFixture(t)
	f.set(func(f *fakeService) { f.recent = observations(100, 3) })
	f.hub.Publish(observations(1, 4)...)
	earlier := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		last  string
		since int64
	}{
		"another run": {strconv.FormatInt(earlier.UnixMicro(), 36) + "-77", earlier.UnixMilli()},
		"future id":   {f.hub.Epoch() + "-5", began.UnixMilli()},
	} {
		t.Run(name, func(t *testing.T) {
			var reset *api.Reset
			done := errors.New("done")
			err := f.client.Follow(t.Context(), client.Follow{LastID: tt.last}, func(m client.Message) error {
				if m.Reset != nil {
					reset = m.Reset
					if !strings.HasPrefix(m.LastID, f.hub.Epoch()+"-") {
						t.Errorf("after the reset the stream would resume at %q", m.LastID)
					}
					return done
				}
				return nil
			})
			if err != done {
				t.Fatal(err)
			}
			if reset.Epoch != f.hub.Epoch() || reset.Skipped != 41 || !slices.Equal(names(reset.Events), []int64{100, 101, 102}) {
				t.Errorf("got %+v", reset)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.sinceMS != tt.since {
				t.Errorf("asked the logs since %d, want %d", f.sinceMS, tt.since)
			}
		})
	}
}

// To begin at now with an id that says nothing would hide what was missed.
func TestWhatIsNoIDIsRefused(t *testing.T) {
	f := newFixture(t)
	f.hub.Publish(observations(1, 4)...)
	epoch := f.hub.Epoch()
	for _, last := range []string{
		"?!", "garbage", "17", "foo-5", "-3", epoch, epoch + "-", epoch + "-x", epoch + "-1-2", epoch + "--1",
		strings.ToUpper(epoch) + "-1", "0" + epoch + "-1",
	} {
		err := f.client.Follow(t.Context(), client.Follow{LastID: last}, func(m client.Message) error {
			return errors.New("the stream began")
		})
		if fail.CodeOf(err) != fail.Usage {
			t.Errorf("header %q: %v, want USAGE", last, err)
			continue // a stream that begins does not end by itself
		}
		if a := ask(f.server, "GET", "/api/events?last_id="+url.QueryEscape(last), ""); a.Code != http.StatusBadRequest {
			t.Errorf("last_id=%q: status %d, want 400", last, a.Code)
		}
	}
}

// A reader that is cut off right after hello has seen no observation, so coming
// back with its id brings those that were pending.
func TestHelloIsSafeToResumeFrom(t *testing.T) {
	f := newFixture(t)
	f.hub.Publish(observations(1, 20)...)
	for name, begin := range map[string]client.Follow{
		"after an id": {LastID: f.hub.Epoch() + "-17"},
		"recent":      {Recent: 3},
		"since":       {SinceMS: 1700000000018},
		"filtered":    {Recent: 3, Region: "us"},
	} {
		t.Run(name, func(t *testing.T) {
			var resumeAt string
			cut := errors.New("cut")
			err := f.client.Follow(t.Context(), begin, func(m client.Message) error {
				resumeAt = m.LastID
				return cut
			})
			if err != cut {
				t.Fatal(err)
			}
			got, _ := gather(t, f.client, client.Follow{LastID: resumeAt}, 3)
			same(t, "resumed", names(got), []int64{18, 19, 20})
		})
	}
}

// The stream breaks after every few messages; the reader still gets each
// observation once and in order.
func TestClientResumesABrokenStream(t *testing.T) {
	f := newFixture(t)
	var connections atomic.Int64
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections.Add(1)
		f.server.Handler().ServeHTTP(&cutting{ResponseWriter: w, writes: 2}, r)
	}))
	defer flaky.Close()
	c, err := client.New(client.Config{URL: flaky.URL})
	if err != nil {
		t.Fatal(err)
	}
	f.hub.Publish(observations(1, 2)...)
	const total = 6
	var got []api.Observation
	downs := 0
	done := errors.New("done")
	err = c.Follow(t.Context(), client.Follow{Recent: 2}, func(m client.Message) error {
		if m.Down != nil {
			downs++
		}
		for _, o := range m.Observations {
			if got = append(got, o); o.Offset < total && o.Offset > 1 {
				f.hub.Publish(observation(int(o.Offset) + 1))
			}
		}
		if len(got) == total {
			return done
		}
		return nil
	})
	if err != done {
		t.Fatal(err)
	}
	if !slices.Equal(names(got), []int64{1, 2, 3, 4, 5, 6}) || downs == 0 || connections.Load() < 3 {
		t.Errorf("got %v over %d connections, %d breaks", names(got), connections.Load(), downs)
	}
}

// cutting breaks the connection after some writes.
type cutting struct {
	http.ResponseWriter
	writes int
}

func (c *cutting) Write(b []byte) (int, error) {
	if c.writes--; c.writes < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(b)
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func TestFollowFailsAtOnceWhenItCannotBegin(t *testing.T) {
	f := newFixture(t)
	ignore := func(client.Message) error { return nil }
	if err := f.client.Follow(t.Context(), client.Follow{Region: "mars"}, ignore); fail.CodeOf(err) != fail.NotFound {
		t.Errorf("unknown region: %v", err)
	}
	c, err := client.New(client.Config{URL: addrtest.Refusing(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Follow(t.Context(), client.Follow{}, ignore); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = f.client.Follow(ctx, client.Follow{}, func(client.Message) error { cancel(); return nil })
	if err != nil {
		t.Errorf("ended by its caller: %v, want nil", err)
	}
}

// A connection on which not even heartbeats come is dead and gets replaced.
func TestClientLeavesASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "event: hello\ndata: {}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})}
		go func() { _ = server.Serve(listener) }()
		defer server.Close()
		transport := &http.Transport{DialContext: listener.dial}
		c, err := client.New(client.Config{URL: "http://localhost", HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		defer transport.CloseIdleConnections()
		start := time.Now()
		done := errors.New("done")
		err = c.Follow(t.Context(), client.Follow{}, func(m client.Message) error {
			if m.Down != nil {
				return done
			}
			return nil
		})
		if waited := time.Since(start); err != done || waited != 45*time.Second {
			t.Errorf("left after %v with %v, want 45s", waited, err)
		}
	})
}
