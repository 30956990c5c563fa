package avro

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/hamba/avro/v2"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// The Go side of event.avsc.
type (
	wireEvent struct {
		V            int32     `avro:"v"`
		MinVer       int32     `avro:"min_ver"`
		EventID      string    `avro:"event_id"`
		OriginRegion string    `avro:"origin_region"`
		RegionIdx    int32     `avro:"region_idx"`
		HLC          wireStamp `avro:"hlc"`
		Slot         int32     `avro:"slot"`
		Incarnation  int64     `avro:"incarnation"`
		Seq          int64     `avro:"seq"`
		Key          []byte    `avro:"key"`
		Op           string    `avro:"op"`
		Payload      any       `avro:"payload"`
	}
	wireStamp struct {
		PhysicalMS int64  `avro:"physical_ms"`
		Logical    int32  `avro:"logical"`
		Region     string `avro:"region"`
	}
	setPayload struct {
		Value      []byte `avro:"value"`
		ExpireAtMS *int64 `avro:"expire_at_ms"`
	}
	incrPayload struct {
		Delta int64 `avro:"delta"`
	}
	membersPayload struct {
		Members [][]byte `avro:"members"`
	}
	scoredMembersPayload struct {
		Members []wireScored `avro:"members"`
	}
	wireScored struct {
		Member []byte  `avro:"member"`
		Score  float64 `avro:"score"`
	}
	fieldsPayload struct {
		Fields []wireField `avro:"fields"`
	}
	wireField struct {
		Field []byte `avro:"field"`
		Value []byte `avro:"value"`
	}
	fieldNamesPayload struct {
		Fields [][]byte `avro:"fields"`
	}
	streamIDsPayload struct {
		IDs []string `avro:"ids"`
	}
	streamTrimPayload struct {
		MinID string `avro:"minid"`
	}
)

// newAPI makes the library's configuration: limits that hold for one record,
// and the payload branches on a resolver of its own rather than the global one.
func newAPI() avro.API {
	api := avro.Config{
		MaxByteSliceSize:  event.MaxRecordBytes, // the default would do; a limit of ours must not hang on it
		MaxSliceAllocSize: 4 * event.MaxElements,
		BlockLength:       event.MaxElements, // one block per array
		// Without it one branch of the future turns every branch into a map.
		PartialUnionTypeResolution: true,
	}.Freeze()
	for name, payload := range payloads() {
		api.Register(name, payload)
	}
	return api
}

// payloads maps each payload branch to its Go type.
func payloads() map[string]any {
	return map[string]any{
		"io.geokv.SetPayload":           setPayload{},
		"io.geokv.IncrPayload":          incrPayload{},
		"io.geokv.MembersPayload":       membersPayload{},
		"io.geokv.ScoredMembersPayload": scoredMembersPayload{},
		"io.geokv.FieldsPayload":        fieldsPayload{},
		"io.geokv.FieldNamesPayload":    fieldNamesPayload{},
		"io.geokv.StreamIdsPayload":     streamIDsPayload{},
		"io.geokv.StreamTrimPayload":    streamTrimPayload{},
	}
}

// toWire maps an event to its wire form.
func toWire(e event.Event) (*wireEvent, error) {
	payload, err := toPayload(e.Args)
	if err != nil {
		return nil, err
	}
	return &wireEvent{
		V: int32(e.Version), MinVer: int32(e.MinVersion),
		EventID: e.ID, OriginRegion: e.Origin, RegionIdx: int32(e.HLC.Region),
		HLC:  wireStamp{e.HLC.Physical, int32(e.HLC.Logical), e.Origin},
		Slot: int32(e.Lane.Slot), Incarnation: e.Lane.Incarnation, Seq: e.Seq,
		Key: e.Key, Op: string(e.Op()), Payload: payload,
	}, nil
}

func toPayload(args event.Args) (any, error) {
	switch a := args.(type) {
	case event.Set:
		p := setPayload{Value: a.Value}
		if a.ExpireAtMS != 0 {
			p.ExpireAtMS = &a.ExpireAtMS
		}
		return p, nil
	case event.Del:
		return nil, nil
	case event.Incr:
		return incrPayload(a), nil
	case event.SAdd:
		return membersPayload(a), nil
	case event.SRem:
		return membersPayload(a), nil
	case event.ZRem:
		return membersPayload(a), nil
	case event.ZAdd:
		return scoredMembersPayload{convert(a.Members, toWireScored)}, nil
	case event.HSet:
		return fieldsPayload{convert(a.Fields, toWireField)}, nil
	case event.XAdd:
		return fieldsPayload{convert(a.Fields, toWireField)}, nil
	case event.HDel:
		return fieldNamesPayload(a), nil
	case event.XDel:
		return streamIDsPayload{convert(a.IDs, event.StreamID.String)}, nil
	case event.XTrim:
		return streamTrimPayload{a.MinID.String()}, nil
	}
	return nil, fmt.Errorf("event without a known operation: %T", args)
}

// fromWire maps the wire form back. The error is a *event.RejectError: the
// values that the event's Go types cannot even hold are refused here, the rest
// by Event.Validate.
func fromWire(w *wireEvent) (event.Event, error) {
	if err := checkText(w.EventID); err != nil {
		return event.Event{}, err
	}
	switch {
	case w.HLC.Region != w.OriginRegion:
		return event.Event{}, event.Reject("bad origin", "stamp of region %q on an event of %q", w.HLC.Region, w.OriginRegion)
	case w.RegionIdx < 0 || w.RegionIdx > math.MaxUint8:
		return event.Event{}, event.Reject("bad origin", "region index %d", w.RegionIdx)
	case w.HLC.Logical < 0:
		return event.Event{}, event.Reject("bad stamp", "logical %d", w.HLC.Logical)
	case w.Slot < 0 || w.Slot > lane.MaxSlot:
		return event.Event{}, event.Reject("bad lane", "slot %d, want 0 to %d", w.Slot, lane.MaxSlot)
	}
	args, err := fromPayload(event.Op(w.Op), w.Payload)
	if err != nil {
		return event.Event{}, err
	}
	return event.Event{
		Version: int(w.V), MinVersion: int(w.MinVer), ID: w.EventID, Origin: w.OriginRegion,
		HLC:  hlc.Timestamp{Physical: w.HLC.PhysicalMS, Logical: uint32(w.HLC.Logical), Region: uint8(w.RegionIdx)},
		Lane: lane.ID{Slot: uint16(w.Slot), Incarnation: w.Incarnation}, Seq: w.Seq,
		Key: w.Key, Args: args,
	}, nil
}

// checkText holds event ids to Avro's definition of a string, which the library
// does not enforce. The other strings are names and numbers with rules of their
// own.
func checkText(id string) error {
	if !utf8.ValidString(id) {
		return event.Reject("bad event id", "%.60q is not UTF-8", id)
	}
	return nil
}

func fromPayload(op event.Op, payload any) (event.Args, error) {
	switch p := payload.(type) {
	case nil:
		if op == event.OpDel {
			return event.Del{}, nil
		}
	case setPayload:
		if op == event.OpSet {
			return fromSet(p)
		}
	case incrPayload:
		if op == event.OpIncr {
			return event.Incr(p), nil
		}
	case membersPayload:
		switch op {
		case event.OpSAdd:
			return event.SAdd(p), nil
		case event.OpSRem:
			return event.SRem(p), nil
		case event.OpZRem:
			return event.ZRem(p), nil
		}
	case scoredMembersPayload:
		if op == event.OpZAdd {
			return event.ZAdd{Members: convert(p.Members, fromWireScored)}, nil
		}
	case fieldsPayload:
		switch op {
		case event.OpHSet:
			return event.HSet{Fields: convert(p.Fields, fromWireField)}, nil
		case event.OpXAdd:
			return event.XAdd{Fields: convert(p.Fields, fromWireField)}, nil
		}
	case fieldNamesPayload:
		if op == event.OpHDel {
			return event.HDel(p), nil
		}
	case streamIDsPayload:
		if op == event.OpXDel {
			return fromStreamIDs(p)
		}
	case streamTrimPayload:
		if op == event.OpXTrim {
			id, err := streamID(p.MinID)
			return event.XTrim{MinID: id}, err
		}
	}
	return nil, event.Reject("bad payload", "%s with %T", op, payload)
}

func fromSet(p setPayload) (event.Args, error) {
	set := event.Set{Value: p.Value}
	if p.ExpireAtMS != nil {
		set.ExpireAtMS = *p.ExpireAtMS
		if set.ExpireAtMS <= 0 { // the event's own 0 means none
			return nil, event.Reject("bad expiry", "expire_at_ms %d, want 1 to 2^48-1", set.ExpireAtMS)
		}
	}
	return set, nil
}

func fromStreamIDs(p streamIDsPayload) (event.Args, error) {
	ids := make([]event.StreamID, len(p.IDs))
	for i, text := range p.IDs {
		id, err := streamID(text)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return event.XDel{IDs: ids}, nil
}

func streamID(text string) (event.StreamID, error) {
	id, err := event.ParseStreamID(text)
	if err != nil {
		return id, event.Reject("bad stream id", "%.60q, want <milliseconds>-<sequence>", text)
	}
	return id, nil
}

// The score's sign is dropped from zero: -0 and 0 are one score.
func fromWireScored(m wireScored) event.ScoredMember {
	return event.ScoredMember{Member: m.Member, Score: m.Score + 0}
}
func toWireScored(m event.ScoredMember) wireScored { return wireScored{m.Member, m.Score + 0} }
func fromWireField(f wireField) event.FieldValue   { return event.FieldValue(f) }
func toWireField(f event.FieldValue) wireField     { return wireField(f) }

func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
