package view

import (
	"context"

	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Position is how far one topic's partition has been applied: the next offset
// and, per lane, the sequence numbers taken. Offset is 0 and everything else
// empty when nothing was ever applied.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64                // next offset to apply
	Marks     [2]int64             // b and n: batches begun and batches finished; unequal after a torn replay
	HLC       hlc.Timestamp        // greatest stamp applied; Region is the stamping region's index
	Lanes     map[lane.ID]lane.Set // all lanes, or those asked for; a lane never seen is absent
}

// Torn reports that a batch was applied in part or twice: the view can only be rebuilt.
func (p Position) Torn() bool { return p.Marks[0] != p.Marks[1] }

// Positions returns the full positions of a topic's partitions, in the order
// asked for, with every lane. For status and audits; the apply path uses Position.
func (db *DB) Positions(ctx context.Context, topic string, partitions ...int32) ([]Position, error) {
	return db.positions(ctx, topic, partitions)
}

// Position returns one partition's position with the given lanes only.
func (db *DB) Position(ctx context.Context, topic string, partition int32, lanes ...lane.ID) (Position, error) {
	return db.position(ctx, topic, partition, lanes)
}

// AcceptHole marks sequence numbers of a lane as taken although they were never
// seen, so that an understood hole stops being reported.
func (db *DB) AcceptHole(ctx context.Context, topic string, partition int32, id lane.ID, seqs lane.Set) error {
	return db.acceptHole(ctx, topic, partition, id, seqs)
}
