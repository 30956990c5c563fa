package view

import (
	"context"

	"github.com/geokv/geokv/internal/event"
)

// ObsChannel is the channel on which workers tell what they applied.
const ObsChannel = "geokv:obs"

// Applied is the message on ObsChannel: one batch of one partition. Best
// effort: who missed one derives "applied, outcome unknown" from the position.
type Applied struct {
	Region    string           `json:"region"` // where it was applied
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	AtMS      int64            `json:"at_ms"` // wall clock of the worker
	Events    []AppliedOutcome `json:"events"`
}

// AppliedOutcome is one record's fate; in JSON [offset, "a|s|d|r"].
type AppliedOutcome struct {
	Offset  int64
	Outcome event.Outcome
}

// Publish sends one message to the region's observers.
func (db *DB) Publish(ctx context.Context, m Applied) error { return db.publish(ctx, m) }

// Subscribe returns the messages published from now on; the channel is closed
// when ctx ends. It reconnects by itself; messages in between are lost. Foreign
// messages are skipped.
func (db *DB) Subscribe(ctx context.Context) (<-chan Applied, error) { return db.subscribe(ctx) }
