package app

import (
	"context"
	"errors"
	"time"

	"github.com/geokv/geokv/internal/materializer"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

// prepare makes sure of the region's topics, as often as it takes to reach its
// Kafka. It returns an error only for topics that would lose data.
func (a *App) prepare(ctx context.Context, r *region) error {
	wait := 100 * time.Millisecond
	for {
		err := r.log.EnsureTopics(ctx, r.Topic(), a.cfg.Cluster.Topology.Topics(), wal.TopicOptions{})
		if err == nil {
			err = r.log.EnsureSideTopic(ctx, materializer.QuarantineTopic, wal.TopicOptions{})
		}
		var refused *wal.TopicError
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		a.cfg.Logger.Warn("topics cannot be checked yet", "region", r.Name, "error", err)
		if !pause.For(ctx, wait) {
			return nil
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// announceReady tells once that the region's view holds everything that was in
// the logs at start.
func (a *App) announceReady(ctx context.Context, r *region) {
	for pause.For(ctx, 10*time.Millisecond) {
		if _, ready := r.materializer.Progress(); ready {
			a.cfg.OnReady(r.Name)
			return
		}
	}
}
