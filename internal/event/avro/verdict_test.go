package avro

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// decodeWire frames and decodes a wire event that Encode would never write.
func decodeWire(t *testing.T, c *Codec, change func(*wireEvent)) error {
	t.Helper()
	e := eventOf("k", event.Incr{Delta: 1})
	w, err := toWire(e)
	if err != nil {
		t.Fatal(err)
	}
	change(w)
	body, err := c.api.Marshal(c.ours, w)
	if err != nil {
		t.Fatal(err)
	}
	r := recordOf(e, frameWith(1, body))
	_, err = c.Decode(t.Context(), r)
	return err
}

func frameWith(id uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), body...)
}

func wantReject(t *testing.T, err error, reason string) {
	t.Helper()
	if r := event.AsReject(err); r == nil || r.Reason != reason {
		t.Errorf("got %v, want rejected as %q", err, reason)
	}
	if AsBlock(err) != nil {
		t.Errorf("%v is both rejected and blocked", err)
	}
}

func wantBlock(t *testing.T, err error, reason string) {
	t.Helper()
	if b := AsBlock(err); b == nil || b.Reason != reason {
		t.Errorf("got %v, want blocked as %q", err, reason)
	}
	if event.AsReject(err) != nil {
		t.Errorf("%v is both rejected and blocked", err)
	}
}

func TestRecordsAreRejectedForTheirFrame(t *testing.T) {
	c := newTestCodec(t)
	good := mustEncode(t, c, eventOf("k", event.Incr{Delta: 1}))
	body := good.Value[frameBytes:]
	long := mustEncode(t, c, eventOf("k", event.Set{Value: make([]byte, event.MaxValueBytes)}))
	for name, tt := range map[string]struct {
		value  []byte
		reason string
	}{
		"no value":          {nil, "bad frame"},
		"empty":             {[]byte{}, "bad frame"},
		"short":             {good.Value[:4], "bad frame"},
		"magic":             {append([]byte{1}, good.Value[1:]...), "bad frame"},
		"json":              {[]byte(`{"op":"SET"}`), "bad frame"},
		"schema id zero":    {frameWith(0, body), "bad frame"},
		"negative id":       {frameWith(1<<31, body), "bad frame"},
		"no body":           {good.Value[:frameBytes], "bad body"},
		"trailing byte":     {append(bytes.Clone(good.Value), 0), "bad body"},
		"two events":        {append(bytes.Clone(good.Value), body...), "bad body"},
		"above a megabyte":  {append(bytes.Clone(long.Value), make([]byte, event.MaxRecordBytes)...), "record too large"},
		"one byte too long": {make([]byte, event.MaxRecordBytes), "record too large"}, // the key counts
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			r.Value = tt.value
			_, err := c.Decode(t.Context(), r)
			wantReject(t, err, tt.reason)
		})
	}
}

func TestEveryTruncationIsRejected(t *testing.T) {
	c := newTestCodec(t)
	for name, e := range samples() {
		r := mustEncode(t, c, e)
		for n := range r.Value {
			cut := r
			cut.Value = r.Value[:n]
			if _, err := c.Decode(t.Context(), cut); event.AsReject(err) == nil {
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(r.Value), err)
			}
		}
	}
}

func TestRecordsAreRejectedForTheirEnvelope(t *testing.T) {
	c := newTestCodec(t)
	good := mustEncode(t, c, eventOf("k", event.Incr{Delta: 1}))
	for name, tt := range map[string]struct {
		change func(*event.Record)
		reason string
	}{
		"foreign topic":   {func(r *event.Record) { r.Topic = "us.events" }, "bad origin"},
		"no event topic":  {func(r *event.Record) { r.Topic = "eu" }, "bad origin"},
		"timestamp":       {func(r *event.Record) { r.TimestampMS++ }, "bad timestamp"},
		"other key":       {func(r *event.Record) { r.Key = []byte("l") }, "bad key"},
		"no key":          {func(r *event.Record) { r.Key = nil }, "bad key"},
		"other partition": {func(r *event.Record) { r.Partition = (r.Partition + 1) % 12 }, "misrouted"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			tt.change(&r)
			_, err := c.Decode(t.Context(), r)
			wantReject(t, err, tt.reason)
		})
	}
	r := good
	r.Offset, r.Headers = 99, []event.Header{{Key: "trace", Value: make([]byte, event.MaxRecordBytes)}}
	if _, err := c.Decode(t.Context(), r); err != nil {
		t.Errorf("offset and headers changed the verdict: %v", err)
	}
}

func TestRecordsAreRejectedForTheirContent(t *testing.T) {
	c := newTestCodec(t)
	key := func(k string) func(*wireEvent) {
		return func(w *wireEvent) { w.Key = []byte(k) }
	}
	payload := func(op event.Op, p any) func(*wireEvent) {
		return func(w *wireEvent) { w.Op, w.Payload = string(op), p }
	}
	zero, negative, tooLate := int64(0), int64(-1), int64(1<<48)
	many := make([][]byte, event.MaxElements+1)
	tooMany := make([][]byte, 5*event.MaxElements)
	for name, tt := range map[string]struct {
		change func(*wireEvent)
		reason string
	}{
		"event id empty":        {func(w *wireEvent) { w.EventID = "" }, "bad event id"},
		"event id long":         {func(w *wireEvent) { w.EventID = strings.Repeat("x", 129) }, "bad event id"},
		"event id not UTF-8":    {func(w *wireEvent) { w.EventID = "\xff" }, "bad event id"},
		"origin":                {func(w *wireEvent) { w.OriginRegion, w.HLC.Region = "us", "us" }, "bad origin"},
		"origin's name":         {func(w *wireEvent) { w.OriginRegion, w.HLC.Region = "EU", "EU" }, "bad origin"},
		"stamp of other region": {func(w *wireEvent) { w.HLC.Region = "us" }, "bad origin"},
		"region index 10":       {func(w *wireEvent) { w.RegionIdx = 10 }, "bad origin"},
		"region index 257":      {func(w *wireEvent) { w.RegionIdx = 257 }, "bad origin"},
		"region index -1":       {func(w *wireEvent) { w.RegionIdx = -1 }, "bad origin"},
		"physical":              {func(w *wireEvent) { w.HLC.PhysicalMS = 5 }, "bad timestamp"},
		"logical negative":      {func(w *wireEvent) { w.HLC.Logical = -1 }, "bad stamp"},
		"logical too large":     {func(w *wireEvent) { w.HLC.Logical = 1 << 24 }, "bad stamp"},
		"slot 1024":             {func(w *wireEvent) { w.Slot = 1024 }, "bad lane"},
		"slot 65537":            {func(w *wireEvent) { w.Slot = 65537 }, "bad lane"},
		"slot -1":               {func(w *wireEvent) { w.Slot = -1 }, "bad lane"},
		"incarnation 0":         {func(w *wireEvent) { w.Incarnation = 0 }, "bad lane"},
		"seq 0":                 {func(w *wireEvent) { w.Seq = 0 }, "bad seq"},
		"seq negative":          {func(w *wireEvent) { w.Seq = math.MinInt64 }, "bad seq"},
		"key differs":           {key("other"), "bad key"},
		"no payload":            {payload(event.OpIncr, nil), "bad payload"},
		"payload of other op":   {payload(event.OpSet, incrPayload{1}), "bad payload"},
		"DEL with payload":      {payload(event.OpDel, incrPayload{1}), "bad payload"},
		"HDEL with members":     {payload(event.OpHDel, membersPayload{many[:1]}), "bad payload"},
		"expiry 0":              {payload(event.OpSet, setPayload{nil, &zero}), "bad expiry"},
		"expiry negative":       {payload(event.OpSet, setPayload{nil, &negative}), "bad expiry"},
		"expiry 2^48":           {payload(event.OpSet, setPayload{nil, &tooLate}), "bad expiry"},
		"value too large":       {payload(event.OpSet, setPayload{Value: make([]byte, event.MaxValueBytes+1)}), "value too large"},
		"no members":            {payload(event.OpSAdd, membersPayload{}), "bad element count"},
		"too many members":      {payload(event.OpSRem, membersPayload{many}), "bad element count"},
		"far too many members":  {payload(event.OpZRem, membersPayload{tooMany}), "bad body"},
		"NaN":                   {payload(event.OpZAdd, scoredMembersPayload{[]wireScored{{[]byte("m"), math.NaN()}}}), "bad score"},
		"no scored members":     {payload(event.OpZAdd, scoredMembersPayload{}), "bad element count"},
		"no fields":             {payload(event.OpXAdd, fieldsPayload{}), "bad element count"},
		"no ids":                {payload(event.OpXDel, streamIDsPayload{}), "bad element count"},
		"stream id":             {payload(event.OpXDel, streamIDsPayload{[]string{"1-x"}}), "bad stream id"},
		"stream id leading 0":   {payload(event.OpXDel, streamIDsPayload{[]string{"01-1"}}), "bad stream id"},
		"stream id *":           {payload(event.OpXTrim, streamTrimPayload{"*"}), "bad stream id"},
		"XDEL of a later entry": {payload(event.OpXDel, streamIDsPayload{[]string{"1700000000123-51271"}}), "stream id from the future"},
	} {
		t.Run(name, func(t *testing.T) { wantReject(t, decodeWire(t, c, tt.change), tt.reason) })
	}
	if err := decodeWire(t, c, func(*wireEvent) {}); err != nil {
		t.Errorf("the unchanged event: %v", err)
	}
	if err := decodeWire(t, c, payload(event.OpXDel, streamIDsPayload{[]string{"1700000000123-51270"}})); err != nil {
		t.Errorf("XDEL just below its own id: %v", err)
	}
}

func TestKeysAreRejected(t *testing.T) {
	c := newTestCodec(t)
	for _, key := range []string{"", strings.Repeat("k", event.MaxKeyBytes+1), "geokv:pos", "a:meta", "c:seq:us", "k:~late"} {
		e := eventOf(key, event.Incr{Delta: 1})
		r := mustEncode(t, c, e)
		if _, err := c.Decode(t.Context(), r); event.AsReject(err) == nil {
			t.Errorf("key %.20q: %v", key, err)
		}
	}
}

func TestEventsOfTheFutureBlock(t *testing.T) {
	c := newTestCodec(t)
	wantBlock(t, decodeWire(t, c, func(w *wireEvent) { w.MinVer = event.FormatVersion + 1 }), BlockVersion)
	wantBlock(t, decodeWire(t, c, func(w *wireEvent) { w.Op = "APPEND" }), BlockOp)
	// What is wrong with it by today's rules is not for this version to judge.
	wantBlock(t, decodeWire(t, c, func(w *wireEvent) { w.Op, w.Payload, w.Seq = "APPEND", nil, 0 }), BlockOp)
	wantBlock(t, decodeWire(t, c, func(w *wireEvent) { w.MinVer, w.Slot = 7, 5000 }), BlockVersion)
	if err := decodeWire(t, c, func(w *wireEvent) { w.V = 9 }); err != nil {
		t.Errorf("a newer writer whose event this version understands: %v", err)
	}
}

// Garbage must not pass for an event of the future, or it would stop a
// partition for ever.
func TestGarbageThatClaimsTheFutureIsRejected(t *testing.T) {
	c := newTestCodec(t)
	r := mustEncode(t, c, eventOf("k", event.Incr{Delta: 1}))
	r.Value = frameWith(1, []byte{2, 120, 4, 1, 2, 3, 4, 5})
	_, err := c.Decode(t.Context(), r)
	wantReject(t, err, "bad body")
}

// hostileBodies lie about lengths and counts.
func hostileBodies(t testing.TB, c *Codec) map[string][]byte {
	t.Helper()
	long := func(n int64) []byte { return binary.AppendVarint(nil, n) } // the same zig-zag
	head := func(op event.Op) []byte {
		w, err := toWire(eventOf("k", event.Del{}))
		if err != nil {
			t.Fatal(err)
		}
		w.Op = string(op)
		body, err := c.api.Marshal(c.ours, w)
		if err != nil {
			t.Fatal(err)
		}
		return body[:len(body)-1] // without the payload's branch
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	const members, scored, fields, ids = 3, 4, 5, 7
	array := func(op event.Op, branch int64, blocks ...[]byte) []byte {
		return join(head(op), long(branch), join(blocks...))
	}
	return map[string][]byte{
		"count":                array(event.OpSAdd, members, long(math.MaxInt64)),
		"count just possible":  array(event.OpSAdd, members, long(1_000_000_000)),
		"negative count":       array(event.OpSAdd, members, long(-5), long(2), long(0)),
		"smallest count":       array(event.OpSAdd, members, long(math.MinInt64), long(0)),
		"block size too small": array(event.OpSAdd, members, long(-1), long(1), long(1), []byte{'a'}, long(0)),
		"block size huge":      array(event.OpSAdd, members, long(-1), long(math.MaxInt64), long(1), []byte{'a'}, long(0)),
		"block size negative":  array(event.OpSAdd, members, long(-1), long(-2), long(1), []byte{'a'}, long(0)),
		"no end of blocks":     array(event.OpSAdd, members, bytes.Repeat(join(long(1), long(0)), 1000)),
		"member length":        array(event.OpSRem, members, long(1), long(math.MaxInt64)),
		"member length small":  array(event.OpSRem, members, long(1), long(900_000)),
		"negative length":      array(event.OpSRem, members, long(1), long(-1)),
		"scored count":         array(event.OpZAdd, scored, long(math.MaxInt32)),
		"fields count":         array(event.OpHSet, fields, long(math.MaxInt32)),
		"ids count":            array(event.OpXDel, ids, long(math.MaxInt32)),
		"branch 99":            join(head(event.OpDel), long(99)),
		"branch -1":            join(head(event.OpDel), long(-1)),
		"endless number":       bytes.Repeat([]byte{0xff}, 64),
		"int over 32 bits":     join([]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, head(event.OpDel)[1:], long(0)),
	}
}

func TestHostileBodiesAreRejectedCheaply(t *testing.T) {
	c := newTestCodec(t)
	r := mustEncode(t, c, eventOf("k", event.Incr{Delta: 1}))
	for name, body := range hostileBodies(t, c) {
		t.Run(name, func(t *testing.T) {
			r := r
			r.Value = frameWith(1, body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.Decode(t.Context(), r)
			runtime.ReadMemStats(&after)
			wantReject(t, err, "bad body")
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("allocated %d bytes for a record of %d", used, len(r.Value))
			}
		})
	}
}

// panicking stands for a defect of the library.
type panicking struct{ avro.API }

func (panicking) Unmarshal(avro.Schema, []byte, any) error { panic("index out of range") }

type failing struct{ avro.API }

func (failing) Unmarshal(avro.Schema, []byte, any) error { return errors.New("no") }

func TestPanicOfTheLibraryRejectsTheRecord(t *testing.T) {
	c := newTestCodec(t)
	r := mustEncode(t, c, eventOf("k", event.Incr{Delta: 1}))
	good := c.api
	c.api = panicking{good}
	_, err := c.Decode(t.Context(), r)
	wantReject(t, err, "bad body")
	c.api = failing{good}
	_, err = c.Decode(t.Context(), r)
	wantReject(t, err, "bad body")
}

func TestEncodeRefusesWhatDecodeWouldReject(t *testing.T) {
	c := newTestCodec(t)
	fits := make([][]byte, 2)
	for i := range fits {
		fits[i] = make([]byte, event.MaxValueBytes)
	}
	_, err := c.Encode("eu.events", eventOf("k", event.SAdd{Members: fits}))
	wantReject(t, err, "record too large")
	_, err = c.Encode("us.events", eventOf("k", event.Del{}))
	wantReject(t, err, "bad origin")
	e := eventOf("k", event.Del{})
	e.ID = "\xff"
	_, err = c.Encode("eu.events", e)
	wantReject(t, err, "bad event id")

	unprepared := NewCodec(NewShippedRegistry(), "")
	if _, err := unprepared.Encode("eu.events", eventOf("k", event.Del{})); fail.CodeOf(err) != fail.Internal {
		t.Errorf("unprepared topic: %v", err)
	}
	if _, err := c.Encode("eu.events", eventOf("k", nil)); err == nil {
		t.Error("an event without operation was encoded")
	}
}
