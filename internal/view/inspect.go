package view

import (
	"context"
	"fmt"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
)

// Inspection is a key as of one instant: its value, what the sidecars know of
// it, and how far the logs that write to it were applied then.
type Inspection struct {
	Page
	Facts   api.Facts
	Offsets []int64 // next offset of the key's partition, per topic asked for
}

// Inspect reads a page of a key with its facts and the positions of its
// partition in the topics, all in one step.
func (db *DB) Inspect(ctx context.Context, key []byte, o ReadOptions, topics ...string) (Inspection, error) {
	names := []string{string(key)}
	for _, topic := range topics {
		names = append(names, posKey(topic, geo.PartitionOf(key)))
	}
	reply, err := run(ctx, db.clients.read, db.scripts.inspect, names, o.args()...)
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect key %q: %w", key, err)
	}
	found, err := parseInspection(key, reply, o)
	if err != nil {
		err = fmt.Errorf("inspect key %q: %w", key, err)
	}
	return found, err
}

// parseInspection reads the script's reply (lua/inspect.lua).
func parseInspection(key []byte, reply any, o ReadOptions) (found Inspection, err error) {
	list, ok := reply.([]any)
	if !ok || len(list) != 3 {
		return found, fmt.Errorf("unexpected reply %v", reply)
	}
	if found.Page, err = parseRead(key, list[0], o); err != nil {
		return found, err
	}
	if found.Facts, err = parseFacts(list[1]); err != nil {
		return found, err
	}
	offsets, _ := list[2].([]any)
	for _, v := range offsets {
		offset, err := parseOffset(string(text(v)))
		if err != nil {
			return found, err
		}
		found.Offsets = append(found.Offsets, offset)
	}
	return found, nil
}
