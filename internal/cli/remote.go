package cli

import (
	"context"
	"errors"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/pause"
)

// remote is a running server, reached through its API.
type remote struct {
	*client.Client
	regions []string
	again   func(ctx context.Context) (*client.Client, error) // finds the cluster after a restart; nil: it stays at its address
	say     func(format string, args ...any)                  // what became of the connection; nil keeps quiet
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
	return &remote{Client: c, regions: health.Regions}, nil
}

// Regions returns the server's regions in index order.
func (r *remote) Regions() []string { return r.regions }

// Await hands ctx's deadline to the server, which knows more than a broken
// request would tell, and so is given time to say it.
func (r *remote) Await(ctx context.Context, receipt event.Receipt, regions []string) (api.Awaited, error) {
	timeout := 30 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})()
	return r.Client.Await(patient, receipt, regions, timeout)
}

// Follow reads the server's event stream, and that of the server which takes its
// place: a cluster that is started again answers at another address.
func (r *remote) Follow(ctx context.Context, ready func(), emit func(api.Observation) error) error {
	f := following{remote: r, now: r.Client, ready: ready, emit: emit}
	for {
		err := f.now.Follow(ctx, client.Follow{LastID: f.last}, func(m client.Message) error { return f.take(ctx, m) })
		switch {
		case errors.Is(err, errMoved):
		case f.away && fail.CodeOf(err) == fail.Unavailable: // it moved, and went away again
			if !pause.For(ctx, findPause) {
				return nil
			}
			f.look(ctx)
		default:
			return err
		}
	}
}

// following is one reading of the event stream, over every address it comes from.
type following struct {
	*remote
	now   *client.Client
	last  string // where to resume
	away  bool   // no server answers
	ready func()
	emit  func(api.Observation) error
}

func (f *following) take(ctx context.Context, m client.Message) error {
	f.last = m.LastID
	switch {
	case m.Down != nil:
		f.tell(!f.away, "the cluster at %s went away: waiting for it", f.now.URL())
		f.away = true
		if f.look(ctx) {
			return errMoved
		}
		return nil
	case m.Hello != nil:
		f.ready()
		f.tell(f.away, "the cluster is back at %s", f.now.URL())
		f.away = false
	case m.Reset != nil:
		return emitAll(m.Reset.Events, f.emit)
	}
	return emitAll(m.Observations, f.emit)
}

// look finds the cluster at another address.
func (f *following) look(ctx context.Context) bool {
	if f.again == nil {
		return false
	}
	found, err := f.again(ctx)
	if err != nil || found.URL() == f.now.URL() {
		return false
	}
	f.now = found
	return true
}

func (f *following) tell(news bool, format string, args ...any) {
	if news && f.say != nil {
		f.say(format, args...)
	}
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
