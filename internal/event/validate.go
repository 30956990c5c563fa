package event

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lane"
)

// Limits of one event. They are part of the contract: every region rejects
// exactly what lies beyond them.
const (
	MaxKeyBytes    = 4096
	MaxValueBytes  = 512 << 10
	MaxElements    = 1000
	MaxRecordBytes = 1_000_000
	MaxIDBytes     = 128
	maxExpiry      = 1 << 48
)

// RejectError says why an event can never be accepted, anywhere. It is a pure
// function of the record, so all regions skip the same events.
type RejectError struct {
	Reason string // stable, lower case, for counters and the quarantine
	Detail string // names the offending value
}

// Error renders reason and detail.
func (e *RejectError) Error() string { return e.Reason + ": " + e.Detail }

// Reject makes a RejectError.
func Reject(reason, format string, args ...any) *RejectError {
	return &RejectError{reason, fmt.Sprintf(format, args...)}
}

// AsReject returns the RejectError in err's chain, nil when there is none.
func AsReject(err error) *RejectError {
	var r *RejectError
	errors.As(err, &r)
	return r
}

// ReservedKey reports whether geokv keeps the name for its own keys in Redis:
// geokv:*, *:meta, *:[szhx]meta, *:seq:<region>, *:~[rszhx] and *:~late. It runs
// for every record, hence without a regular expression.
func ReservedKey(key []byte) bool {
	if bytes.HasPrefix(key, []byte("geokv:")) {
		return true
	}
	_, beside := Owner(key)
	return beside
}

// Owner returns the user key that a name in Redis stands beside: k of k:meta, of
// k:~late, of k:seq:us. No region is named meta or the like (package geo), so a
// name has one owner.
func Owner(name []byte) (key []byte, beside bool) {
	colon := bytes.LastIndexByte(name, ':')
	if colon < 0 {
		return nil, false
	}
	switch last := string(name[colon+1:]); last {
	case "meta", "smeta", "zmeta", "hmeta", "xmeta", "~r", "~s", "~z", "~h", "~x", "~late":
		return name[:colon], true
	default:
		key, beside = bytes.CutSuffix(name[:colon], []byte(":seq"))
		return key, beside && geo.ValidName(last)
	}
}

// Validate checks everything that can be known from the event alone. The error
// is a *RejectError.
func (e Event) Validate() error {
	if err := ValidateKey(e.Key); err != nil {
		return err
	}
	switch {
	case e.Args == nil:
		return Reject("missing argument", "no operation")
	case e.ID == "" || len(e.ID) > MaxIDBytes:
		return Reject("bad event id", "%d bytes, want 1 to %d", len(e.ID), MaxIDBytes)
	case !geo.ValidName(e.Origin):
		return Reject("bad origin", "region name %q", e.Origin)
	case e.HLC.Region >= geo.MaxRegions:
		return Reject("bad origin", "region index %d, want 0 to %d", e.HLC.Region, geo.MaxRegions-1)
	case !e.HLC.Valid() || e.HLC.Physical == 0: // ids of entries begin at 1: nothing goes before them in a stream
		return Reject("bad stamp", "%v", e.HLC)
	case !e.Lane.Valid():
		return Reject("bad lane", "slot %d incarnation %d, want slot 0 to %d and a positive incarnation", e.Lane.Slot, e.Lane.Incarnation, lane.MaxSlot)
	case e.Seq < 1:
		return Reject("bad seq", "%d, want 1 or more", e.Seq)
	}
	return e.Args.validate(IDFromHLC(e.HLC))
}

// ValidateKey checks that a key may be written by users.
func ValidateKey(key []byte) error {
	switch {
	case len(key) == 0:
		return Reject("bad key", "empty")
	case len(key) > MaxKeyBytes:
		return Reject("bad key", "%d bytes, at most %d", len(key), MaxKeyBytes)
	case ReservedKey(key):
		return Reject("reserved key", "%q is kept for geokv's own bookkeeping", key)
	}
	return nil
}

func (a Set) validate(StreamID) error {
	if a.ExpireAtMS < 0 || a.ExpireAtMS >= maxExpiry {
		return Reject("bad expiry", "expire_at_ms %d, want 1 to 2^48-1", a.ExpireAtMS)
	}
	return checkValue("value", a.Value)
}

func (Del) validate(StreamID) error  { return nil }
func (Incr) validate(StreamID) error { return nil }

func (a SAdd) validate(StreamID) error { return checkMembers("members", a.Members) }
func (a SRem) validate(StreamID) error { return checkMembers("members", a.Members) }
func (a ZRem) validate(StreamID) error { return checkMembers("members", a.Members) }
func (a HDel) validate(StreamID) error { return checkMembers("fields", a.Fields) }

func (a ZAdd) validate(StreamID) error {
	if err := checkCount("members", len(a.Members)); err != nil {
		return err
	}
	for _, m := range a.Members {
		if math.IsNaN(m.Score) {
			return Reject("bad score", "NaN for member %.60q", m.Member)
		}
		if err := checkValue("member", m.Member); err != nil {
			return err
		}
	}
	return nil
}

func (a HSet) validate(StreamID) error { return checkFields(a.Fields) }
func (a XAdd) validate(StreamID) error { return checkFields(a.Fields) }

func (a XDel) validate(own StreamID) error {
	if err := checkCount("ids", len(a.IDs)); err != nil {
		return err
	}
	for _, id := range a.IDs {
		if id.Compare(own) >= 0 {
			return Reject("stream id from the future", "%s is not below the event's own id %s", id, own)
		}
	}
	return nil
}

func (XTrim) validate(StreamID) error { return nil }

func checkCount(what string, n int) error {
	if n == 0 || n > MaxElements {
		return Reject("bad element count", "%d %s, want 1 to %d", n, what, MaxElements)
	}
	return nil
}

func checkValue(what string, b []byte) error {
	if len(b) > MaxValueBytes {
		return Reject("value too large", "%s of %d bytes, at most %d", what, len(b), MaxValueBytes)
	}
	return nil
}

func checkMembers(what string, members [][]byte) error {
	if err := checkCount(what, len(members)); err != nil {
		return err
	}
	for _, m := range members {
		if err := checkValue(what, m); err != nil {
			return err
		}
	}
	return nil
}

func checkFields(fields []FieldValue) error {
	if err := checkCount("fields", len(fields)); err != nil {
		return err
	}
	for _, f := range fields {
		if err := checkValue("field", f.Field); err != nil {
			return err
		}
		if err := checkValue("value", f.Value); err != nil {
			return err
		}
	}
	return nil
}
