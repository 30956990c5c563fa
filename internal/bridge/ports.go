package bridge

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

// Log is the region's Kafka; *wal.Log is one.
type Log interface {
	// Append takes a record in call order per partition, or returns an error
	// and takes nothing: wal.ErrFull, wal.ErrClosed. done is called once, on
	// another goroutine, and does not block; its error Is wal.ErrLost when the
	// record is certainly not in the log, otherwise the fate is unknown.
	Append(r event.Record, done func(offset int64, err error)) error

	// MaxTimestamps returns the greatest record timestamp (ms) per partition.
	MaxTimestamps(ctx context.Context, topic string) (map[wal.Partition]int64, error)

	// OffsetsAt, Ends and Scan find an earlier append of a repeated event id.
	OffsetsAt(ctx context.Context, ms int64, topics ...string) (map[wal.Partition]int64, error)
	Ends(ctx context.Context, topics ...string) (map[wal.Partition]int64, error)
	Scan(ctx context.Context, from, to map[wal.Partition]int64, fn func(event.Record) error) error
}

// Codec turns events into record values; *avro.Codec is one. Encode never
// waits for the network.
type Codec interface {
	Prepare(ctx context.Context, topics ...string) error
	Encode(topic string, e event.Event) ([]byte, error)
	Decode(ctx context.Context, r event.Record) (event.Event, error)
}

// Guard tells the visible type and the newest stamp of a key. An error means
// that the view cannot be read, never that the key may not be written.
type Guard interface {
	Newest(ctx context.Context, key []byte) (view.KeyHead, error)
}

// Positions tells the greatest stamp that was applied per partition, of all the
// partitions asked for in one round trip.
type Positions interface {
	Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error)
}

// Leases is the region's table of slot leases and event-id reservations, with
// the clock of the server that keeps it. An error is a physical failure: the
// call may or may not have taken effect.
type Leases interface {
	AcquireSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error)
	RenewSlot(ctx context.Context, slot uint16, holder string, ttl time.Duration) (bool, error)
	ReleaseSlot(ctx context.Context, slot uint16, holder string) error
	SlotHolder(ctx context.Context, slot uint16) (string, error) // "" when free

	// TableAge tells for how long the table has surely kept whatever was
	// written to it before the call; upTo stands for that long or longer.
	TableAge(ctx context.Context, upTo time.Duration) (time.Duration, error)

	// ReserveID takes an id that is free, or returns what stands there.
	ReserveID(ctx context.Context, id string, reservation []byte, ttl time.Duration) (existing []byte, reserved bool, err error)
	// StoreReceipt replaces the reservation; false when another value stands there.
	StoreReceipt(ctx context.Context, id string, reservation, receipt []byte, ttl time.Duration) (bool, error)
	// ReleaseID frees the id if the reservation still stands there.
	ReleaseID(ctx context.Context, id string, reservation []byte) error

	// Time returns the server's clock and the round trip of asking.
	Time(ctx context.Context) (time.Time, time.Duration, error)
}
