package view

import (
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Limits of one batch after folding, and of the log bytes folded into it.
const (
	MaxBatchOps   = 256
	MaxBatchBytes = 1 << 20
	MaxFoldBytes  = 16 << 20
)

// Range is a batch's claim on one topic's partition: the records From <= offset
// < To. Lanes holds the complete new interval sets of the lanes that changed.
// Apply refuses the batch unless the stored position is From.
type Range struct {
	Topic     string
	Partition int32
	From, To  int64
	Lanes     map[lane.ID]lane.Set
	HLC       hlc.Timestamp // greatest stamp seen, zero when none; stored as a maximum
	Epoch     int32         // leader epoch of the record before To; -1 when not known
}

// Batch is what one call of Apply writes atomically: the events of one
// partition, of one range per origin topic.
//
// Add folds per key as far as the merge rules allow: what a later SET or DEL of
// the batch kills and elements that a newer event of the batch overwrites are
// not sent, and increments are summed.
type Batch struct {
	Ranges   []Range
	Installs []Install

	now     int64
	logical bool
	noFold  bool
	content
}

// NewBatch starts a batch. now is the wall clock in milliseconds and decides
// which expiries lie in the past; logical stores no native TTLs, for reads with
// a given now.
func NewBatch(now int64, logical bool) *Batch {
	return &Batch{now: now, logical: logical, content: content{byKey: map[string]*group{}}}
}

// DisableFolding makes the batch send every increment by itself and whatever
// its own barriers kill. Same view, more work; for tests of just that.
func (b *Batch) DisableFolding() { b.noFold = true }

// Events returns how many events were added.
func (b *Batch) Events() int { return len(b.events) }

// Len returns the number of ops after folding.
func (b *Batch) Len() int { return b.nops }

// Bytes returns the size in bytes after folding, approximately.
func (b *Batch) Bytes() int { return b.nbytes }

// Full reports that a limit is reached: apply before adding more.
func (b *Batch) Full() bool {
	return b.Len() >= MaxBatchOps || b.Bytes() >= MaxBatchBytes || b.rawBytes >= MaxFoldBytes
}

// Install is the exact counter part of one key, computed from the log, which
// answers a RepairError.
type Install struct{ install }
