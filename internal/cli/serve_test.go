package cli

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// stages writes down in which order the parts of a host end.
type stages struct {
	mu     sync.Mutex
	names  []string
	broken chan error // what Run ends with before it is told to
}

func (s *stages) reach(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
}

func (s *stages) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		s.reach("parts")
		return nil
	case err := <-s.broken:
		return err
	}
}

func (s *stages) Close(context.Context) error {
	synctest.Wait() // the parts end meanwhile
	s.reach("records")
	return nil
}

// Requests that have begun find every part running, however the end came about.
func TestPartsOutliveTheRequests(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		end  func(s *stages, interrupt func())
		want []string
		err  error
	}{
		"interrupt": {func(_ *stages, interrupt func()) { interrupt() }, []string{"requests", "parts", "records"}, nil},
		"a part":    {func(s *stages, _ func()) { s.broken <- broken }, []string{"requests", "records"}, broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				s := &stages{broken: make(chan error, 1)}
				serving := make(chan struct{})
				err := together(ctx, s, func() error { <-serving; return nil }, func(context.Context) error {
					synctest.Wait() // whatever the interrupt ends has ended
					s.reach("requests")
					close(serving)
					return nil
				}, func(ctx context.Context) error {
					c.end(s, interrupt)
					<-ctx.Done()
					return nil
				})
				if !errors.Is(err, c.err) || !slices.Equal(s.names, c.want) {
					t.Errorf("ended in the order %v with %v, want %v with %v", s.names, err, c.want, c.err)
				}
			})
		})
	}
}

// What listens everywhere is published where this machine reaches it.
func TestReachableNamesNoWildcard(t *testing.T) {
	for listen, want := range map[string]string{
		"[::]:8080": "127.0.0.1:8080", "0.0.0.0:8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080",
		"127.0.0.1:8080": "127.0.0.1:8080", "[::1]:8080": "[::1]:8080", "10.1.2.3:8080": "10.1.2.3:8080", "geokv.example:8080": "geokv.example:8080",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s is reached at %s, want %s", listen, got, want)
		}
	}
}
