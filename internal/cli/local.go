package cli

import (
	"context"

	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/watch"
)

// local is parts that this process puts on a cluster's endpoints for one
// command.
type local struct {
	*app.App
	stop func()
	done chan struct{}
}

func (s *session) openLocal(ctx context.Context, cluster config.Cluster, n need) (backend, error) {
	a, err := app.Open(ctx, app.Config{
		Cluster: cluster, Roles: app.Roles{Write: n.write, Observe: n.observe},
		CacheDir: s.schemaCache(), Version: s.env.Build.Version, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &local{App: a, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		if err := a.Run(running); err != nil {
			s.log.Error("run", "error", err)
		}
	}()
	return l, nil
}

// Follow subscribes to this process's own observers.
func (l *local) Follow(ctx context.Context, ready func(), hear hearing) error {
	subscription := l.Events().Subscribe(l.Events().Newest(), 64<<10)
	defer subscription.Close()
	ready()
	return hearAll(ctx, subscription, hear)
}

// hearAll passes on a subscription until it or ctx ends.
func hearAll(ctx context.Context, s *watch.Subscription, hear hearing) error {
	for told := uint64(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case batch, open := <-s.C:
			if !open {
				return nil
			}
			lost := s.Lost()
			hear(batch, lost-told)
			told = lost
		}
	}
}

// Close ends the parts after records on their way have settled.
func (l *local) Close(ctx context.Context) error {
	l.stop()
	<-l.done
	return l.App.Close(ctx)
}
