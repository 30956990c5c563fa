package crdt

import (
	"crypto/sha256"
	"iter"
	"maps"
	"slices"

	"github.com/geokv/geokv/internal/event"
)

// State is the state of many keys. It is not safe for concurrent use.
type State struct{ keys map[string]*Key }

// NewState returns a state that no event reached.
func NewState() *State { return &State{keys: map[string]*Key{}} }

// Apply joins an accepted event into its key; see Key.Apply.
func (s *State) Apply(e event.Event) event.Outcome {
	k, ok := s.keys[string(e.Key)]
	if !ok {
		k = &Key{}
		s.keys[string(e.Key)] = k
	}
	return k.Apply(e)
}

// Key returns the state of one key, nil when no event reached it.
func (s *State) Key(key []byte) *Key { return s.keys[string(key)] }

// Len returns how many keys any event reached.
func (s *State) Len() int { return len(s.keys) }

// View returns what the key shows at time now (milliseconds).
func (s *State) View(key []byte, now int64) View {
	k, ok := s.keys[string(key)]
	if !ok {
		return View{Key: key}
	}
	return k.View(key, now)
}

// Views returns every key with a visible or parked value, in byte order of key.
func (s *State) Views(now int64) iter.Seq[View] {
	return func(yield func(View) bool) {
		for _, key := range slices.Sorted(maps.Keys(s.keys)) {
			v := s.keys[key].View([]byte(key), now)
			if !v.Empty() && !yield(v) {
				return
			}
		}
	}
}

// Fold returns the views that a set of accepted events amounts to at time now,
// in byte order of key. Order and repeats of events do not matter.
func Fold(events []event.Event, now int64) []View {
	s := NewState()
	for _, e := range events {
		s.Apply(e)
	}
	return slices.Collect(s.Views(now))
}

// Digest returns the SHA-256 of the views' canonical forms, one per line.
func Digest(views iter.Seq[View]) [sha256.Size]byte {
	h := sha256.New()
	var line []byte
	for v := range views {
		line = append(v.AppendCanonical(line[:0]), '\n')
		h.Write(line)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
