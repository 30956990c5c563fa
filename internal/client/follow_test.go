package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
)

// script answers one connection after the other; the last answer stays.
type script struct {
	answers []func(ctx context.Context) (*http.Response, error)
	asked   []request
}

type request struct {
	at     time.Duration // since the first
	lastID string
	query  url.Values
	token  string
}

// client returns a client of the script. Use it in a bubble.
func (s *script) client(t *testing.T) *Client {
	began := time.Now()
	return clientOf(t, func(r *http.Request) (*http.Response, error) {
		s.asked = append(s.asked, request{time.Since(began), r.Header.Get("Last-Event-ID"), r.URL.Query(), r.Header.Get("Authorization")})
		return s.answers[min(len(s.asked), len(s.answers))-1](r.Context())
	})
}

// says is a connection that ends after the text.
func says(text string) func(context.Context) (*http.Response, error) {
	return func(context.Context) (*http.Response, error) { return answer(200, text), nil }
}

// staysOpen is a connection that is silent after the text, until its reader ends.
func staysOpen(text string) func(context.Context) (*http.Response, error) {
	return func(ctx context.Context) (*http.Response, error) {
		reader, writer := io.Pipe()
		context.AfterFunc(ctx, func() { _ = writer.CloseWithError(context.Cause(ctx)) })
		go func() { _, _ = io.WriteString(writer, text) }()
		resp := answer(200, "")
		resp.Body = reader
		return resp, nil
	}
}

func refuses(status int, code fail.Code) func(context.Context) (*http.Response, error) {
	return func(context.Context) (*http.Response, error) {
		return answer(status, fmt.Sprintf(`{"error":{"code":%q,"message":"no"}}`, code)), nil
	}
}

const hello = "retry: 1000\nevent: hello\nid: e-0\ndata: {\"epoch\":\"e\",\"newest\":0}\n\n"

func observed(ids ...int) string {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "id: e-%d\ndata: {\"id\":%d,\"kind\":\"seen\",\"region\":\"us\",\"event\":{\"key\":\"k\"}}\n\n", id, id)
	}
	return b.String()
}

// told renders messages, for comparing.
func told(messages *[]string) func(Message) error {
	return func(m Message) error {
		var text string
		switch {
		case m.Hello != nil:
			text = "hello " + m.Hello.Epoch
		case m.Reset != nil:
			text = fmt.Sprintf("reset %s skipped %d events %d", m.Reset.Epoch, m.Reset.Skipped, len(m.Reset.Events))
		case m.Lost != nil:
			text = fmt.Sprintf("lost %d of %d", m.Lost.Count, m.Lost.Total)
		case m.Down != nil:
			text = "down " + string(fail.CodeOf(m.Down))
		default:
			text = "seen"
			for _, o := range m.Observations {
				text += fmt.Sprint(" ", o.ID)
			}
		}
		*messages = append(*messages, text+" @"+m.LastID)
		return nil
	}
}

// follow reads the script for a while and returns what was told.
func (s *script) follow(t *testing.T, f Follow, forSo time.Duration) (messages []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), forSo)
	defer cancel()
	err = s.client(t).Follow(ctx, f, told(&messages))
	return messages, err
}

func TestStreamIsResumedWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []func(context.Context) (*http.Response, error){
			says(hello + observed(1, 2)), says(hello + observed(3) + "id: e-4\ndata: {\"id\""), staysOpen(hello),
		}}
		messages, err := s.follow(t, Follow{Recent: 7, SinceMS: 9, Region: "us", Kind: api.KindSeen}, time.Minute/2)
		want := []string{
			"hello e @e-0", "seen 1 2 @e-2", "down UNAVAILABLE @e-2",
			"hello e @e-0", "seen 3 @e-3", "down UNAVAILABLE @e-3", "hello e @e-0",
		}
		if err != nil || !slices.Equal(messages, want) {
			t.Errorf("got %q (%v)\nwant %q", messages, err, want)
		}
		first, second, third := s.asked[0], s.asked[1], s.asked[2]
		if first.lastID != "" || first.query.Encode() != "kind=seen&recent=7&region=us&since_ms=9" || first.token != "" {
			t.Errorf("first asked %+v", first)
		}
		if second.lastID != "e-2" || second.query.Encode() != "kind=seen&region=us" || third.lastID != "e-3" {
			t.Errorf("then asked %+v, %+v", second, third)
		}
	})
}

// A position given by the caller wins over the other starts.
func TestFollowFromAnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []func(context.Context) (*http.Response, error){staysOpen(hello)}}
		if _, err := s.follow(t, Follow{LastID: "d-9", Recent: 7}, time.Second); err != nil {
			t.Fatal(err)
		}
		if a := s.asked[0]; a.lastID != "d-9" || a.query.Has("recent") {
			t.Errorf("asked %+v", a)
		}
	})
}

// A server that stays away is asked less and less often, and at once again after
// it was there.
func TestPausesBetweenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(context.Context) (*http.Response, error) { return nil, io.EOF }
		busy := refuses(503, fail.Busy)
		s := &script{answers: []func(context.Context) (*http.Response, error){
			says(hello), down, busy, down, down, down, down, says(hello), staysOpen(hello),
		}}
		if _, err := s.follow(t, Follow{}, time.Minute/2); err != nil {
			t.Fatal(err)
		}
		var pauses []string
		for i := 1; i < len(s.asked); i++ {
			pauses = append(pauses, (s.asked[i].at - s.asked[i-1].at).String())
		}
		want := []string{"250ms", "500ms", "1s", "2s", "4s", "5s", "5s", "250ms"}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
	})
}

// Without a heartbeat for 45 s the connection is dead, whatever TCP believes.
func TestSilentStreamIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heartbeats := func(ctx context.Context) (*http.Response, error) {
			resp, err := staysOpen(hello)(ctx)
			reader, writer := io.Pipe()
			body := resp.Body
			resp.Body = reader
			go func() { _, _ = io.Copy(writer, body); _ = writer.CloseWithError(context.Cause(ctx)) }()
			go func() {
				for range 10 {
					time.Sleep(15 * time.Second)
					_, _ = io.WriteString(writer, ": heartbeat\n\n")
				}
			}()
			return resp, err
		}
		s := &script{answers: []func(context.Context) (*http.Response, error){heartbeats, staysOpen(hello)}}
		messages, err := s.follow(t, Follow{}, 200*time.Second)
		if want := []string{"hello e @e-0", "down TIMEOUT @e-0", "hello e @e-0"}; err != nil || !slices.Equal(messages, want) {
			t.Errorf("got %q (%v), want %q", messages, err, want)
		}
		if at := s.asked[1].at; at != 150*time.Second+silence+firstPause {
			t.Errorf("asked again after %v, want 45s after the tenth heartbeat", at)
		}
	})
}

func TestEndOfFollowing(t *testing.T) {
	enough := errors.New("enough")
	down := func(context.Context) (*http.Response, error) { return nil, io.EOF }
	type answers []func(context.Context) (*http.Response, error)
	for name, tt := range map[string]struct {
		answers answers
		stop    func(Message) bool
		code    fail.Code // "" for no error
	}{
		"no first connection":        {answers{down}, nil, fail.Unavailable},
		"busy at first":              {answers{refuses(503, fail.Busy)}, nil, fail.Busy},
		"refused later":              {answers{says(hello), refuses(404, fail.NotFound)}, nil, fail.NotFound},
		"refused the host later":     {answers{says(hello), refuses(403, fail.NotAllowed)}, nil, fail.NotAllowed},
		"the caller's time is over":  {answers{staysOpen(hello)}, nil, ""},
		"over while it pauses":       {answers{says(hello), down}, nil, ""},
		"stopped at an observation":  {answers{staysOpen(hello + observed(1))}, func(m Message) bool { return m.Observations != nil }, fail.Internal},
		"stopped at the hello":       {answers{staysOpen(hello)}, func(m Message) bool { return m.Hello != nil }, fail.Internal},
		"stopped when it broke":      {answers{says(hello)}, func(m Message) bool { return m.Down != nil }, fail.Internal},
		"stopped at the last of all": {answers{says(hello + observed(1))}, func(m Message) bool { return m.Observations != nil }, fail.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: tt.answers}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				err := s.client(t).Follow(ctx, Follow{}, func(m Message) error {
					if tt.stop != nil && tt.stop(m) {
						return enough
					}
					return nil
				})
				if tt.stop != nil && !errors.Is(err, enough) || (err != nil) != (tt.code != "") || err != nil && fail.CodeOf(err) != tt.code {
					t.Errorf("got %v, want %s", err, tt.code)
				}
			})
		})
	}
}

func TestMessagesOfTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.ReplaceAll(hello, "\n", "\r\n") + // as a proxy may write it
			observed(1) +
			": heartbeat\n\n" +
			"event: lost\ndata: {\"count\":3,\"total\":5}\n\n" +
			"event: later\nid: e-2\ndata: of a newer server\n\n" +
			"event: reset\nid: f-9\ndata: {\"epoch\":\"f\",\"skipped\":4,\ndata: \"events\":[{\"kind\":\"seen\",\"event\":{\"key\":\"k\"}}]}\n\n"
		s := &script{answers: []func(context.Context) (*http.Response, error){staysOpen(text)}}
		messages, err := s.follow(t, Follow{}, time.Second)
		want := []string{"hello e @e-0", "seen 1 @e-1", "lost 3 of 5 @e-1", "reset f skipped 4 events 1 @f-9"}
		if err != nil || !slices.Equal(messages, want) {
			t.Errorf("got %q (%v), want %q", messages, err, want)
		}
	})
}

// What cannot be read is told, and the stream goes on after it; what came before
// is not lost.
func TestMalformedMessages(t *testing.T) {
	for name, text := range map[string]string{
		"observation": "id: e-2\ndata: {\"id\":\n\n",
		"lost":        "event: lost\nid: e-2\ndata: many\n\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{answers: []func(context.Context) (*http.Response, error){says(hello + observed(1) + text), staysOpen(hello)}}
			messages, err := s.follow(t, Follow{}, time.Second)
			want := []string{"hello e @e-0", "seen 1 @e-2", "down INTERNAL @e-2", "hello e @e-0"}
			if err != nil || !slices.Equal(messages, want) || s.asked[1].lastID != "e-2" {
				t.Errorf("%s: got %q (%v), want %q", name, messages, err, want)
			}
		})
	}
}

// Observations come in batches of what is at hand, bounded.
func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := make([]int, 2000)
		for i := range ids {
			ids[i] = i + 1
		}
		s := &script{answers: []func(context.Context) (*http.Response, error){staysOpen(hello + observed(ids...))}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		next, batches := uint64(1), 0
		err := s.client(t).Follow(ctx, Follow{}, func(m Message) error {
			if len(m.Observations) > maxBatch {
				t.Errorf("a batch of %d", len(m.Observations))
			}
			for _, o := range m.Observations {
				if o.ID != next {
					t.Errorf("got %d, want %d", o.ID, next)
				}
				next++
			}
			batches++
			return nil
		})
		if err != nil || next != 2001 || batches > 200 {
			t.Errorf("%d observations in %d batches (%v)", next-1, batches, err)
		}
	})
}
