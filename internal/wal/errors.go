package wal

import (
	"errors"
	"fmt"
)

// The outcomes of an append that did not become durable. Test with errors.Is.
var (
	// ErrFull is returned by Append itself: the client's buffer is full and
	// nothing was taken. The caller may give its sequence number back.
	ErrFull = errors.New("append buffer is full")

	// ErrLost reaches the done function: the record is certainly not in the log
	// and never will be, so its sequence number is a hole and its lane must close.
	ErrLost = errors.New("record is not in the log")

	// ErrUnknown reaches the done function: the client gave the record up after
	// it may have been sent. It may be in the log. Its lane must close as well.
	ErrUnknown = errors.New("fate of the record is unknown")

	// ErrClosed is returned by every call on a closed Log or Reader.
	ErrClosed = errors.New("log is closed")
)

// Partition names one partition of one topic.
type Partition struct {
	Topic string
	Index int32
}

// String renders the partition as topic/index.
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Index) }

// LossKind says how a log lost what a reader stood on.
type LossKind string

// The kinds of loss.
const (
	OutOfRange LossKind = "out of range" // the position is below the log's start or above its end
	Truncated  LossKind = "truncated"    // the log was cut back below the position: records that were read are gone
	Recreated  LossKind = "re-created"   // the topic was deleted and made again: offsets mean something else
	Deleted    LossKind = "deleted"      // the topic no longer exists
	Unreadable LossKind = "unreadable"   // a batch is damaged, or decompresses beyond 16 MiB
)

// DataLossError stops one partition of a reader: the log no longer continues
// where the reader stands. Other partitions of the reader go on. Nothing more
// is delivered from the partition until Seek.
type DataLossError struct {
	Partition Partition // Index is -1 when the whole topic is meant
	Kind      LossKind
	Position  int64 // the offset the reader wanted next; -1 when not known
	Err       error // what the broker or the client said; may be nil
}

// Error names the partition, the position and the kind of loss.
func (e *DataLossError) Error() string {
	place := e.Partition.String()
	if e.Partition.Index < 0 {
		place = e.Partition.Topic
	}
	if e.Position >= 0 {
		place += fmt.Sprintf(" at offset %d", e.Position)
	}
	s := fmt.Sprintf("continue %s: log %s", place, e.Kind)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns what the broker or the client said.
func (e *DataLossError) Unwrap() error { return e.Err }
