package avro

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// FuzzDecode feeds arbitrary bytes to two codecs, as two regions would read
// them: the verdict must be the same, an event or one of the two errors, and an
// accepted event must survive its own re-encoding.
func FuzzDecode(f *testing.F) {
	here, there := newTestCodec(f), newTestCodec(f)
	for _, e := range samples() {
		f.Add(mustEncode(f, here, e).Value[frameBytes:], e.Key)
	}
	for _, body := range hostileBodies(f, here) {
		f.Add(body, []byte("k"))
	}
	f.Fuzz(func(t *testing.T, body, key []byte) {
		r := event.Record{Topic: "eu.events", Partition: geo.PartitionOf(key), Key: key, Value: frameWith(1, body), TimestampMS: 1700000000123}
		e, err := here.Decode(context.Background(), r)
		_, err2 := there.Decode(context.Background(), r)
		switch {
		case (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error():
			t.Fatalf("two verdicts: %v and %v", err, err2)
		case err != nil && event.AsReject(err) == nil && AsBlock(err) == nil:
			t.Fatalf("no verdict: %v", err)
		case err == nil:
			sameAfterReencoding(t, here, r, e)
		}
	})
}

// sameAfterReencoding compares canonical bytes, for which a NaN or a nil slice
// is no obstacle. Input may be laid out in other blocks, so it is the second
// and third encoding that are equal.
func sameAfterReencoding(t *testing.T, c *Codec, r event.Record, e event.Event) {
	t.Helper()
	again, err := c.Encode(r.Topic, e)
	if event.AsReject(err) != nil {
		return // one larger block can take a few bytes more than the limit
	}
	if err != nil {
		t.Fatalf("accepted but not encodable: %v", err)
	}
	r.Value = again
	e2, err := c.Decode(context.Background(), r)
	if err != nil {
		t.Fatalf("rejected after re-encoding: %v", err)
	}
	if third, err := c.Encode(r.Topic, e2); err != nil || !bytes.Equal(again, third) {
		t.Fatalf("re-encoded bytes differ (%v)", err)
	}
}

// FuzzExamine walks over bodies with a schema that has every Avro type. What
// it finds sound, the library must be able to skip.
func FuzzExamine(f *testing.F) {
	c := newTestCodec(f)
	writer, err := newWriterSchema(everyTypeSchema(f), c.ours)
	if err != nil {
		f.Fatal(err)
	}
	body := mustEncode(f, c, eventOf("k", event.Incr{Delta: 1})).Value[frameBytes:]
	extra := []byte{
		1,                    // flag
		2,                    // kind B
		2, 2, 'k', 2, 'v', 0, // tags
		'm', 'k', // mark
		1, 2, 3, 4, // ratio
		1, 2, 3, 4, 5, 6, 7, 8, // exact
		4, 1, 2, 6, 0, // note: an array of one, with its size
	}
	sound := append(bytes.Clone(body), extra...)
	if err := writer.examine(sound); err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 2*event.MaxElements || writer.examine(body) != nil {
			return
		}
		if _, err := unmarshal(c.api, writer.schema, body); err != nil {
			t.Errorf("sound bytes, but the library says %v", err)
		}
	})
}

// everyTypeSchema is an event schema of the future with a field of each kind.
func everyTypeSchema(t testing.TB) string {
	t.Helper()
	return withFields(t,
		`{"name":"flag","type":"boolean","default":false}`,
		`{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]},"default":"A"}`,
		`{"name":"tags","type":{"type":"map","values":"string"},"default":{}}`,
		`{"name":"mark","type":{"type":"fixed","name":"Mark","size":2},"default":"ab"}`,
		`{"name":"ratio","type":"float","default":0}`,
		`{"name":"exact","type":"double","default":0}`,
		`{"name":"note","type":["null","string",{"type":"array","items":"long"}],"default":null}`,
	)
}

func TestFrameIsConfluents(t *testing.T) {
	value := frameWith(0x01020304, []byte("body"))
	if !bytes.Equal(value, []byte{0, 1, 2, 3, 4, 'b', 'o', 'd', 'y'}) {
		t.Errorf("frame % x", value)
	}
	c := newTestCodec(t)
	v := mustEncode(t, c, eventOf("k", event.Del{})).Value
	if v[0] != 0 || binary.BigEndian.Uint32(v[1:]) != 1 {
		t.Errorf("frame % x", v[:frameBytes])
	}
}
