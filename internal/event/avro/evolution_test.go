package avro

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// previousSchemas reads every released schema, oldest first. A release that
// changes event.avsc adds a file here and an entry to Shipped.
func previousSchemas(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/schemas/event-v*.avsc")
	if err != nil || len(files) == 0 {
		t.Fatalf("no released schemas in testdata (%v)", err)
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var out []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

func TestReleasedSchemasNeverChange(t *testing.T) {
	released, shipped := previousSchemas(t), Shipped()
	if len(released) != len(shipped) {
		t.Fatalf("%d schemas in testdata, %d shipped", len(released), len(shipped))
	}
	for i, text := range released {
		if text != shipped[i].Schema || shipped[i].ID != i+1 {
			t.Errorf("version %d differs from what was released, or its id is %d", i+1, shipped[i].ID)
		}
	}
	if released[len(released)-1] != Schema {
		t.Error("event.avsc is not the newest released schema: add it to testdata/schemas and to Shipped")
	}
}

func TestCurrentSchemaReadsEveryReleasedOne(t *testing.T) {
	if err := CheckCompatible(Schema, previousSchemas(t)...); err != nil {
		t.Error(err)
	}
}

// edit decodes the current schema, lets change work on its fields and encodes it.
func edit(t testing.TB, change func(fields []map[string]any) []map[string]any) string {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal([]byte(Schema), &schema); err != nil {
		t.Fatal(err)
	}
	var fields []map[string]any
	for _, f := range schema["fields"].([]any) {
		fields = append(fields, f.(map[string]any))
	}
	schema["fields"] = change(fields)
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fieldNamed(t testing.TB, fields []map[string]any, name string) map[string]any {
	t.Helper()
	for _, f := range fields {
		if f["name"] == name {
			return f
		}
	}
	t.Fatalf("no field %s", name)
	return nil
}

// withFields appends fields, given as JSON.
func withFields(t testing.TB, more ...string) string {
	t.Helper()
	return edit(t, func(fields []map[string]any) []map[string]any {
		for _, text := range more {
			fields = append(fields, unmarshalMap(t, text))
		}
		return fields
	})
}

// withBranch appends a payload branch, given as JSON.
func withBranch(t testing.TB, branch string) string {
	t.Helper()
	return edit(t, func(fields []map[string]any) []map[string]any {
		f := fieldNamed(t, fields, "payload")
		f["type"] = append(f["type"].([]any), unmarshalMap(t, branch))
		return fields
	})
}

// withType changes the type of one field.
func withType(t testing.TB, name string, typ any) string {
	t.Helper()
	return edit(t, func(fields []map[string]any) []map[string]any {
		fieldNamed(t, fields, name)["type"] = typ
		return fields
	})
}

func without(t testing.TB, name string) string {
	t.Helper()
	return edit(t, func(fields []map[string]any) []map[string]any {
		return slices.DeleteFunc(fields, func(f map[string]any) bool { return f["name"] == name })
	})
}

func unmarshalMap(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	newField  = `{"name":"trace_id","type":"string","default":""}`
	newBranch = `{"type":"record","name":"AppendPayload","fields":[{"name":"suffix","type":"bytes"},{"name":"parts","type":{"type":"array","items":"bytes"}}]}`
)

func TestWhatMayAndMayNotChange(t *testing.T) {
	released := previousSchemas(t)
	for name, tt := range map[string]struct {
		schema     string
		compatible bool
	}{
		"unchanged":               {Schema, true},
		"field with default":      {withFields(t, newField), true},
		"payload branch":          {withBranch(t, newBranch), true},
		"both":                    {everyTypeSchema(t), true},
		"field without default":   {withFields(t, `{"name":"trace_id","type":"string"}`), false},
		"other type":              {withType(t, "seq", "string"), false},
		"payload branches gone":   {withType(t, "payload", []any{"null"}), false},
		"region as an enum":       {withType(t, "origin_region", map[string]any{"type": "enum", "name": "Region", "symbols": []string{"us", "eu"}}), false},
		"stamp in another record": {withType(t, "hlc", map[string]any{"type": "record", "name": "Stamp2", "fields": []any{}}), false},
	} {
		if err := CheckCompatible(tt.schema, released...); (err == nil) != tt.compatible {
			t.Errorf("%s: %v, want compatible %v", name, err, tt.compatible)
		}
	}
	if err := CheckCompatible("{", Schema); err == nil {
		t.Error("an unreadable schema is compatible")
	}
}

// A region is a name and an index in the data, so a new one needs no new schema.
func TestAddedRegionNeedsNoNewSchema(t *testing.T) {
	c := newTestCodec(t)
	if err := c.Prepare(t.Context(), "sa-east.events"); err != nil {
		t.Fatal(err)
	}
	e := eventOf("k", event.Incr{Delta: 1})
	e.Origin, e.HLC = "sa-east", hlc.Timestamp{Physical: e.HLC.Physical, Logical: e.HLC.Logical, Region: 9}
	if _, err := c.Decode(t.Context(), mustEncode(t, c, e)); err != nil {
		t.Error(err)
	}
}

// registryOf serves schemas by id from memory.
type registryOf map[int]string

func (r registryOf) Schema(_ context.Context, id int) (string, error) {
	if text, ok := r[id]; ok {
		return text, nil
	}
	return "", ErrUnknownSchema
}

func (r registryOf) Register(_ context.Context, _, schema string) (int, error) {
	for id, text := range r {
		if text == schema {
			return id, nil
		}
	}
	return 0, ErrUnknownSchema
}

// future is what a later version writes: the wire event with the new field.
type future struct {
	wireEvent
	TraceID string `avro:"trace_id"`
}

type appendPayload struct {
	Suffix []byte   `avro:"suffix"`
	Parts  [][]byte `avro:"parts"`
}

func TestEventsOfAFutureSchema(t *testing.T) {
	const fieldID, branchID = 7, 8
	c := NewCodec(registryOf{1: Schema, fieldID: withFields(t, newField), branchID: withBranch(t, newBranch)}, "")
	later := newAPI()
	later.Register("io.geokv.AppendPayload", appendPayload{})
	decode := func(id int, v any) (event.Event, error) {
		schema, err := parse(registryOfCodec(t, c)[id])
		if err != nil {
			t.Fatal(err)
		}
		body, err := later.Marshal(schema, v)
		if err != nil {
			t.Fatal(err)
		}
		return c.Decode(t.Context(), recordOf(eventOf("k", event.Incr{Delta: 1}), frameWith(uint32(id), body)))
	}
	wire := func(change func(*wireEvent)) *wireEvent {
		w, err := toWire(eventOf("k", event.Incr{Delta: 1}))
		if err != nil {
			t.Fatal(err)
		}
		change(w)
		return w
	}

	e, err := decode(fieldID, &future{*wire(func(w *wireEvent) { w.V = 2 }), "4bf92f"})
	if err != nil || e.Args != (event.Args)(event.Incr{Delta: 1}) || e.Version != 2 {
		t.Errorf("a new field with a default: %+v, %v", e, err)
	}
	_, err = decode(branchID, wire(func(w *wireEvent) {}))
	if err != nil {
		t.Errorf("a known operation under the schema with a new branch: %v", err)
	}
	parts := make([][]byte, 5000) // beyond today's limits, which are not for this version to apply
	_, err = decode(branchID, wire(func(w *wireEvent) { w.V, w.MinVer, w.Op, w.Payload = 2, 2, "APPEND", appendPayload{[]byte("x"), parts} }))
	wantBlock(t, err, BlockVersion)
	_, err = decode(branchID, wire(func(w *wireEvent) { w.Op, w.Payload = "APPEND", appendPayload{[]byte("x"), parts} }))
	wantBlock(t, err, BlockOp)
	_, err = decode(branchID, wire(func(w *wireEvent) { w.Payload = appendPayload{[]byte("x"), nil} }))
	wantBlock(t, err, BlockOp)
	_, err = decode(1, wire(func(w *wireEvent) { w.MinVer = 2 }))
	wantBlock(t, err, BlockVersion)
}

func registryOfCodec(t *testing.T, c *Codec) registryOf {
	t.Helper()
	return c.schemas.reg.(registryOf)
}

func TestForeignSchemasBlock(t *testing.T) {
	r := mustEncode(t, newTestCodec(t), eventOf("k", event.Incr{Delta: 1}))
	for name, text := range map[string]string{
		"a string":             `"string"`,
		"another record":       strings.Replace(Schema, `"name": "Event"`, `"name": "Order"`, 1),
		"another namespace":    strings.Replace(Schema, `io.geokv`, `com.example`, 1),
		"no Avro":              `{"type":"object"}`,
		"without op":           without(t, "op"),
		"long slot":            withType(t, "slot", "long"),
		"logical type":         withType(t, "incarnation", map[string]any{"type": "long", "logicalType": "timestamp-micros"}),
		"payload not a union":  withType(t, "payload", "bytes"),
		"array of nothing":     withFields(t, `{"name":"nothing","type":{"type":"array","items":"null"},"default":[]}`),
		"array of empty parts": withFields(t, `{"name":"e","type":{"type":"array","items":{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}},"default":[]}`),
		"type in itself":       withFields(t, `{"name":"t","type":["null",{"type":"record","name":"Tree","fields":[{"name":"kids","type":{"type":"array","items":"Tree"}}]}],"default":null}`),
		"doubling":             doublingSchema(t, 40),
		"wider expiry":         strings.Replace(Schema, `["null", "long"]`, `["null", "long", "string"]`, 1),
		"other expiry":         strings.Replace(Schema, `["null", "long"]`, `["null", "string"]`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCodec(registryOf{1: text}, "").Decode(t.Context(), r)
			wantBlock(t, err, BlockForeign)
		})
	}
	_, err := NewCodec(registryOf{}, "").Decode(t.Context(), r)
	wantBlock(t, err, BlockSchema)
}

// doublingSchema nests n records, each holding the next one twice.
func doublingSchema(t testing.TB, n int) string {
	t.Helper()
	typ := `"null"`
	for i := range n {
		typ = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":%s}]}`, i, typ, nameOf(i))
	}
	return withFields(t, `{"name":"d","type":`+typ+`}`)
}

func nameOf(i int) string {
	if i == 0 {
		return `"null"`
	}
	return fmt.Sprintf(`"R%d"`, i-1)
}
