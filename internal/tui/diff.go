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
	case expiring || before == nil || after == nil || len(values) == 0 || !stood(before, after, geo.PartitionOf(values[0].raw)):
		return pending
	}
	return diverged
}

// clockSlackMS is how far regions' clocks may disagree on whether a value has
// expired.
const clockSlackMS = 1000

// stood reports that in both reports every region is reachable and has applied
// all there is in the partition, and that the partition did not move between.
func stood(before, after *api.Report, partition int32) bool {
	if len(before.Regions) != len(after.Regions) {
		return false
	}
	for i := range after.Regions {
		a, b := &after.Regions[i], &before.Regions[i]
		if a.Name != b.Name || !complete(a) || !complete(b) || len(a.Origins) != len(b.Origins) {
			return false
		}
		for j := range a.Origins {
			if !level(a.Origins[j], b.Origins[j], partition) {
				return false
			}
		}
	}
	return true
}

// complete reports a region whose logs and view can be read and which lacks no
// origin's events.
func complete(r *api.RegionReport) bool {
	return r.State != api.StateDown && r.State != api.StateRebuilding && r.State != api.StateBlocked
}

func level(a, b api.OriginReport, partition int32) bool {
	if a.MirrorGap != 0 || b.MirrorGap != 0 {
		return false
	}
	pa, okA := partitionOf(a, partition)
	pb, okB := partitionOf(b, partition)
	if !okA || !okB { // no detail: the sums must stand still
		return a.LagEvents == 0 && b.LagEvents == 0 && a.Applied == b.Applied && a.End == b.End
	}
	return pa.Applied == pa.End && pb.Applied == pb.End && pa.Applied == pb.Applied
}

func partitionOf(o api.OriginReport, partition int32) (api.PartitionReport, bool) {
	for _, p := range o.Partitions {
		if p.Partition == partition {
			return p, true
		}
	}
	return api.PartitionReport{}, false
}
