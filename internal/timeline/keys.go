package timeline

import "github.com/geokv/geokv/internal/lane"

// Keys is a set of events, such as those that a reader has shown. It may hold a
// whole log: numbers run without holes within a lane and a partition, so memory
// grows with the gaps between them and not with the events.
type Keys map[Key]lane.Set

// Add puts an event in.
func (k Keys) Add(key Key) {
	run, number := key.split()
	k[run] = k[run].Add(number)
}

// Has reports whether an event is in the set.
func (k Keys) Has(key Key) bool {
	run, number := key.split()
	return k[run].Contains(number)
}

// split tells what is numbered and the number there, from 1: the offset that
// stands for what could not be decoded begins at 0.
func (k Key) split() (run Key, number int64) {
	number, k.Seq = k.Seq+1, 0
	return k, number
}
