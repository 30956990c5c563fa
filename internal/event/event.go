// Package event is the vocabulary of the log: one Event per write, its twelve
// operations, what makes one acceptable, and its canonical JSON.
//
// An event is immutable and self-contained. Whether it is accepted is a pure
// function of its own content (Validate), so that every region decides alike.
package event

import (
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// FormatVersion is the event format this binary writes, and the highest
// MinVersion it understands.
const FormatVersion = 1

// Event is one write as it stands in the log of its origin region.
type Event struct {
	Version    int // format the writer used
	MinVersion int // lowest materializer version that understands it
	ID         string
	Origin     string // origin region; equals the topic's
	HLC        hlc.Timestamp
	Lane       lane.ID
	Seq        int64 // 1, 2, 3, ... per (lane, partition)
	Key        []byte
	Args       Args // says which operation it is
}

// Op returns the operation.
func (e Event) Op() Op { return e.Args.Op() }

// Op names an operation as it stands in the log.
type Op string

// The operations. The set grows only together with MinVersion.
const (
	OpSet   Op = "SET"
	OpDel   Op = "DEL"
	OpIncr  Op = "INCR"
	OpSAdd  Op = "SADD"
	OpSRem  Op = "SREM"
	OpZAdd  Op = "ZADD"
	OpZRem  Op = "ZREM"
	OpHSet  Op = "HSET"
	OpHDel  Op = "HDEL"
	OpXAdd  Op = "XADD"
	OpXDel  Op = "XDEL"
	OpXTrim Op = "XTRIM"
)

// Ops lists every operation in the order of the documentation.
func Ops() []Op {
	return []Op{OpSet, OpDel, OpIncr, OpSAdd, OpSRem, OpZAdd, OpZRem, OpHSet, OpHDel, OpXAdd, OpXDel, OpXTrim}
}

// Args are the arguments of one operation; the concrete type is the operation.
type Args interface {
	Op() Op
	validate(own StreamID) error
}

// The operations' arguments. Values, members and fields are bytes.
type (
	// Set writes a string. ExpireAtMS is absolute, 0 means no expiry.
	Set struct {
		Value      []byte
		ExpireAtMS int64
	}
	// Del removes the key, whatever its type.
	Del struct{}
	// Incr adds Delta to the key's counter.
	Incr struct{ Delta int64 }
	// SAdd adds members to a set.
	SAdd struct{ Members [][]byte }
	// SRem removes members from a set.
	SRem struct{ Members [][]byte }
	// ZAdd adds members to a sorted set or changes their scores.
	ZAdd struct{ Members []ScoredMember }
	// ZRem removes members from a sorted set.
	ZRem struct{ Members [][]byte }
	// HSet sets fields of a hash.
	HSet struct{ Fields []FieldValue }
	// HDel removes fields from a hash.
	HDel struct{ Fields [][]byte }
	// XAdd appends an entry to a stream; its id derives from the event's HLC.
	XAdd struct{ Fields []FieldValue }
	// XDel removes entries from a stream.
	XDel struct{ IDs []StreamID }
	// XTrim removes every entry below MinID, now and for entries that arrive later.
	XTrim struct{ MinID StreamID }
)

// ScoredMember is a sorted-set member. Score is never NaN and never -0.
type ScoredMember struct {
	Member []byte
	Score  float64
}

// FieldValue is a hash field or one name and value of a stream entry.
type FieldValue struct{ Field, Value []byte }

func (Set) Op() Op   { return OpSet }
func (Del) Op() Op   { return OpDel }
func (Incr) Op() Op  { return OpIncr }
func (SAdd) Op() Op  { return OpSAdd }
func (SRem) Op() Op  { return OpSRem }
func (ZAdd) Op() Op  { return OpZAdd }
func (ZRem) Op() Op  { return OpZRem }
func (HSet) Op() Op  { return OpHSet }
func (HDel) Op() Op  { return OpHDel }
func (XAdd) Op() Op  { return OpXAdd }
func (XDel) Op() Op  { return OpXDel }
func (XTrim) Op() Op { return OpXTrim }
