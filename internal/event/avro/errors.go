package avro

import "errors"

// The reasons of a BlockError; stable, for alarms and counters.
const (
	BlockRegistry = "registry unavailable" // the schema id is not cached and the registry does not answer
	BlockSchema   = "schema id unknown"    // the registry does not know the schema id
	BlockForeign  = "foreign schema"       // the schema under the id is not one this version reads as an event
	BlockVersion  = "newer format"         // min_ver is above event.FormatVersion
	BlockOp       = "unknown operation"    // op, or its payload's shape, is from a newer version
)

// BlockError says that a record cannot be judged here and now. The partition
// waits and tries again; it never skips.
type BlockError struct {
	Reason string // one of the Block constants
	Err    error  // the detail
}

// Error renders reason and detail.
func (e *BlockError) Error() string { return e.Reason + ": " + e.Err.Error() }

// Unwrap returns the detail.
func (e *BlockError) Unwrap() error { return e.Err }

// AsBlock returns the BlockError in err's chain, nil when there is none.
func AsBlock(err error) *BlockError {
	var b *BlockError
	errors.As(err, &b)
	return b
}
