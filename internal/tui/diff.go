package tui

import (
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
)

// verdict says how a key stands over the regions that answered.
type verdict uint8

const (
	same     verdict = iota
	pending          // differs, and events that some region has not applied can explain it
	diverged         // differs although every region has applied the same events
)

func (v verdict) String() string {
	return [...]string{"same", "pending", "diverged"}[v]
}

// judge compares a key's values, one per region that answered, read between two
// reports. It says diverged only when nothing can explain the difference: both
// reports show every region up and level, and nothing moved in the key's
// partition between them. A value read while its life time ended explains itself.
func judge(values []keyValue, before, after *api.Report) verdict {
	equal, expiring := true, false
	var earliest, latest int64
	for i, v := range values {
		equal = equal && v.digest == values[0].digest
		if i == 0 || v.atMS < earliest {
			earliest = v.atMS
		}
		latest = max(latest, v.atMS)
	}
	for _, v := range values {
		expiring = expiring || v.expireAtMS != 0 && v.expireAtMS <= latest+clockSlackMS && v.expireAtMS >= earliest-clockSlackMS
	}
	switch {
	case equal:
		return same
	case expiring || before == nil || after == nil || len(values) == 0 || !api.Stood(before, after, geo.PartitionOf(values[0].raw)):
		return pending
	}
	return diverged
}

// clockSlackMS is how far regions' clocks may disagree on whether a value has
// expired.
const clockSlackMS = 1000
