package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// operationJSON is the flat form of a request: every operation's parts side by
// side, each op taking those it needs. Raw parts have several accepted forms.
type operationJSON struct {
	Region     string          `json:"region,omitempty"`
	Op         string          `json:"op"`
	Key        Bytes           `json:"key"`
	Value      json.RawMessage `json:"value,omitempty"`
	TTLMS      json.RawMessage `json:"ttl_ms,omitempty"`
	ExpireAtMS json.RawMessage `json:"expire_at_ms,omitempty"`
	Delta      json.RawMessage `json:"delta,omitempty"`
	Member     json.RawMessage `json:"member,omitempty"`
	Members    json.RawMessage `json:"members,omitempty"`
	Score      json.RawMessage `json:"score,omitempty"`
	Field      json.RawMessage `json:"field,omitempty"`
	Fields     json.RawMessage `json:"fields,omitempty"`
	ID         json.RawMessage `json:"id,omitempty"`
	IDs        json.RawMessage `json:"ids,omitempty"`
	MinID      json.RawMessage `json:"minid,omitempty"`
	EventID    *string         `json:"event_id,omitempty"`
}

// part is one argument as it stands in the request; absent and null are alike.
type part struct {
	name string
	raw  json.RawMessage
}

func (p part) given() bool { return len(p.raw) != 0 && string(p.raw) != "null" }

// parts lists the arguments in the order of the contract.
func (j *operationJSON) parts() []part {
	return []part{
		{"value", j.Value}, {"ttl_ms", j.TTLMS}, {"expire_at_ms", j.ExpireAtMS}, {"delta", j.Delta},
		{"member", j.Member}, {"members", j.Members}, {"score", j.Score},
		{"field", j.Field}, {"fields", j.Fields}, {"id", j.ID}, {"ids", j.IDs}, {"minid", j.MinID},
	}
}

// takes says which arguments an operation may have.
var takes = map[Op]string{
	OpSet: "value ttl_ms expire_at_ms", OpDel: "", OpIncr: "delta",
	OpSAdd: "member members", OpSRem: "member members", OpZRem: "member members",
	OpZAdd: "member members score", OpHSet: "field value fields", OpHDel: "field fields",
	OpXAdd: "id fields", OpXDel: "id ids", OpXTrim: "id minid",
}

// UnmarshalJSON reads a request. It is strict about names (an argument that the
// op does not take is refused, since it would be lost silently) and lenient
// about forms: see docs/json.md. Errors about the content, as against the JSON,
// are *RejectError and name the argument. Call Validate for the limits.
func (o *Operation) UnmarshalJSON(data []byte) error {
	var j operationJSON
	if err := UnmarshalStrict(data, &j); err != nil {
		return wordJSON(err)
	}
	if err := checkSurrogates(data); err != nil {
		return err
	}
	if j.EventID != nil && *j.EventID == "" { // as an unset variable leaves it: a repeat would count twice
		return Reject("bad event id", "event_id is empty; leave it out for one that geokv makes")
	}
	op := Op(strings.ToUpper(j.Op))
	allowed, known := takes[op]
	if !known {
		return Reject("unknown operation", "op %q, want one of %s", j.Op, opList())
	}
	for _, p := range j.parts() {
		if p.given() && !containsWord(allowed, p.name) {
			return Reject("unexpected argument", "%s does not take %s", op, p.name)
		}
	}
	r := partReader{op: op, j: &j}
	args, ttl := r.args()
	if r.err != nil {
		return r.err
	}
	*o = Operation{Region: j.Region, Key: j.Key, Args: args, TTLMS: ttl}
	if j.EventID != nil {
		o.EventID = *j.EventID
	}
	return nil
}

// wordJSON says which part has the wrong type, for a reader who does not know Go.
func wordJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return err
	case wrong.Field == "":
		return fmt.Errorf(`want an operation such as {"op":"SET","key":"k","value":"v"}, got %s`, article(wrong.Value))
	}
	return fmt.Errorf("%s: want text, got %s", wrong.Field, article(wrong.Value))
}

// article puts one before the name of a JSON type.
func article(jsonType string) string {
	word, _, _ := strings.Cut(jsonType, " ") // a number comes with its digits
	switch word {
	case "array", "object":
		return "an " + word
	case "bool":
		return "true or false"
	}
	return "a " + word
}

func containsWord(words, w string) bool {
	for word := range strings.FieldsSeq(words) {
		if word == w {
			return true
		}
	}
	return false
}

// MarshalJSON writes one form per operation: plural parts, arrays of pairs, a
// delta as decimal text.
func (o Operation) MarshalJSON() ([]byte, error) {
	j := operationJSON{Region: o.Region, Op: string(o.Op()), Key: o.Key}
	if o.EventID != "" {
		j.EventID = &o.EventID
	}
	var err error
	put := func(to *json.RawMessage, v any) {
		if err == nil {
			*to, err = Marshal(v)
		}
	}
	switch a := o.Args.(type) {
	case Set:
		put(&j.Value, Bytes(a.Value))
		if a.ExpireAtMS != 0 {
			put(&j.ExpireAtMS, a.ExpireAtMS)
		}
		if o.TTLMS != 0 {
			put(&j.TTLMS, o.TTLMS)
		}
	case Del:
	case Incr:
		put(&j.Delta, jsonDelta(a.Delta))
	case SAdd:
		put(&j.Members, toBytes(a.Members))
	case SRem:
		put(&j.Members, toBytes(a.Members))
	case ZRem:
		put(&j.Members, toBytes(a.Members))
	case ZAdd:
		put(&j.Members, ToScoredJSON(a.Members))
	case HSet:
		put(&j.Fields, ToPairJSON(a.Fields))
	case HDel:
		put(&j.Fields, toBytes(a.Fields))
	case XAdd:
		put(&j.Fields, ToPairJSON(a.Fields))
	case XDel:
		ids := make([]string, len(a.IDs))
		for i, id := range a.IDs {
			ids[i] = id.String()
		}
		put(&j.IDs, ids)
	case XTrim:
		put(&j.MinID, a.MinID.String())
	default:
		return nil, fmt.Errorf("operation without a known op: %T", o.Args)
	}
	if err != nil {
		return nil, err
	}
	return Marshal(j)
}
