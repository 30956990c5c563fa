package view

import (
	"errors"
	"fmt"

	"github.com/geokv/geokv/internal/hlc"
)

// The answers of Apply that mean "nothing was written".
var (
	// ErrHold: a rebuild is swapping databases; try again in some milliseconds.
	ErrHold = errors.New("apply: a rebuild is swapping the view, hold")
	// ErrStale: the position is not where the batch starts; reload positions
	// and lanes and seek.
	ErrStale = errors.New("apply: the position moved, reload and seek")
)

// CorruptError says that a partition's batch markers disagree: a batch took
// effect in part or twice. Stop the partition and rebuild the view.
type CorruptError struct {
	Topic     string
	Partition int32
}

// Error names the partition.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("apply: %s/%d is torn: a batch took effect in part or twice, so the partition has to be rebuilt from the log", e.Topic, e.Partition)
}

// RepairKey is a key whose counter cannot be split exactly from what Redis
// remembers.
type RepairKey struct {
	Key   []byte
	Since hlc.Timestamp // every event of the key with a stamp >= Since is needed
}

// RepairError says that a barrier arrived below increments that were already
// folded together. Nothing was written: collect the events of each key from the
// logs (records with timestamp >= Since.Physical below each range's From, and
// those of this batch, same filters), Recount them, and apply the same batch
// with these Installs again.
type RepairError struct{ Keys []RepairKey }

// Error counts the keys.
func (e *RepairError) Error() string {
	return fmt.Sprintf("apply: %d keys need their increments from the log", len(e.Keys))
}

// ScriptError says that Redis broke the script off with an error of its own: a
// command that geokv's user may not run, a key that somebody else gave another
// type. The batch took effect in part or not at all; tried again it fails again
// until the cause is gone.
type ScriptError struct{ Err error }

// Error is the server's message.
func (e *ScriptError) Error() string { return "apply: redis broke the script off: " + e.Err.Error() }

// Unwrap returns the server's error.
func (e *ScriptError) Unwrap() error { return e.Err }

// BlockedError says that Redis refuses writes. Nothing was written; wait and
// try again, never skip.
type BlockedError struct {
	State string // MISCONF, OOM, READONLY, LOADING, BUSY, MASTERDOWN, NOAUTH or NOPERM
	Err   error
}

// Error names the state.
func (e *BlockedError) Error() string { return "apply: redis refuses writes: " + e.Err.Error() }

// Unwrap returns the server's error.
func (e *BlockedError) Unwrap() error { return e.Err }

// UnfitError says why a server that answers may not hold a view: it would lose
// writes that it takes now.
type UnfitError struct{ Why string }

// Error is the reason.
func (e *UnfitError) Error() string { return e.Why }
