package api

// Stood reports that in both reports every region is reachable and has applied
// all there is in the partition, and that the partition did not move between.
// Nothing that is on its way explains a difference of views read meanwhile.
func Stood(before, after *Report, partition int32) bool {
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
func complete(r *RegionReport) bool {
	return r.State != StateDown && r.State != StateRebuilding && r.State != StateBlocked
}

func level(a, b OriginReport, partition int32) bool {
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

func partitionOf(o OriginReport, partition int32) (PartitionReport, bool) {
	for _, p := range o.Partitions {
		if p.Partition == partition {
			return p, true
		}
	}
	return PartitionReport{}, false
}
