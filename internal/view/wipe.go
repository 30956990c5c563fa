package view

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// WipePartition removes everything that this view holds of one partition of all
// topics, because a crash tore it: values, sidecars, work left over and at the
// very end, in one step, the positions. Until then the partition stays torn,
// also when the process or the server dies in between; calling it again goes on.
// No step runs long (lua/wipe.lua).
//
// Afterwards the partition stands at offset 0 and is to be filled from the log;
// the caller makes sure beforehand that the log still begins there. ErrStale
// means that the partition is whole, or that another process wipes it: read the
// positions again.
func (db *DB) WipePartition(ctx context.Context, partition int32, topics ...string) error {
	w := wipe{db: db, partition: partition, token: strconv.FormatInt(-1-rand.Int64N(1<<52), 10)}
	for _, topic := range topics {
		w.positions = append(w.positions, posKey(topic, partition))
	}
	err := w.step(ctx, "tear", dirtyKey(partition))
	if err == nil {
		err = db.walk(ctx, "*", func(names []string) (bool, error) { return true, w.drop(ctx, names) })
	}
	if err == nil {
		err = w.step(ctx, "end")
	}
	if err != nil {
		return fmt.Errorf("wipe partition %d: %w", partition, refusal(err))
	}
	return nil
}

type wipe struct {
	db        *DB
	partition int32
	positions []string
	token     string // says in the positions who is at work
}

func (w *wipe) step(ctx context.Context, step string, names ...string) error {
	done, err := run(ctx, w.db.clients.apply, w.db.scripts.wipe, slices.Concat(w.positions, names), step, w.token, len(w.positions))
	if err == nil && done == int64(0) {
		return ErrStale
	}
	return err
}

// drop removes, of the names found by a scan, what belongs to the partition. A
// user key goes with its meta hash, which tells it from a foreign key.
func (w *wipe) drop(ctx context.Context, names []string) error {
	var gone []string
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, dirtyKey(w.partition)+":"):
			gone = append(gone, name)
		case strings.HasPrefix(name, "geokv:"), !event.ReservedKey([]byte(name)):
		case geo.PartitionOf([]byte(ownerOf(name))) != w.partition:
		case strings.HasSuffix(name, metaSuffix):
			gone = append(gone, ownerOf(name), name)
		default:
			gone = append(gone, name)
		}
	}
	for chunk := range slices.Chunk(gone, 500) {
		if err := w.step(ctx, "drop", chunk...); err != nil {
			return err
		}
	}
	return nil
}
