package cli

import (
	"context"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// backend is a cluster as commands use it: a running server reached through its
// API, or parts this process puts on the endpoints of a configuration.
type backend interface {
	Regions() []string // in index order

	Produce(ctx context.Context, op event.Operation) (event.Receipt, error)
	Plan(ctx context.Context, op event.Operation) (api.Plan, error)
	Await(ctx context.Context, receipt event.Receipt, regions []string) (api.Awaited, error)

	Key(ctx context.Context, q api.KeyQuery) (api.KeyPage, error)
	Keys(ctx context.Context, q api.KeysQuery) (api.KeyList, error)
	Status(ctx context.Context) (api.Report, error)

	// Log reads the logs as they are now, in the order of the stamps.
	Log(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) error
	// Follow reports observations from now on until ctx ends; ready is called once
	// nothing that happens later can be missed without being counted.
	Follow(ctx context.Context, ready func(), hear hearing) error

	Close(ctx context.Context) error
}

// hearing takes observations, and how many were lost since it was called last.
// It must not wait: that loses more.
type hearing func(heard []api.Observation, lost uint64)
