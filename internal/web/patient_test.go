package web_test

import (
	"context"
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
