package cli

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// remote is a running server, reached through its API.
type remote struct {
	*client.Client
	regions []string
}

func newRemote(ctx context.Context, url, token string) (*remote, error) {
	c, err := client.New(client.Config{URL: url, Token: token})
	if err != nil {
		return nil, err
	}
	health, err := c.Health(ctx)
	if err != nil {
		return nil, err
	}
	return &remote{c, health.Regions}, nil
}

// Regions returns the server's regions in index order.
func (r *remote) Regions() []string { return r.regions }

// Await hands ctx's deadline to the server, which knows more than a broken
// request would tell.
func (r *remote) Await(ctx context.Context, receipt event.Receipt, regions []string) (api.Awaited, error) {
	timeout := 30 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	return r.Client.Await(ctx, receipt, regions, timeout)
}

// Follow reads the server's event stream.
func (r *remote) Follow(ctx context.Context, ready func(), emit func(api.Observation) error) error {
	return r.Client.Follow(ctx, client.Follow{}, func(m client.Message) error {
		switch {
		case m.Hello != nil:
			ready()
		case m.Reset != nil:
			return emitAll(m.Reset.Events, emit)
		}
		return emitAll(m.Observations, emit)
	})
}

func emitAll(observations []api.Observation, emit func(api.Observation) error) error {
	for _, o := range observations {
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

// Close drops idle connections.
func (r *remote) Close(context.Context) error {
	r.CloseIdleConnections()
	return nil
}

// needsServer is the error of a command that only a running server can serve.
func needsServer(what string) error {
	return fail.New(fail.Unavailable, "%s: no running server", what).
		WithHint("start one with geokv up, or geokv serve for an external cluster")
}
