package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// partReader turns parts into arguments and keeps the first error.
type partReader struct {
	op  Op
	j   *operationJSON
	err error
}

func (r *partReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *partReader) missing(what string) {
	r.fail(Reject("missing argument", "%s needs %s", r.op, what))
}

func (r *partReader) args() (args Args, ttl int64) {
	j := r.j
	switch r.op {
	case OpSet:
		ttl = r.positive("ttl_ms", j.TTLMS)
		return Set{Value: r.bytes("value", j.Value), ExpireAtMS: r.positive("expire_at_ms", j.ExpireAtMS)}, ttl
	case OpDel:
		return Del{}, 0
	case OpIncr:
		return Incr{r.delta()}, 0
	case OpSAdd:
		return SAdd{r.names("member", j.Member, "members", j.Members)}, 0
	case OpSRem:
		return SRem{r.names("member", j.Member, "members", j.Members)}, 0
	case OpZRem:
		return ZRem{r.names("member", j.Member, "members", j.Members)}, 0
	case OpZAdd:
		return ZAdd{r.scored()}, 0
	case OpHSet:
		return HSet{r.hashFields()}, 0
	case OpHDel:
		return HDel{r.names("field", j.Field, "fields", j.Fields)}, 0
	case OpXAdd:
		if id := r.optionalText("id", j.ID); id != "" && id != "*" {
			r.fail(Reject("unexpected argument", `id %q: geokv derives stream ids from its clock; leave id out or give "*"`, id))
		}
		return XAdd{r.pairs("fields", j.Fields)}, 0
	case OpXDel:
		return XDel{r.ids()}, 0
	default: // OpXTrim; UnmarshalJSON admits no other
		return XTrim{r.minID()}, 0
	}
}

func (r *partReader) delta() int64 {
	if !(part{raw: r.j.Delta}).given() {
		return 1
	}
	var d jsonDelta
	if err := json.Unmarshal(r.j.Delta, &d); err != nil {
		r.fail(rename("delta", err))
	}
	return int64(d)
}

// positive reads an optional count of milliseconds.
func (r *partReader) positive(name string, raw json.RawMessage) int64 {
	if !(part{raw: raw}).given() {
		return 0
	}
	n, err := ParseDelta(strings.Trim(string(raw), `"`))
	if err != nil || n <= 0 {
		r.fail(Reject("bad expiry", "%s %.40s, want a positive number of milliseconds", name, raw))
	}
	return n
}

func (r *partReader) scored() []ScoredMember {
	j := r.j
	var common *operationScore
	if (part{raw: j.Score}).given() {
		common = new(operationScore)
		if err := json.Unmarshal(j.Score, common); err != nil {
			r.fail(rename("score", err))
			return nil
		}
	}
	raws := r.list("member", j.Member, "members", j.Members)
	out := make([]ScoredMember, 0, len(raws))
	for i, raw := range raws {
		var m struct {
			Member *operationBytes `json:"member"`
			Score  *operationScore `json:"score"`
		}
		if isObjectWith(raw, "member") {
			if err := UnmarshalStrict(raw, &m); err != nil {
				r.fail(rename(fmt.Sprintf("members[%d]", i), err))
				return nil
			}
		} else {
			b := operationBytes(r.bytes("member", raw))
			m.Member = &b
		}
		if m.Score == nil {
			m.Score = common
		}
		if m.Score == nil || m.Member == nil {
			r.missing("a score for each member")
			return nil
		}
		out = append(out, ScoredMember{*m.Member, float64(*m.Score)})
	}
	return out
}

func (r *partReader) hashFields() []FieldValue {
	j := r.j
	if !(part{raw: j.Field}).given() {
		if (part{raw: j.Value}).given() {
			r.missing("field with value")
		}
		return r.pairs("fields", j.Fields)
	}
	if (part{raw: j.Fields}).given() {
		r.fail(Reject("unexpected argument", "give field and value, or fields, not both"))
	}
	return []FieldValue{{r.bytes("field", j.Field), r.bytes("value", j.Value)}}
}

func (r *partReader) ids() []StreamID {
	var out []StreamID
	for _, raw := range r.list("id", r.j.ID, "ids", r.j.IDs) {
		out = append(out, r.streamID("id", raw))
	}
	return out
}

func (r *partReader) minID() StreamID {
	raws := []json.RawMessage{}
	for _, p := range []part{{"minid", r.j.MinID}, {"id", r.j.ID}} {
		if p.given() {
			raws = append(raws, p.raw)
		}
	}
	if len(raws) != 1 {
		r.missing("minid")
		return StreamID{}
	}
	return r.streamID("minid", raws[0])
}

func (r *partReader) streamID(name string, raw json.RawMessage) StreamID {
	id, err := ParseStreamID(r.optionalText(name, raw))
	if err != nil {
		r.fail(Reject("bad stream id", "%s: %v", name, err))
	}
	return id
}

func (r *partReader) optionalText(name string, raw json.RawMessage) string {
	if !(part{raw: raw}).given() {
		return ""
	}
	return string(r.bytes(name, raw))
}

// names reads member/members or field/fields of an op that takes bytes.
func (r *partReader) names(one string, oneRaw json.RawMessage, many string, manyRaw json.RawMessage) [][]byte {
	var out [][]byte
	for _, raw := range r.list(one, oneRaw, many, manyRaw) {
		out = append(out, r.bytes(one, raw))
	}
	return out
}

// list returns the elements of the plural part, or the singular part alone.
func (r *partReader) list(one string, oneRaw json.RawMessage, many string, manyRaw json.RawMessage) []json.RawMessage {
	single, several := part{one, oneRaw}.given(), part{many, manyRaw}.given()
	switch {
	case single && several:
		r.fail(Reject("unexpected argument", "give %s or %s, not both", one, many))
	case single:
		return []json.RawMessage{oneRaw}
	case !several:
		r.missing(one + " or " + many)
	default:
		var raws []json.RawMessage
		if err := json.Unmarshal(manyRaw, &raws); err != nil {
			r.fail(Reject("bad argument", "%s: want an array, got %.40s", many, manyRaw))
		}
		return raws
	}
	return nil
}

func (r *partReader) bytes(name string, raw json.RawMessage) []byte {
	if !(part{raw: raw}).given() {
		r.missing(name)
		return nil
	}
	var b operationBytes
	if err := b.UnmarshalJSON(raw); err != nil {
		r.fail(rename(name, err))
	}
	return b
}

// pairs reads fields as [["n","v"],..], [{"field","value"},..] or {"n":"v",..}.
func (r *partReader) pairs(name string, raw json.RawMessage) []FieldValue {
	if !(part{raw: raw}).given() {
		r.missing(name)
		return nil
	}
	var out []FieldValue
	var err error
	if raw[0] == '{' {
		out, err = objectPairs(raw)
	} else {
		out, err = arrayPairs(raw)
	}
	if err != nil {
		r.fail(rename(name, err))
	}
	return out
}

func arrayPairs(raw json.RawMessage) ([]FieldValue, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf(`want [["name","value"],..], [{"field":..,"value":..},..] or {"name":"value",..}`)
	}
	out := make([]FieldValue, len(items))
	for i, item := range items {
		var err error
		if out[i], err = onePair(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func onePair(item json.RawMessage) (FieldValue, error) {
	if item[0] == '[' {
		var pair []operationBytes
		if err := json.Unmarshal(item, &pair); err != nil {
			return FieldValue{}, err
		}
		if len(pair) != 2 {
			return FieldValue{}, Reject("odd fields", `want ["name","value"], got %d strings`, len(pair))
		}
		return FieldValue{pair[0], pair[1]}, nil
	}
	var named struct {
		Field *operationBytes `json:"field"`
		Value *operationBytes `json:"value"`
	}
	if err := UnmarshalStrict(item, &named); err != nil || named.Field == nil || named.Value == nil {
		return FieldValue{}, fmt.Errorf(`%.60s: want ["name","value"] or {"field":..,"value":..}`, item)
	}
	return FieldValue{*named.Field, *named.Value}, nil
}

// objectPairs keeps the order of the object: the fields of a stream entry are
// an ordered list.
func objectPairs(raw json.RawMessage) ([]FieldValue, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out []FieldValue
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value operationBytes
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		out = append(out, FieldValue{[]byte(name.(string)), value})
	}
	return out, nil
}

// plainNumber is a JSON number that has one obvious text: no exponent.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// operationBytes reads Bytes and also a plain number, as its own digits.
type operationBytes []byte

func (b *operationBytes) UnmarshalJSON(data []byte) error {
	if plainNumber.Match(data) {
		*b = bytes.Clone(data)
		return nil
	}
	return (*Bytes)(b).UnmarshalJSON(data)
}

// operationScore reads a number or any text that is a score.
type operationScore float64

func (s *operationScore) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	f, err := ParseScore(text)
	*s = operationScore(f)
	return err
}

// rename puts the argument's name before an error about its content.
func rename(name string, err error) error {
	if r := AsReject(err); r != nil {
		return Reject(r.Reason, "%s: %s", name, r.Detail)
	}
	return Reject("bad argument", "%s: %v", name, err)
}

func isObjectWith(raw json.RawMessage, name string) bool {
	var m map[string]json.RawMessage
	if raw[0] != '{' || json.Unmarshal(raw, &m) != nil {
		return false
	}
	_, ok := m[name]
	return ok
}
