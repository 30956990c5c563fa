// Package avro puts events on the wire: the Avro schema of the log, the
// Confluent frame around each record, and the verdict on every record read.
//
// Decode is where REJECT and BLOCK are decided. REJECT (*event.RejectError) is
// a pure function of a record's bytes, topic and partition, so every region
// skips the same records. BLOCK (*BlockError) is about this process and its
// surroundings: an unreachable registry, an unknown schema id, an event of a
// newer version. A blocked record is tried again, never skipped.
package avro

import (
	_ "embed" // carries event.avsc
	"fmt"
	"slices"

	"github.com/hamba/avro/v2"

	"github.com/geokv/geokv/internal/geo"
)

// Schema is the Avro schema that this binary writes.
//
//go:embed event.avsc
var Schema string

// ShippedSchema is a schema that some released binary writes, with the id it
// has in registries that are part of geokv itself.
type ShippedSchema struct {
	ID     int
	Schema string
}

// Shipped lists every schema ever released, oldest first. The ids never change:
// logs of an embedded cluster outlive its registry, which is refilled from this
// list at each start.
func Shipped() []ShippedSchema { return []ShippedSchema{{1, Schema}} }

// Subject returns the registry subject of a topic's values.
func Subject(topic string) string { return topic + "-value" }

// CheckCompatible reports whether a reader with schema next can read everything
// written with any of the previous schemas (BACKWARD_TRANSITIVE). Schemas are
// Avro JSON; the error names the first that does not fit.
func CheckCompatible(next string, previous ...string) error {
	reader, err := parse(next)
	if err != nil {
		return err
	}
	compat := avro.NewSchemaCompatibility()
	for i, text := range slices.Backward(previous) {
		writer, err := parse(text)
		if err != nil {
			return fmt.Errorf("version %d: %w", i+1, err)
		}
		if err := compat.Compatible(reader, writer); err != nil {
			return fmt.Errorf("incompatible with version %d: %w", i+1, err)
		}
	}
	return nil
}

// parse reads Avro JSON with a cache of its own: the library's shared cache
// would let one version's named types leak into another's.
func parse(text string) (schema avro.Schema, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parse schema: %v", p)
		}
	}()
	schema, err = avro.ParseWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	return schema, nil
}

// eventTopic checks that a topic may carry events, which also makes its
// subject safe as a file name.
func eventTopic(topic string) error {
	if _, ok := geo.Origin(topic); !ok {
		return fmt.Errorf("%q is not an event topic, want <region>.events", topic)
	}
	return nil
}
