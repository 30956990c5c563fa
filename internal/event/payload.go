package event

import (
	"encoding/json"
	"fmt"
)

// UnknownOpError says that an event's operation is not one this binary knows:
// it comes from a newer writer, so a reader must wait for an upgrade, not skip.
type UnknownOpError struct{ Op Op }

// Error names the operation.
func (e *UnknownOpError) Error() string {
	return fmt.Sprintf("operation %q is unknown to this version", string(e.Op))
}

// The JSON shapes of payloads; several operations share one.
type (
	setJSON struct {
		Value      Bytes  `json:"value"`
		ExpireAtMS *int64 `json:"expire_at_ms,omitempty"`
	}
	incrJSON struct {
		Delta jsonDelta `json:"delta"`
	}
	membersJSON struct {
		Members []Bytes `json:"members"`
	}
	scoredJSON struct {
		Members []ScoredJSON `json:"members"`
	}
	hsetJSON struct {
		Fields []FieldJSON `json:"fields"`
	}
	hdelJSON struct {
		Fields []Bytes `json:"fields"`
	}
	xaddJSON struct {
		Fields []PairJSON `json:"fields"`
	}
	xdelJSON struct {
		IDs []string `json:"ids"`
	}
	xtrimJSON struct {
		MinID string `json:"minid"`
	}
)

// ScoredJSON is a sorted-set member in JSON.
type ScoredJSON struct {
	Member Bytes `json:"member"`
	Score  Score `json:"score"`
}

// UnmarshalJSON reads the object; both parts must be there.
func (m *ScoredJSON) UnmarshalJSON(data []byte) error {
	var j struct {
		Member *Bytes `json:"member"`
		Score  *Score `json:"score"`
	}
	if err := UnmarshalStrict(data, &j); err != nil {
		return err
	}
	if j.Member == nil || j.Score == nil {
		return Reject("missing argument", `want {"member","score"}, got %.40s`, data)
	}
	*m = ScoredJSON{*j.Member, *j.Score}
	return nil
}

// FieldJSON is a hash field in JSON.
type FieldJSON struct {
	Field Bytes `json:"field"`
	Value Bytes `json:"value"`
}

// UnmarshalJSON reads the object; both parts must be there.
func (f *FieldJSON) UnmarshalJSON(data []byte) error {
	var j struct {
		Field *Bytes `json:"field"`
		Value *Bytes `json:"value"`
	}
	if err := UnmarshalStrict(data, &j); err != nil {
		return err
	}
	if j.Field == nil || j.Value == nil {
		return Reject("missing argument", `want {"field","value"}, got %.40s`, data)
	}
	*f = FieldJSON{*j.Field, *j.Value}
	return nil
}

// PairJSON is a name and value of a stream entry in JSON: ["name","value"].
type PairJSON FieldValue

// MarshalJSON writes the pair.
func (p PairJSON) MarshalJSON() ([]byte, error) {
	return Marshal([2]Bytes{p.Field, p.Value})
}

// UnmarshalJSON reads the pair.
func (p *PairJSON) UnmarshalJSON(data []byte) error {
	var pair []Bytes
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return Reject("odd fields", `want ["name","value"], got %d strings`, len(pair))
	}
	p.Field, p.Value = pair[0], pair[1]
	return nil
}

// jsonDelta is an increment in JSON: written as a decimal string, which
// survives readers that hold numbers as doubles; read as either.
type jsonDelta int64

func (d jsonDelta) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%d"`, int64(d)), nil }

func (d *jsonDelta) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(text) >= 2 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	n, err := ParseDelta(text)
	*d = jsonDelta(n)
	return err
}

func marshalArgs(args Args) (json.RawMessage, error) {
	switch a := args.(type) {
	case Set:
		j := setJSON{Value: a.Value}
		if a.ExpireAtMS != 0 {
			j.ExpireAtMS = &a.ExpireAtMS
		}
		return Marshal(j)
	case Del:
		return json.RawMessage("null"), nil
	case Incr:
		return Marshal(incrJSON{jsonDelta(a.Delta)})
	case SAdd:
		return Marshal(membersJSON{toBytes(a.Members)})
	case SRem:
		return Marshal(membersJSON{toBytes(a.Members)})
	case ZAdd:
		return Marshal(scoredJSON{ToScoredJSON(a.Members)})
	case ZRem:
		return Marshal(membersJSON{toBytes(a.Members)})
	case HSet:
		return Marshal(hsetJSON{ToFieldJSON(a.Fields)})
	case HDel:
		return Marshal(hdelJSON{toBytes(a.Fields)})
	case XAdd:
		return Marshal(xaddJSON{ToPairJSON(a.Fields)})
	case XDel:
		ids := make([]string, len(a.IDs))
		for i, id := range a.IDs {
			ids[i] = id.String()
		}
		return Marshal(xdelJSON{ids})
	case XTrim:
		return Marshal(xtrimJSON{a.MinID.String()})
	}
	return nil, fmt.Errorf("event without a known operation: %T", args)
}

func unmarshalArgs(op Op, data json.RawMessage) (Args, error) {
	switch op {
	case OpSet:
		var j setJSON
		err := decodePayload(op, data, &j)
		if err == nil && j.Value == nil {
			err = Reject("missing argument", "SET needs value")
		}
		if err == nil && j.ExpireAtMS != nil && *j.ExpireAtMS <= 0 {
			err = Reject("bad expiry", "expire_at_ms %d, want 1 to 2^48-1", *j.ExpireAtMS)
		}
		set := Set{Value: j.Value}
		if j.ExpireAtMS != nil {
			set.ExpireAtMS = *j.ExpireAtMS
		}
		return set, err
	case OpDel:
		if len(data) != 0 && string(data) != "null" {
			return nil, Reject("bad payload", "DEL takes null")
		}
		return Del{}, nil
	case OpIncr:
		var j struct {
			Delta *jsonDelta `json:"delta"`
		}
		err := decodePayload(op, data, &j)
		if err == nil && j.Delta == nil {
			err = Reject("missing argument", "INCR needs delta")
		}
		if err != nil {
			return nil, err
		}
		return Incr{int64(*j.Delta)}, nil
	case OpSAdd, OpSRem, OpZRem:
		var j membersJSON
		err := decodePayload(op, data, &j)
		members := fromBytes(j.Members)
		switch op {
		case OpSAdd:
			return SAdd{members}, err
		case OpSRem:
			return SRem{members}, err
		}
		return ZRem{members}, err
	case OpZAdd:
		var j scoredJSON
		err := decodePayload(op, data, &j)
		return ZAdd{FromScoredJSON(j.Members)}, err
	case OpHSet:
		var j hsetJSON
		err := decodePayload(op, data, &j)
		return HSet{FromFieldJSON(j.Fields)}, err
	case OpHDel:
		var j hdelJSON
		err := decodePayload(op, data, &j)
		return HDel{fromBytes(j.Fields)}, err
	case OpXAdd:
		var j xaddJSON
		err := decodePayload(op, data, &j)
		return XAdd{FromPairJSON(j.Fields)}, err
	case OpXDel:
		var j xdelJSON
		if err := decodePayload(op, data, &j); err != nil {
			return nil, err
		}
		ids, err := ParseStreamIDs(j.IDs)
		return XDel{ids}, err
	case OpXTrim:
		var j xtrimJSON
		if err := decodePayload(op, data, &j); err != nil {
			return nil, err
		}
		id, err := ParseStreamID(j.MinID)
		if err != nil {
			return nil, Reject("bad stream id", "%v", err)
		}
		return XTrim{id}, nil
	}
	return nil, &UnknownOpError{op}
}

// ParseStreamIDs reads several ids; the error is a *RejectError.
func ParseStreamIDs(texts []string) ([]StreamID, error) {
	ids := make([]StreamID, len(texts))
	for i, text := range texts {
		id, err := ParseStreamID(text)
		if err != nil {
			return nil, Reject("bad stream id", "%v", err)
		}
		ids[i] = id
	}
	return ids, nil
}

func decodePayload(op Op, data json.RawMessage, v any) error {
	if len(data) == 0 || string(data) == "null" {
		return Reject("missing argument", "%s needs a payload", op)
	}
	if err := UnmarshalStrict(data, v); err != nil {
		if r := AsReject(err); r != nil {
			return r
		}
		return Reject("bad payload", "%s: %v", op, err)
	}
	return nil
}

func toBytes(in [][]byte) []Bytes {
	out := make([]Bytes, len(in))
	for i, b := range in {
		out[i] = b
	}
	return out
}

func fromBytes(in []Bytes) [][]byte {
	out := make([][]byte, len(in))
	for i, b := range in {
		out[i] = b
	}
	return out
}

// ToScoredJSON, FromScoredJSON and their like convert between the forms the
// program computes with and the forms JSON shows.
func ToScoredJSON(in []ScoredMember) []ScoredJSON {
	out := make([]ScoredJSON, len(in))
	for i, m := range in {
		out[i] = ScoredJSON{m.Member, Score(m.Score)}
	}
	return out
}

// FromScoredJSON is the inverse of ToScoredJSON.
func FromScoredJSON(in []ScoredJSON) []ScoredMember {
	out := make([]ScoredMember, len(in))
	for i, m := range in {
		out[i] = ScoredMember{m.Member, float64(m.Score)}
	}
	return out
}

// ToFieldJSON converts hash fields for JSON.
func ToFieldJSON(in []FieldValue) []FieldJSON {
	out := make([]FieldJSON, len(in))
	for i, f := range in {
		out[i] = FieldJSON{f.Field, f.Value}
	}
	return out
}

// FromFieldJSON is the inverse of ToFieldJSON.
func FromFieldJSON(in []FieldJSON) []FieldValue {
	out := make([]FieldValue, len(in))
	for i, f := range in {
		out[i] = FieldValue{f.Field, f.Value}
	}
	return out
}

// ToPairJSON converts a stream entry's fields for JSON.
func ToPairJSON(in []FieldValue) []PairJSON {
	out := make([]PairJSON, len(in))
	for i, f := range in {
		out[i] = PairJSON(f)
	}
	return out
}

// FromPairJSON is the inverse of ToPairJSON.
func FromPairJSON(in []PairJSON) []FieldValue {
	out := make([]FieldValue, len(in))
	for i, f := range in {
		out[i] = FieldValue(f)
	}
	return out
}

// PayloadText renders an operation's arguments as they stand in the event's
// JSON, for people: {"delta":"1"}; "" for DEL.
func PayloadText(args Args) string {
	text, err := marshalArgs(args)
	if err != nil || string(text) == "null" {
		return ""
	}
	return string(text)
}
