package timeline

import (
	"slices"
	"sort"

	"github.com/geokv/geokv/internal/lane"
)

const (
	generationRuns = 1 << 17
	laneRuns       = 1 << 15
)

// Keys is a set of events, such as those that a reader has shown; its zero value
// is empty. Numbers run without holes within a lane and a partition, so that an
// event costs nothing next to its neighbours, however long the log is: memory
// grows with the lanes and with the gaps in them.
//
// Both have an end, some 60 MB in all, and what is beyond it is forgotten: a lane
// when others of more than 131,072 runs in all were added to since, where a lane
// has a run and one more for each gap; of a lane with more than 32,768 runs the
// lower half. Records that cannot be decoded make such gaps.
type Keys struct {
	young, old map[Key][]lane.Interval // ascending, neither overlapping nor touching
	runs       int                     // in young
}

// Add puts an event in.
func (k *Keys) Add(key Key) {
	numbered, number := key.split()
	runs, known := k.young[numbered]
	before := len(runs)
	if !known {
		runs = k.old[numbered]
		delete(k.old, numbered)
	}
	runs = withNumber(runs, number)
	if len(runs) > laneRuns {
		runs = slices.Delete(runs, 0, len(runs)/2)
	}
	if k.runs += len(runs) - before; k.runs > generationRuns || k.young == nil {
		k.old, k.young, k.runs = k.young, map[Key][]lane.Interval{}, len(runs)
		delete(k.old, numbered)
	}
	k.young[numbered] = runs
}

// Has reports whether an event is in the set.
func (k *Keys) Has(key Key) bool {
	numbered, number := key.split()
	return holds(k.young[numbered], number) || holds(k.old[numbered], number)
}

// split tells what is numbered and the number there.
func (k Key) split() (numbered Key, number int64) {
	number, k.Seq = k.Seq, 0
	return k, number
}

// behind finds the first run that begins behind n. The run before it is the only
// one that may hold n.
func behind(runs []lane.Interval, n int64) int {
	return sort.Search(len(runs), func(i int) bool { return runs[i].Lo > n })
}

func holds(runs []lane.Interval, n int64) bool {
	i := behind(runs, n)
	return i > 0 && runs[i-1].Hi >= n
}

// withNumber adds n, which is not negative, in place: nothing is moved when it
// is the greatest so far, as it mostly is.
func withNumber(runs []lane.Interval, n int64) []lane.Interval {
	i := behind(runs, n)
	below := i > 0 && runs[i-1].Hi >= n-1
	above := i < len(runs) && runs[i].Lo-1 == n
	switch {
	case below && above:
		runs[i-1].Hi = runs[i].Hi
		return slices.Delete(runs, i, i+1)
	case below:
		runs[i-1].Hi = max(runs[i-1].Hi, n)
	case above:
		runs[i].Lo = n
	default:
		return slices.Insert(runs, i, lane.Interval{Lo: n, Hi: n})
	}
	return runs
}
