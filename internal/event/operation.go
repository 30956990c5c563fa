package event

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Operation is a request to write: what a client asks for before the bridge
// gives it a stamp, a lane and a place in the log. Its JSON is the input of
// POST /api/produce and of `geokv produce -`.
type Operation struct {
	Region  string // where to write; "" lets the receiver choose
	Key     []byte
	Args    Args   // says which operation it is; Set.ExpireAtMS may be given, or TTLMS
	TTLMS   int64  // SET only: life time in milliseconds, 0 for none
	EventID string // the client's idempotency key; "" for none
}

// Op returns the operation, "" when there is none.
func (o Operation) Op() Op {
	if o.Args == nil {
		return ""
	}
	return o.Args.Op()
}

// Validate checks everything that can be known before there is a stamp. The
// error is a *RejectError that names the argument.
func (o Operation) Validate() error {
	if err := o.checkShape(); err != nil {
		return err
	}
	return o.Args.validate(StreamID{math.MaxUint64, math.MaxUint64})
}

// ArgsAt returns the arguments as they go into the log for an event stamped at
// physicalMS: a life time becomes an absolute expiry, fixed here once and for
// all, so that a replay does not start it again. The result is validated but
// for XDEL's rule about ids from the future, which needs the whole stamp:
// Event.Validate has it. The error is a *RejectError.
func (o Operation) ArgsAt(physicalMS int64) (Args, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if z, ok := o.Args.(ZAdd); ok {
		return z.withoutMinusZero(), nil
	}
	set, ok := o.Args.(Set)
	if !ok || o.TTLMS == 0 {
		return o.Args, nil
	}
	if o.TTLMS >= maxExpiry-physicalMS {
		return nil, Reject("bad expiry", "ttl_ms %d ends after the year 10889", o.TTLMS)
	}
	set.ExpireAtMS = physicalMS + o.TTLMS
	return set, nil
}

// withoutMinusZero makes equal scores equal bytes: -0 becomes 0.
func (a ZAdd) withoutMinusZero() ZAdd {
	members := make([]ScoredMember, len(a.Members))
	for i, m := range a.Members {
		members[i] = ScoredMember{m.Member, m.Score + 0}
	}
	return ZAdd{members}
}

func (o Operation) checkShape() error {
	if o.Args == nil {
		return Reject("missing argument", "op: want one of %s", opList())
	}
	if err := ValidateKey(o.Key); err != nil {
		return err
	}
	set, isSet := o.Args.(Set)
	switch {
	case o.TTLMS < 0 || o.TTLMS >= maxExpiry:
		return Reject("bad expiry", "ttl_ms %d, want 1 to 2^48-1", o.TTLMS)
	case o.TTLMS != 0 && !isSet:
		return Reject("unexpected argument", "%s does not take ttl_ms", o.Op())
	case o.TTLMS != 0 && set.ExpireAtMS != 0:
		return Reject("unexpected argument", "give ttl_ms or expire_at_ms, not both")
	}
	return checkEventID(o.EventID)
}

// checkEventID refuses ids that could not stand in a log line, a Redis key and
// an Avro string alike.
func checkEventID(id string) error {
	switch {
	case len(id) > MaxIDBytes:
		return Reject("bad event id", "event_id of %d bytes, at most %d", len(id), MaxIDBytes)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return Reject("bad event id", "event_id %q, want printable UTF-8", id)
	}
	return nil
}

func opList() string {
	names := make([]string, 0, 12)
	for _, op := range Ops() {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}
