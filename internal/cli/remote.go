package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/watch"
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
func (r *remote) Follow(ctx context.Context, ready func(), hear hearing) error {
	now := time.Now().UnixMilli()
	f := following{remote: r, now: r.Client, began: now, newest: now, ready: ready, hear: hear}
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
	now    *client.Client
	last   string // where to resume
	began  int64  // when the reading began; earlier if the server's clock proves to be behind; Unix milliseconds
	newest int64  // latest stamp heard, at first the beginning; Unix milliseconds
	away   bool   // no server answers
	ready  func()
	hear   hearing
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
		f.startOver(*m.Reset)
	case m.Lost != nil:
		f.hear(nil, m.Lost.Count)
	default:
		f.pass(m.Observations)
	}
	return nil
}

// startOver takes the newest events of the logs from a cluster that was started
// again. Where they reach back to what was heard last nothing is missing;
// otherwise no more than what the server skipped, some of which was heard. Those
// from before the reading began are left out, for it never wanted them; what was
// written since the cluster was started again is not, whatever the clocks say.
func (f *following) startOver(r api.Reset) {
	if r.Skipped > 0 && (len(r.Events) == 0 || r.Events[0].AtMS > f.newest) {
		f.tell(true, "the cluster was started again: up to %d events before the newest %d are missing here; geokv tail --since reads them from the log", r.Skipped, len(r.Events))
	}
	if started, ok := watch.EpochBegan(r.Epoch); ok {
		f.began = min(f.began, started.UnixMilli())
	}
	f.pass(slices.DeleteFunc(r.Events, func(o api.Observation) bool { return o.AtMS < f.began }))
}

func (f *following) pass(observations []api.Observation) {
	for _, o := range observations {
		f.began = min(f.began, o.AtMS)
		f.newest = max(f.newest, o.Event.HLC.Physical)
	}
	f.hear(observations, 0)
}

// look finds the cluster at another address.
func (f *following) look(ctx context.Context) bool {
	found := f.elsewhere(ctx, f.now)
	if found == nil {
		return false
	}
	f.now = found
	return true
}

// elsewhere finds the cluster at another address than the one that is known; nil
// when it is at none.
func (r *remote) elsewhere(ctx context.Context, known *client.Client) *client.Client {
	if r.again == nil {
		return nil
	}
	found, err := r.again(ctx)
	if err != nil || found.URL() == known.URL() {
		return nil
	}
	return found
}

// StatusWhenBack is Status, which waits for a server that does not answer, also
// for the one that takes its place. It asks again after every.
func (r *remote) StatusWhenBack(ctx context.Context, every time.Duration) (api.Report, error) {
	for away := false; ; away = true {
		report, err := r.Status(ctx)
		if code := fail.CodeOf(err); code != fail.Unavailable && code != fail.Timeout {
			r.tell(away && err == nil, "the cluster is back at %s", r.URL())
			return report, err
		}
		r.tell(!away, "the cluster at %s does not answer: waiting for it", r.URL())
		if !pause.For(ctx, every) {
			return report, ctx.Err()
		}
		if found := r.elsewhere(ctx, r.Client); found != nil {
			r.Client = found
		}
	}
}

func (r *remote) tell(news bool, format string, args ...any) {
	if news && r.say != nil {
		r.say(format, args...)
	}
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
