package avro

import (
	"errors"
	"fmt"
	"math"

	"github.com/hamba/avro/v2"
)

// shape is a writer schema reduced to what walking over a body needs.
type shape struct {
	kind  avro.Type
	size  int      // fixed: bytes; enum: number of symbols
	items *shape   // array and map values
	parts []*shape // record fields or union branches
}

// shapeOf compiles a schema. Named types that refer to themselves share a node.
func shapeOf(schema avro.Schema, named map[string]*shape) *shape {
	if ref, ok := schema.(*avro.RefSchema); ok {
		schema = ref.Schema()
	}
	s := &shape{kind: schema.Type()}
	if n, ok := schema.(avro.NamedSchema); ok {
		if known := named[n.FullName()]; known != nil {
			return known
		}
		named[n.FullName()] = s
	}
	switch t := schema.(type) {
	case *avro.RecordSchema:
		for _, f := range t.Fields() {
			s.parts = append(s.parts, shapeOf(f.Type(), named))
		}
	case *avro.UnionSchema:
		for _, branch := range t.Types() {
			s.parts = append(s.parts, shapeOf(branch, named))
		}
	case *avro.ArraySchema:
		s.items = shapeOf(t.Items(), named)
	case *avro.MapSchema:
		s.items = shapeOf(t.Values(), named)
	case *avro.FixedSchema:
		s.size = t.Size()
	case *avro.EnumSchema:
		s.size = len(t.Symbols())
	}
	return s
}

// maxNodes bounds a writer schema with every name written out. The event's own
// has about 50.
const maxNodes = 10_000

// check refuses schemas that no event needs and that would let a short body, or
// the schema alone, exhaust the process: types that contain themselves (the
// library recurses into them without end), schemas that grow out of proportion
// when names are written out, and arrays of items that occupy no bytes. It
// returns the number of nodes with every name written out; weights remembers
// those of shapes done, 0 while in progress.
func (s *shape) check(weights map[*shape]int) (int, error) {
	if weight, seen := weights[s]; seen {
		if weight == 0 {
			return 0, errors.New("a type contains itself")
		}
		return weight, nil
	}
	weights[s] = 0
	weight, inner := 1, s.parts
	if s.items != nil {
		inner = []*shape{s.items}
	}
	for _, part := range inner {
		n, err := part.check(weights)
		if err != nil {
			return 0, err
		}
		if weight += n; weight > maxNodes {
			return 0, fmt.Errorf("more than %d parts", maxNodes)
		}
	}
	if s.kind == avro.Array && s.items.empty() {
		return 0, errors.New("array of items without bytes")
	}
	weights[s] = weight
	return weight, nil
}

// empty reports whether every value of the shape occupies no bytes.
func (s *shape) empty() bool {
	switch s.kind {
	case avro.Null:
		return true
	case avro.Fixed:
		return s.size == 0
	case avro.Record:
		for _, part := range s.parts {
			if !part.empty() {
				return false
			}
		}
		return true
	}
	return false
}

var (
	errShort    = errors.New("ends early")
	errVarint   = errors.New("malformed number")
	errTrailing = errors.New("trailing bytes after the event")
)

// cursor walks over an Avro body without allocating, so that every length,
// count and branch is known to be sound before the library sees the bytes: the
// library allocates by, and loops over, whatever counts it finds.
type cursor struct {
	body []byte
	pos  int
}

func (c *cursor) left() int { return len(c.body) - c.pos }

// number reads a zig-zag varint of at most maxBytes bytes.
func (c *cursor) number(maxBytes int) (int64, error) {
	var u uint64
	for i := 0; i < maxBytes; i++ {
		if c.pos == len(c.body) {
			return 0, errShort
		}
		b := c.body[c.pos]
		c.pos++
		if i == 9 && b > 1 {
			return 0, errVarint
		}
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return int64(u>>1) ^ -int64(u&1), nil
		}
	}
	return 0, errVarint
}

func (c *cursor) long() (int64, error) { return c.number(10) }

func (c *cursor) int() (int32, error) {
	n, err := c.number(5)
	if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
		err = errVarint
	}
	return int32(n), err
}

// bytes reads a length and returns that many bytes, not copied.
func (c *cursor) bytes() ([]byte, error) {
	n, err := c.long()
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, errVarint
	}
	if n > int64(c.left()) {
		return nil, errShort
	}
	b := c.body[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return b, nil
}

func (c *cursor) advance(n int) error {
	if n > c.left() {
		return errShort
	}
	c.pos += n
	return nil
}

// branch reads a union index below n.
func (c *cursor) branch(n int) (int, error) {
	i, err := c.int()
	if err == nil && (i < 0 || int(i) >= n) {
		err = fmt.Errorf("union branch %d of %d", i, n)
	}
	return int(i), err
}

// skip moves over one value of the given shape.
func (c *cursor) skip(s *shape) error {
	switch s.kind {
	case avro.Null:
		return nil
	case avro.Boolean:
		return c.skipBool()
	case avro.Int:
		_, err := c.int()
		return err
	case avro.Enum:
		_, err := c.branch(s.size)
		return err
	case avro.Long:
		_, err := c.long()
		return err
	case avro.Float:
		return c.advance(4)
	case avro.Double:
		return c.advance(8)
	case avro.Fixed:
		return c.advance(s.size)
	case avro.Bytes, avro.String:
		_, err := c.bytes()
		return err
	case avro.Record:
		for _, part := range s.parts {
			if err := c.skip(part); err != nil {
				return err
			}
		}
		return nil
	case avro.Union:
		i, err := c.branch(len(s.parts))
		if err != nil {
			return err
		}
		return c.skip(s.parts[i])
	case avro.Array, avro.Map:
		return c.skipBlocks(s)
	}
	return fmt.Errorf("unsupported schema type %s", s.kind)
}

func (c *cursor) skipBool() error {
	if c.left() == 0 {
		return errShort
	}
	if c.body[c.pos] > 1 {
		return errors.New("malformed boolean")
	}
	c.pos++
	return nil
}

// skipBlocks moves over the blocks of an array or a map. A negative count is
// followed by the block's size in bytes, which must be true: readers that skip
// rely on it.
func (c *cursor) skipBlocks(s *shape) error {
	for {
		count, err := c.long()
		if err != nil || count == 0 {
			return err
		}
		size := int64(-1)
		if count < 0 {
			if size, err = c.long(); err != nil {
				return err
			}
			if count = -count; count < 0 || size < 0 {
				return errVarint
			}
		}
		start := c.pos
		if err := c.skipItems(s, count); err != nil {
			return err
		}
		if size >= 0 && int64(c.pos-start) != size {
			return errors.New("block size does not match its content")
		}
	}
}

// skipItems moves over count items. Every item occupies at least one byte
// (check), so a count that lies ends with the body.
func (c *cursor) skipItems(s *shape, count int64) error {
	for ; count > 0; count-- {
		if s.kind == avro.Map {
			if _, err := c.bytes(); err != nil {
				return err
			}
		}
		if err := c.skip(s.items); err != nil {
			return err
		}
	}
	return nil
}
