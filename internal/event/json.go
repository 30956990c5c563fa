package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Bytes is a byte string in JSON: a string when it is valid UTF-8, otherwise
// {"base64":"..."}. Both forms are read.
type Bytes []byte

type base64Bytes struct {
	Base64 *[]byte `json:"base64"`
}

// MarshalJSON writes the shorter, readable form whenever it is exact.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) {
		return Marshal(string(b))
	}
	raw := []byte(b)
	return Marshal(base64Bytes{&raw})
}

// UnmarshalJSON reads either form. A string with an unpaired surrogate escape
// is refused: it names no bytes.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var v base64Bytes
		if err := UnmarshalStrict(data, &v); err != nil {
			return err
		}
		if v.Base64 == nil {
			return errors.New(`bytes: want a string or {"base64":"..."}`)
		}
		*b = *v.Base64
		return nil
	}
	var s *string
	if err := json.Unmarshal(data, &s); err != nil || s == nil {
		return fmt.Errorf(`bytes: want a string or {"base64":"..."}, got %.40s`, data)
	}
	if err := checkSurrogates(data); err != nil {
		return err
	}
	*b = Bytes(*s)
	return nil
}

// checkSurrogates finds \uD800-\uDFFF escapes without their partner, which
// encoding/json would silently turn into U+FFFD.
func checkSurrogates(data []byte) error {
	unit := func(i int) (uint64, bool) {
		if i+6 > len(data) || data[i] != '\\' || data[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(data[i+2:i+6]), 16, 16)
		return n, err == nil
	}
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		hi, ok := unit(i)
		if !ok || hi < 0xD800 || hi > 0xDFFF {
			i++
			continue
		}
		if lo, ok := unit(i + 6); hi >= 0xDC00 || !ok || lo < 0xDC00 || lo > 0xDFFF {
			return fmt.Errorf(`bytes: unpaired surrogate %s; write such bytes as {"base64":"..."}`, data[i:i+6])
		}
		i += 11
	}
	return nil
}

// Marshal is json.Marshal without HTML escaping, so that keys and values stand
// in the output as they are.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// UnmarshalStrict decodes one JSON value and refuses unknown fields, trailing
// data and text that is not UTF-8.
func UnmarshalStrict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New(`not valid UTF-8; write such bytes as {"base64":"..."}`)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF { // More would overlook a stray } or ]
		return errors.New("trailing data after the JSON value")
	}
	return nil
}

// Score is a sorted-set score in JSON: the shortest decimal that round-trips,
// or "inf" and "-inf". NaN is refused and -0 read as 0.
type Score float64

// MarshalJSON writes the canonical form.
func (s Score) MarshalJSON() ([]byte, error) {
	text := FormatScore(float64(s))
	if math.IsInf(float64(s), 0) {
		return []byte(`"` + text + `"`), nil
	}
	return []byte(text), nil
}

// UnmarshalJSON reads a number or one of the two infinities.
func (s *Score) UnmarshalJSON(data []byte) error {
	text := string(data)
	if unquoted, err := strconv.Unquote(text); err == nil {
		if unquoted != "inf" && unquoted != "-inf" && unquoted != "+inf" {
			return Reject("bad score", `%s, want a number, "inf" or "-inf"`, text)
		}
		text = unquoted
	}
	f, err := ParseScore(text)
	*s = Score(f)
	return err
}

// FormatScore renders a score as text: the shortest decimal that round-trips,
// "inf" or "-inf". It is what crosses into Lua and what every output shows.
func FormatScore(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == 0:
		return "0"
	}
	format := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	return strconv.FormatFloat(f, format, -1, 64)
}

// ParseScore reads a score, refusing NaN and hexadecimal forms.
func ParseScore(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || bytes.ContainsAny([]byte(text), "xX_") {
		return 0, Reject("bad score", "%q, want a number, inf or -inf", text)
	}
	return f + 0, nil // -0 + 0 is +0
}

// ParseDelta reads an increment: a decimal int64.
func ParseDelta(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, Reject("bad delta", "%q, want an integer from -2^63 to 2^63-1", text)
	}
	return n, nil
}

type eventJSON struct {
	EventID     string          `json:"event_id"`
	Origin      string          `json:"origin_region"`
	RegionIdx   *int            `json:"region_idx"` // pointers where zero is a value, to tell it from none
	HLC         *Stamp          `json:"hlc"`
	Slot        *uint16         `json:"slot"`
	Incarnation int64           `json:"incarnation"`
	Seq         int64           `json:"seq"`
	Key         Bytes           `json:"key"`
	Op          Op              `json:"op"`
	Payload     json.RawMessage `json:"payload"`
}

// MarshalJSON writes the canonical form of docs/json.md.
func (e Event) MarshalJSON() ([]byte, error) {
	payload, err := marshalArgs(e.Args)
	if err != nil {
		return nil, err
	}
	index, stamp := int(e.HLC.Region), StampOf(e.HLC, e.Origin)
	return Marshal(eventJSON{
		EventID: e.ID, Origin: e.Origin, RegionIdx: &index, HLC: &stamp,
		Slot: &e.Lane.Slot, Incarnation: e.Lane.Incarnation, Seq: e.Seq,
		Key: e.Key, Op: e.Op(), Payload: payload,
	})
}

// UnmarshalJSON reads the canonical form. Errors about the content, as against
// the JSON, are *RejectError. The event is not validated beyond its shape: call
// Validate.
func (e *Event) UnmarshalJSON(data []byte) error {
	var j eventJSON
	if err := UnmarshalStrict(data, &j); err != nil {
		return err
	}
	if j.RegionIdx == nil || j.HLC == nil || j.Slot == nil {
		return Reject("missing argument", "an event needs region_idx, hlc and slot")
	}
	if j.HLC.Region != j.Origin {
		return Reject("bad origin", "stamp of region %q on an event of %q", j.HLC.Region, j.Origin)
	}
	if *j.RegionIdx < 0 || *j.RegionIdx > math.MaxUint8 {
		return Reject("bad origin", "region index %d", *j.RegionIdx)
	}
	args, err := unmarshalArgs(j.Op, j.Payload)
	if err != nil {
		return err
	}
	*e = Event{
		Version: FormatVersion, MinVersion: FormatVersion,
		ID: j.EventID, Origin: j.Origin,
		HLC:  hlc.Timestamp{Physical: j.HLC.PhysicalMS, Logical: j.HLC.Logical, Region: uint8(*j.RegionIdx)},
		Lane: lane.ID{Slot: *j.Slot, Incarnation: j.Incarnation}, Seq: j.Seq,
		Key: j.Key, Args: args,
	}
	return nil
}
