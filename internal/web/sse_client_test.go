package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
