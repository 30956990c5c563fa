package crdt

import (
	"encoding/json"
	"fmt"

	"github.com/geokv/geokv/internal/event"
)

type viewJSON struct {
	Key        event.Bytes     `json:"key"`
	Type       string          `json:"type"`
	Value      json.RawMessage `json:"value,omitempty"`
	ExpireAtMS int64           `json:"expire_at_ms,omitempty"`
	Parked     *parkedJSON     `json:"parked,omitempty"`
}

// parkedJSON maps type to value; a struct, so that the order is fixed.
type parkedJSON struct {
	String json.RawMessage `json:"string,omitempty"`
	Set    json.RawMessage `json:"set,omitempty"`
	ZSet   json.RawMessage `json:"zset,omitempty"`
	Hash   json.RawMessage `json:"hash,omitempty"`
	Stream json.RawMessage `json:"stream,omitempty"`
}

func (p *parkedJSON) at(t Type) *json.RawMessage {
	return map[Type]*json.RawMessage{
		String: &p.String, Set: &p.Set, ZSet: &p.ZSet, Hash: &p.Hash, Stream: &p.Stream,
	}[t]
}

type entryJSON struct {
	ID     string           `json:"id"`
	Fields []event.PairJSON `json:"fields"`
}

// MarshalJSON writes the canonical form.
func (v View) MarshalJSON() ([]byte, error) {
	j := viewJSON{Key: v.Key, Type: v.Type.String(), ExpireAtMS: v.ExpireAtMS}
	var err error
	if v.Type != None {
		if j.Value, err = v.Value.marshal(); err != nil {
			return nil, err
		}
	}
	for _, p := range v.Parked {
		if j.Parked == nil {
			j.Parked = &parkedJSON{}
		}
		place := j.Parked.at(p.Type)
		if place == nil {
			return nil, fmt.Errorf("parked value of type %s", p.Type)
		}
		if *place, err = p.marshal(); err != nil {
			return nil, err
		}
	}
	return event.Marshal(j)
}

func (v Value) marshal() (json.RawMessage, error) {
	switch v.Type {
	case String:
		return event.Marshal(event.Bytes(v.String))
	case Set:
		members := make([]event.Bytes, len(v.Members))
		for i, m := range v.Members {
			members[i] = m
		}
		return event.Marshal(members)
	case ZSet:
		return event.Marshal(event.ToScoredJSON(v.Scored))
	case Hash:
		return event.Marshal(event.ToFieldJSON(v.Fields))
	case Stream:
		entries := make([]entryJSON, len(v.Entries))
		for i, e := range v.Entries {
			entries[i] = entryJSON{e.ID.String(), event.ToPairJSON(e.Fields)}
		}
		return event.Marshal(entries)
	}
	return nil, fmt.Errorf("value of type %s", v.Type)
}

// UnmarshalJSON reads the canonical form. It does not sort: what was written in
// another order is not canonical and will not compare equal.
func (v *View) UnmarshalJSON(data []byte) error {
	var j viewJSON
	if err := event.UnmarshalStrict(data, &j); err != nil {
		return err
	}
	t, ok := ParseType(j.Type)
	if !ok {
		return fmt.Errorf("view: type %q", j.Type)
	}
	out := View{Key: j.Key, ExpireAtMS: j.ExpireAtMS}
	var err error
	if t != None {
		if out.Value, err = unmarshalValue(t, j.Value); err != nil {
			return err
		}
	} else if j.Value != nil {
		return fmt.Errorf("view: a value of type none")
	}
	if j.Parked != nil {
		for _, t := range Types() {
			text := *j.Parked.at(t)
			if text == nil {
				continue
			}
			value, err := unmarshalValue(t, text)
			if err != nil {
				return err
			}
			out.Parked = append(out.Parked, value)
		}
	}
	*v = out
	return nil
}

func unmarshalValue(t Type, data json.RawMessage) (Value, error) {
	v, err := Value{Type: t}, error(nil)
	switch t {
	case String:
		err = event.UnmarshalStrict(data, (*event.Bytes)(&v.String))
	case Set:
		var members []event.Bytes
		err = event.UnmarshalStrict(data, &members)
		for _, m := range members {
			v.Members = append(v.Members, m)
		}
	case ZSet:
		var list []event.ScoredJSON
		err = event.UnmarshalStrict(data, &list)
		v.Scored = event.FromScoredJSON(list)
	case Hash:
		var list []event.FieldJSON
		err = event.UnmarshalStrict(data, &list)
		v.Fields = event.FromFieldJSON(list)
	case Stream:
		var list []entryJSON
		err = event.UnmarshalStrict(data, &list)
		for _, e := range list {
			id, bad := event.ParseStreamID(e.ID)
			if bad != nil {
				return Value{}, bad
			}
			v.Entries = append(v.Entries, Entry{id, event.FromPairJSON(e.Fields)})
		}
	}
	if err != nil {
		return Value{}, fmt.Errorf("view: value of type %s: %w", t, err)
	}
	return v, nil
}
