package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
)

// admitWait is how long a part may take to say whether it lets this process in.
const admitWait = 5 * time.Second

// Admit asks every part that cfg's roles need whether it lets this process in.
// The error is a *fail.Error about settings: a refused login, an unknown
// authority, a Redis that may evict, a registry that refuses the schema. What
// is merely out of reach is logged, since it may come back: an App waits for it.
func Admit(ctx context.Context, cfg Config) error {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	served, err := cfg.served()
	if err != nil {
		return err
	}
	refusals := make([]error, len(served))
	var group sync.WaitGroup
	for i, endpoint := range served {
		group.Go(func() { refusals[i] = cfg.admit(ctx, endpoint) })
	}
	group.Wait()
	for _, err := range refusals {
		if err != nil {
			return err
		}
	}
	return nil
}

// admit asks one region's parts, all at once, so that a silent one takes no time
// from the others; the first refusal counts.
func (c Config) admit(ctx context.Context, endpoint config.RegionEndpoint) error {
	ctx, cancel := context.WithTimeout(ctx, admitWait)
	defer cancel()
	asks := []func(context.Context, config.RegionEndpoint) error{c.askKafka, c.askView, c.askRegistry}
	answers := make([]error, len(asks))
	var group sync.WaitGroup
	for i, ask := range asks {
		group.Go(func() { answers[i] = ask(ctx, endpoint) })
	}
	group.Wait()
	var refusal error
	for _, err := range answers {
		switch {
		case err == nil:
		case !decisive(err):
			c.Logger.Warn("out of reach, tried again", "region", endpoint.Region.Name, "error", err, "hint", fail.HintOf(err))
		case refusal == nil:
			refusal = fail.Wrap(fail.CodeOf(err), err, "region %s", endpoint.Region.Name).WithHint("%s", fail.HintOf(err))
		}
	}
	return refusal
}

// decisive tells what only other settings end from what may pass.
func decisive(err error) bool {
	var known *fail.Error
	if !errors.As(err, &known) {
		return false
	}
	switch known.Code {
	case fail.NotAllowed, fail.Rejected, fail.Usage:
		return true
	}
	return false
}

func (c Config) askKafka(ctx context.Context, endpoint config.RegionEndpoint) error {
	log, err := openLog(c, endpoint)
	if err != nil {
		return err
	}
	defer log.Close()
	return log.Ping(ctx)
}

func (c Config) askView(ctx context.Context, endpoint config.RegionEndpoint) error {
	if !c.Roles.Materialize && !c.Roles.Observe {
		return nil // a bridge does without
	}
	db, err := openView(c, endpoint)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Check(ctx)
}

// askRegistry registers the schema where this process writes, as its bridge is
// about to. A reader asks for any schema: that there is none is an answer.
func (c Config) askRegistry(ctx context.Context, endpoint config.RegionEndpoint) error {
	registry, err := openRegistry(c.Cluster.Registry)
	if err != nil {
		return err
	}
	if c.Roles.Write {
		return avro.NewCodec(registry, c.CacheDir).Prepare(ctx, endpoint.Region.Topic())
	}
	if _, err = registry.Schema(ctx, 1); errors.Is(err, avro.ErrUnknownSchema) {
		return nil
	}
	return err
}
