package crdt

import (
	"bytes"
	"slices"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// stream is a grow-only map of entries with a grow-only set of deleted ids and
// a trim floor that only rises. An entry's id derives from its event's stamp,
// so an entry that arrives late has its place waiting.
//
// Deletions and the floor need no barrier of their own: both name only ids
// below their own event's, so when the barrier kills them it has killed every
// entry they could concern.
type stream struct {
	entries map[event.StreamID]streamEntry
	deleted map[event.StreamID]struct{}
	floor   event.StreamID // entries below it are gone
}

type streamEntry struct {
	hlc    hlc.Timestamp
	fields []event.FieldValue
}

// add, delete and trim report whether the stream changed.
func (s *stream) add(h hlc.Timestamp, fields []event.FieldValue) bool {
	id := event.IDFromHLC(h)
	if _, gone := s.deleted[id]; gone || id.Compare(s.floor) < 0 {
		return false
	}
	if old, ok := s.entries[id]; ok && CompareFields(fields, old.fields) <= 0 {
		return false
	}
	put(&s.entries, id, streamEntry{h, fields})
	return true
}

func (s *stream) delete(ids []event.StreamID) bool {
	marked := false
	for _, id := range ids {
		if _, gone := s.deleted[id]; gone {
			continue
		}
		put(&s.deleted, id, struct{}{})
		delete(s.entries, id)
		marked = true
	}
	return marked
}

func (s *stream) trim(floor event.StreamID) bool {
	if floor.Compare(s.floor) <= 0 {
		return false
	}
	s.floor = floor
	for id := range s.entries {
		if id.Compare(floor) < 0 {
			delete(s.entries, id)
		}
	}
	return true
}

// CompareFields decides between two entries with one stamp, which well-run
// producers never make: names and values in order, as bytes; a prefix is less.
func CompareFields(a, b []event.FieldValue) int {
	return slices.CompareFunc(a, b, func(x, y event.FieldValue) int {
		if c := bytes.Compare(x.Field, y.Field); c != 0 {
			return c
		}
		return bytes.Compare(x.Value, y.Value)
	})
}

func minID(a, b event.StreamID) event.StreamID {
	if a.Compare(b) < 0 {
		return a
	}
	return b
}
