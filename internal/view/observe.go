package view

import (
	"context"
	"encoding/json"
	"fmt"

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

// outcomeLetters are the outcomes as they stand in messages.
const outcomeLetters = "asdru"

func letterOutcomes() []event.Outcome {
	return []event.Outcome{event.Applied, event.Superseded, event.Duplicate, event.Rejected, event.Unknown}
}

// MarshalJSON writes [offset, letter].
func (o AppliedOutcome) MarshalJSON() ([]byte, error) {
	for i, known := range letterOutcomes() {
		if known == o.Outcome {
			return fmt.Appendf(nil, `[%d,"%c"]`, o.Offset, outcomeLetters[i]), nil
		}
	}
	return nil, fmt.Errorf("outcome %q", o.Outcome)
}

// UnmarshalJSON reads [offset, letter]; a letter of the future reads as Unknown.
func (o *AppliedOutcome) UnmarshalJSON(data []byte) error {
	var pair [2]json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	var letter string
	if err := json.Unmarshal(pair[1], &letter); err != nil {
		return err
	}
	o.Outcome = event.Unknown
	for i, known := range letterOutcomes() {
		if letter == outcomeLetters[i:i+1] {
			o.Outcome = known
		}
	}
	return json.Unmarshal(pair[0], &o.Offset)
}

// Publish sends one message to the region's observers.
func (db *DB) Publish(ctx context.Context, m Applied) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", ObsChannel, err)
	}
	if err := db.clients.read.Publish(ctx, ObsChannel, text).Err(); err != nil {
		return fmt.Errorf("publish to %s: %w", ObsChannel, err)
	}
	return nil
}

// Subscribe returns the messages published from now on; the channel is closed
// when ctx ends. It reconnects by itself; messages in between are lost. Foreign
// messages are skipped.
func (db *DB) Subscribe(ctx context.Context) (<-chan Applied, error) {
	sub := db.clients.read.Subscribe(ctx, ObsChannel)
	if _, err := sub.Receive(ctx); err != nil {
		sub.Close()
		return nil, fmt.Errorf("subscribe to %s: %w", ObsChannel, err)
	}
	out := make(chan Applied, 64)
	go func() {
		defer close(out)
		defer sub.Close()
		messages := sub.Channel()
		for {
			select {
			case <-ctx.Done():
				return
			case msg, open := <-messages:
				if !open {
					return
				}
				var m Applied
				if json.Unmarshal([]byte(msg.Payload), &m) != nil {
					continue
				}
				select {
				case out <- m:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}
