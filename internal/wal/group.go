package wal

import (
	"context"
	"errors"
	"time"
)

// GroupConfig says how to share topics between several readers.
type GroupConfig struct {
	Group  string
	Topics []string // co-partitioned: one member owns the same index of all topics

	// Start supplies the next offset wanted for partitions just assigned; a
	// partition missing from the answer begins at the first record that exists.
	// It is also called after every reconnect to the group. It should wait and
	// retry by itself; an error ends the session, and the reader joins again.
	Start func(ctx context.Context, assigned []Partition) (map[Partition]int64, error)

	// OnAssigned is called before the first record of the partitions, after
	// Start. OnRevoked is called when they are gone, after Release or the next
	// Poll, and before another member gets them, except when the session was lost
	// (then lost is true and another member may already own them). Both may be nil
	// and must return quickly.
	OnAssigned func(assigned []Partition)
	OnRevoked  func(revoked []Partition, lost bool)

	// Instance is a static member id that survives restarts: a process that was
	// killed takes its partitions back at once. Empty for a dynamic member.
	Instance string

	SessionTimeout time.Duration // default 6 s, the least a broker allows by default
}

// Join reads topics as a member of a group, with range balancing. It returns
// at once; joining happens behind the first Poll.
func (l *Log) Join(ctx context.Context, cfg GroupConfig) (*Reader, error) {
	return nil, errors.ErrUnsupported
}

// Commit stores positions (next offsets) in Kafka so that lag tools show them.
// Nothing in geokv reads them. Only for group readers.
func (r *Reader) Commit(ctx context.Context, offsets map[Partition]int64) error {
	return errors.ErrUnsupported
}
