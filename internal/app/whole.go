package app

import (
	"context"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// progress tells how far the region's view is rebuilt. A process that does not
// run the region's materializer takes the view for whole.
func (r *region) progress() (percent float64, whole bool) {
	if r.materializer == nil {
		return 100, true
	}
	return r.materializer.Progress()
}

// whole returns an error while the view would show half-built values.
func (r *region) whole() error {
	percent, whole := r.progress()
	if whole {
		return nil
	}
	return fail.New(fail.Rebuilding, "read region %s: its view is being rebuilt from the log, %.0f %% done", r.Name, percent).
		WithHint("try again in a moment, or watch geokv status --watch")
}

// stood makes sure that the view had not gone back when a read of it ended.
func (r *region) stood(ctx context.Context) error {
	if r.materializer == nil {
		return nil
	}
	if err := r.materializer.Look(ctx); err != nil {
		return err
	}
	return r.whole()
}

// inspection reads one key of a region with its facts, and makes sure that the
// view had not gone back when it was read: a view that is flushed under a reader
// is noticed by the reader, and not only when the materializer looks next.
type inspection struct {
	region *region
	topics []string
	view.Inspection
}

func (a *App) inspect(r *region) *inspection {
	return &inspection{region: r, topics: a.cfg.Cluster.Topology.Topics()}
}

// ReadPage reads the page and keeps what was found with it.
func (i *inspection) ReadPage(ctx context.Context, key []byte, o view.ReadOptions) (view.Page, error) {
	held := i.held(key)
	found, err := i.region.db.Inspect(ctx, key, o, i.topics...)
	if err != nil {
		return view.Page{}, err
	}
	for n, offset := range found.Offsets {
		if offset < held[n] {
			i.region.materializer.WentBack()
		}
	}
	i.Inspection = found
	return found.Page, i.region.whole()
}

// held returns the offsets that the view is known to hold of the key's partition.
func (i *inspection) held(key []byte) []int64 {
	held := make([]int64, len(i.topics))
	if i.region.materializer == nil {
		return held
	}
	for n, topic := range i.topics {
		held[n] = i.region.materializer.Holds(wal.Partition{Topic: topic, Index: geo.PartitionOf(key)})
	}
	return held
}
