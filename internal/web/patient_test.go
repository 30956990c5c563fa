package web_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/web"
)

// endless is a service whose regions never have a write, and whose logs have no
// end.
type endless struct{ web.Service }

func (endless) Await(ctx context.Context, _ event.Receipt, _ []string) (api.Awaited, error) {
	<-ctx.Done()
	return api.Awaited{}, ctx.Err()
}

func (endless) Log(ctx context.Context, _ api.LogQuery, emit func(api.Observation) error) error {
	if err := emit(observation(1)); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Who waits for regions, or reads a long log, does not hold up the end of the
// server: it is told at once.
func TestShutdownEndsRequestsThatWait(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, p *piped) error{
		"await": func(ctx context.Context, p *piped) error {
			_, err := p.client.Await(ctx, receipt(event.Durable), nil, time.Minute)
			return err
		},
		"log": func(ctx context.Context, p *piped) error {
			return p.client.Log(ctx, api.LogQuery{}, func(api.Observation) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(t, func(c *web.Config) { c.Service = endless{c.Service} })
				defer p.stop()
				ended := make(chan error, 1)
				go func() { ended <- wait(t.Context(), p) }()
				synctest.Wait()
				began := time.Now()
				if err := p.server.Shutdown(context.Background()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("the server took %v to end", took)
				}
				if err := <-ended; fail.CodeOf(err) != fail.Unavailable {
					t.Errorf("got %v, want UNAVAILABLE", err)
				}
			})
		})
	}
}

// slow is a service whose values are read when the test lets them, and whose
// regions never have a write.
type slow struct {
	endless
	reading chan chan struct{}
}

func (s slow) Key(_ context.Context, q api.KeyQuery) (api.KeyPage, error) {
	read := make(chan struct{})
	s.reading <- read
	<-read
	return api.KeyPage{Region: q.Region}, nil
}

// Few whole values are read at once, the others wait their turn.
func TestWholeValuesAreReadInTurn(t *testing.T) {
	const asked, atOnce = 6, 4
	synctest.Test(t, func(t *testing.T) {
		reading := make(chan chan struct{}, asked)
		p := newPiped(t, func(c *web.Config) { c.Service = slow{endless{c.Service}, reading} })
		defer p.stop()
		var asking sync.WaitGroup
		defer asking.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answers := make(chan error, asked)
		whole := func() {
			_, err := p.client.Key(ctx, api.KeyQuery{Region: "eu", Key: []byte("k"), Limit: api.WholeValue})
			answers <- err
		}
		for range asked {
			asking.Go(whole)
		}
		synctest.Wait()
		if len(reading) != atOnce {
			t.Fatalf("%d are read at once, want %d", len(reading), atOnce)
		}
		for range asked {
			close(<-reading)
			if err := <-answers; err != nil {
				t.Errorf("a read in its turn: %v", err)
			}
		}
		for range asked {
			asking.Go(whole)
		}
		time.Sleep(31 * time.Second)
		for range asked - atOnce {
			if err := <-answers; fail.CodeOf(err) != fail.Busy {
				t.Errorf("got %v, want BUSY for one whose turn did not come", err)
			}
		}
		for range atOnce {
			close(<-reading)
		}
		cancel()
		asking.Wait()
		synctest.Wait()
	})
}
