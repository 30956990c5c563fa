package avro

import (
	"encoding/hex"

	"fmt"

	"github.com/hamba/avro/v2"

	"github.com/geokv/geokv/internal/event"
)

// writerSchema is the schema a record was written with, ready to decode by.
type writerSchema struct {
	schema      avro.Schema
	text        string
	fingerprint string // hex SHA-256 of the canonical form
	fields      []writerField
}

type writerField struct {
	role  role
	shape *shape
	known []bool // payload: which branches this version maps
}

type role uint8

const (
	roleOther role = iota
	roleMinVer
	roleOp
	rolePayload
)

// newWriterSchema prepares a schema for decoding. An error means that the
// schema is not that of an event as this version can read it: something else
// is registered under the id, or the format changed beyond what BACKWARD_
// TRANSITIVE evolution allows. Either way no verdict on records is possible.
func newWriterSchema(text string, ours avro.Schema) (*writerSchema, error) {
	schema, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := readable(ours, schema); err != nil {
		return nil, fmt.Errorf("not an event: %w", err)
	}
	w := &writerSchema{schema: schema, text: text, fingerprint: fingerprintOf(schema)}
	whole := shapeOf(schema, map[string]*shape{})
	if _, err := whole.check(map[*shape]int{}); err != nil {
		return nil, fmt.Errorf("not an event: %w", err)
	}
	for i, f := range schema.(*avro.RecordSchema).Fields() {
		field := writerField{shape: whole.parts[i]}
		switch f.Name() {
		case "min_ver":
			field.role = roleMinVer
		case "op":
			field.role = roleOp
		case "payload":
			field.role = rolePayload
			field.known = knownBranches(f.Type().(*avro.UnionSchema))
		}
		w.fields = append(w.fields, field)
	}
	return w, nil
}

// fingerprintOf is equal for schemas under which the same bytes decode alike.
func fingerprintOf(schema avro.Schema) string {
	sum := schema.Fingerprint()
	return hex.EncodeToString(sum[:])
}

func knownBranches(union *avro.UnionSchema) []bool {
	ours := payloads()
	known := make([]bool, len(union.Types()))
	for i, branch := range union.Types() {
		_, mapped := ours[branchName(branch)]
		known[i] = mapped || branch.Type() == avro.Null
	}
	return known
}

func branchName(schema avro.Schema) string {
	if ref, ok := schema.(*avro.RefSchema); ok {
		schema = ref.Schema()
	}
	if named, ok := schema.(avro.NamedSchema); ok {
		return named.FullName()
	}
	return string(schema.Type())
}

// readable reports whether the library maps values of writer to the Go types
// made for ours: the same types throughout, with fields added anywhere and
// branches added to the payload. It is stricter than Avro's resolution, which
// would also promote types that the mapping does not.
func readable(ours, writer avro.Schema) error {
	if ref, ok := ours.(*avro.RefSchema); ok {
		ours = ref.Schema()
	}
	if ref, ok := writer.(*avro.RefSchema); ok {
		writer = ref.Schema()
	}
	if ours.Type() != writer.Type() {
		return fmt.Errorf("%s where %s is expected", writer.Type(), ours.Type())
	}
	switch o := ours.(type) {
	case *avro.RecordSchema:
		return readableRecord(o, writer.(*avro.RecordSchema))
	case *avro.UnionSchema:
		return readableUnion(o, writer.(*avro.UnionSchema))
	case *avro.ArraySchema:
		return readable(o.Items(), writer.(*avro.ArraySchema).Items())
	}
	if ours.String() != writer.String() { // logical types
		return fmt.Errorf("%s where %s is expected", writer, ours)
	}
	return nil
}

func readableRecord(ours, writer *avro.RecordSchema) error {
	if ours.FullName() != writer.FullName() {
		return fmt.Errorf("record %s where %s is expected", writer.FullName(), ours.FullName())
	}
	theirs := map[string]avro.Schema{}
	for _, f := range writer.Fields() {
		theirs[f.Name()] = f.Type()
	}
	for _, f := range ours.Fields() {
		their, ok := theirs[f.Name()]
		if !ok {
			return fmt.Errorf("record %s has no field %s", writer.FullName(), f.Name())
		}
		if err := readable(f.Type(), their); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return nil
}

// readableUnion compares branches by name. Two branches are the optional form
// of one type and closed; more are the payload, which grows.
func readableUnion(ours, writer *avro.UnionSchema) error {
	if len(ours.Types()) == 2 && len(writer.Types()) != 2 {
		return fmt.Errorf("union of %d branches where 2 are expected", len(writer.Types()))
	}
	for _, branch := range writer.Types() {
		mine, _ := ours.Types().Get(branchName(branch))
		if mine == nil {
			if len(ours.Types()) == 2 {
				return fmt.Errorf("unexpected branch %s", branchName(branch))
			}
			continue
		}
		if err := readable(mine, branch); err != nil {
			return fmt.Errorf("branch %s: %w", branchName(branch), err)
		}
	}
	return nil
}

// examine walks over a whole body and decides whether this version may map it.
// Bytes that do not fit the writer's schema give a plain error, whatever they
// claim to be; only then a sound event of the future gives a *BlockError. So
// garbage is rejected by every version alike and cannot block a partition.
func (w *writerSchema) examine(body []byte) error {
	c := &cursor{body: body}
	var minVer int32
	var op []byte
	unknownBranch := -1
	for i := range w.fields {
		f := &w.fields[i]
		var err error
		switch f.role {
		case roleMinVer:
			minVer, err = c.int()
		case roleOp:
			op, err = c.bytes()
		case rolePayload:
			peek := *c
			if branch, e := peek.branch(len(f.known)); e == nil && !f.known[branch] {
				unknownBranch = branch
			}
			err = c.skip(f.shape)
		default:
			err = c.skip(f.shape)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case c.left() > 0:
		return errTrailing
	case minVer > event.FormatVersion:
		return &BlockError{BlockVersion, fmt.Errorf("event needs format %d, this binary reads up to %d; upgrade it", minVer, event.FormatVersion)}
	case !knownOp(op):
		return &BlockError{BlockOp, fmt.Errorf("%.40q is not known to this binary; upgrade it", op)}
	case unknownBranch >= 0:
		return &BlockError{BlockOp, fmt.Errorf("%s with payload branch %d, which is not known to this binary; upgrade it", op, unknownBranch)}
	}
	return nil
}

func knownOp(op []byte) bool {
	switch event.Op(op) { // all of event.Ops; a test compares
	case event.OpSet, event.OpDel, event.OpIncr, event.OpSAdd, event.OpSRem, event.OpZAdd, event.OpZRem,
		event.OpHSet, event.OpHDel, event.OpXAdd, event.OpXDel, event.OpXTrim:
		return true
	}
	return false
}
