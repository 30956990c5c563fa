package avro

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/hamba/avro/v2"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// The Confluent frame: a zero byte, the schema id as four bytes big-endian, the
// Avro body.
const (
	frameMagic = 0
	frameBytes = 5
)

// Codec encodes events and judges records. It is safe for concurrent use.
type Codec struct {
	api     avro.API
	ours    avro.Schema
	schemas *schemas

	mu  sync.RWMutex
	ids map[string]int // topic -> schema id that Encode writes

	writers sync.Pool // *avro.Writer
}

// NewCodec makes a codec. Schemas once seen are kept in cacheDir, so that a
// registry outage stops no process that has seen them; "" keeps them in memory
// only. The directory belongs to one cluster: ids mean something else in
// another registry. Processes of one cluster may share it.
func NewCodec(reg Registry, cacheDir string) *Codec {
	api := newAPI()
	ours, err := parse(Schema)
	if err != nil {
		panic(err) // the embedded schema; a test parses it
	}
	c := &Codec{api: api, ours: ours, ids: map[string]int{}}
	c.schemas = newSchemas(reg, cacheDir, ours)
	c.writers.New = func() any { return avro.NewWriter(nil, 512, avro.WithWriterConfig(api)) }
	return c
}

// Prepare registers the schema for each topic's values, so that Encode knows
// its id. With the registry down it uses the id of an earlier run. The error is
// a *fail.Error: nothing is known about a topic and the registry is out of
// reach, it refuses the schema, or it contradicts the cache (a wiped registry
// that gave a known id to another schema).
func (c *Codec) Prepare(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		if err := eventTopic(topic); err != nil {
			return fail.Wrap(fail.Usage, err, "prepare %s", topic)
		}
		id, err := c.schemas.writerID(ctx, Subject(topic))
		if err != nil && c.prepared(topic) && fail.CodeOf(err) == fail.Unavailable {
			continue
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.ids[topic] = id
		c.mu.Unlock()
	}
	return nil
}

func (c *Codec) prepared(topic string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.ids[topic]
	return ok
}

// Check compares every cached schema with the registry, which finds a registry
// that was wiped or replaced, and reports a cache that cannot be written. It is
// for diagnosis: neither state stops this process.
func (c *Codec) Check(ctx context.Context) error { return c.schemas.check(ctx) }

// Encode frames an event for its topic. It needs an earlier Prepare of the
// topic and never waits for the network. The event must be valid (Validate).
// What Decode would reject beyond that (size, foreign origin, an id that is not
// UTF-8) is refused here with the same *event.RejectError.
func (c *Codec) Encode(topic string, e event.Event) ([]byte, error) {
	c.mu.RLock()
	id, ok := c.ids[topic]
	c.mu.RUnlock()
	if !ok {
		return nil, fail.New(fail.Internal, "encode for %s: no schema id; the topic was not prepared", topic)
	}
	if e.Origin == "" || geo.Topic(e.Origin) != topic {
		return nil, event.Reject("bad origin", "event of %q for topic %s", e.Origin, topic)
	}
	if err := checkText(e.ID); err != nil {
		return nil, err
	}
	value, err := c.frame(id, e)
	if err != nil {
		return nil, fmt.Errorf("encode %s for %s: %w", e.ID, topic, err)
	}
	if err := checkSize(e.Key, value); err != nil {
		return nil, err
	}
	return value, nil
}

func (c *Codec) frame(id int, e event.Event) ([]byte, error) {
	wire, err := toWire(e)
	if err != nil {
		return nil, err
	}
	w := c.writers.Get().(*avro.Writer)
	defer c.writers.Put(w)
	w.Reset(nil)
	w.Error = nil
	var head [frameBytes]byte
	binary.BigEndian.PutUint32(head[1:], uint32(id))
	_, _ = w.Write(head[:]) // into memory
	w.WriteVal(c.ours, wire)
	if w.Error != nil {
		return nil, w.Error
	}
	return append(make([]byte, 0, w.Buffered()), w.Buffer()...), nil
}

// Decode judges a record and returns its event. The error is a
// *event.RejectError (this record is skipped, everywhere) or a *BlockError
// (wait and try again). The event shares no memory with the record.
func (c *Codec) Decode(ctx context.Context, r event.Record) (event.Event, error) {
	id, body, err := openFrame(r)
	if err != nil {
		return event.Event{}, err
	}
	writer, err := c.schemas.writer(ctx, id)
	if err != nil {
		return event.Event{}, err
	}
	if err := writer.examine(body); err != nil {
		if block := AsBlock(err); block != nil {
			return event.Event{}, block
		}
		return event.Event{}, event.Reject("bad body", "%v", err)
	}
	wire, err := unmarshal(c.api, writer.schema, body)
	if err != nil {
		return event.Event{}, err
	}
	e, err := fromWire(wire)
	if err != nil {
		return event.Event{}, err
	}
	return e, judge(r, e)
}

// openFrame checks what needs no schema.
func openFrame(r event.Record) (id int, body []byte, err error) {
	if err := checkSize(r.Key, r.Value); err != nil {
		return 0, nil, err
	}
	if len(r.Value) < frameBytes || r.Value[0] != frameMagic {
		return 0, nil, event.Reject("bad frame", "%d bytes starting % x, want 00 and a schema id", len(r.Value), r.Value[:min(frameBytes, len(r.Value))])
	}
	id = int(int32(binary.BigEndian.Uint32(r.Value[1:])))
	if id < 1 {
		return 0, nil, event.Reject("bad frame", "schema id %d, which no registry gives out", id)
	}
	return id, r.Value[frameBytes:], nil
}

// checkSize bounds key and value together. Headers do not count: they are not
// part of the event, and a mirror may add some on the way.
func checkSize(key, value []byte) error {
	if n := len(key) + len(value); n > event.MaxRecordBytes {
		return event.Reject("record too large", "key and value of %d bytes, at most %d", n, event.MaxRecordBytes)
	}
	return nil
}

// unmarshal maps a body that was examined. The library has panicked on bad
// bytes before; whatever it does is this record's own doing and rejects it.
func unmarshal(api avro.API, schema avro.Schema, body []byte) (w *wireEvent, err error) {
	defer func() {
		if p := recover(); p != nil {
			w, err = nil, event.Reject("bad body", "decoder panicked: %v", p)
		}
	}()
	w = new(wireEvent)
	if err := api.Unmarshal(schema, body, w); err != nil {
		return nil, event.Reject("bad body", "%v", err)
	}
	return w, nil
}

// judge checks the event against the record that carries it, then by itself.
func judge(r event.Record, e event.Event) error {
	switch origin, ok := geo.Origin(r.Topic); {
	case !ok || origin != e.Origin:
		return event.Reject("bad origin", "event of %q in topic %s", e.Origin, r.Topic)
	case string(r.Key) != string(e.Key):
		return event.Reject("bad key", "record key %.60q on an event of key %.60q", r.Key, e.Key)
	case r.Partition != geo.PartitionOf(e.Key):
		return event.Reject("misrouted", "key %.60q in partition %d, belongs to %d", e.Key, r.Partition, geo.PartitionOf(e.Key))
	case r.TimestampMS != e.HLC.Physical:
		return event.Reject("bad timestamp", "record at %d, stamp at %d", r.TimestampMS, e.HLC.Physical)
	}
	return e.Validate()
}
