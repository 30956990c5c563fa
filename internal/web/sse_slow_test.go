package web_test

import (
	"bufio"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/web"
)

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
