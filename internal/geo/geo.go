// Package geo is the map of a geokv cluster: its regions in their fixed order,
// the topic each region owns, the partition a key lives in and the one-way
// flows between regions.
package geo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// Partitions is the number of partitions of every event topic on every
// cluster. It is part of the data format: a key's partition never changes.
const Partitions = 12

// MaxRegions bounds the region index; stream ids encode it in one decimal digit.
const MaxRegions = 10

const topicSuffix = ".events"

// namePattern is what ValidName accepts, for messages.
const namePattern = "[a-z][a-z0-9-]{0,15}"

// Region is one site: a name and an index that never changes once events exist.
type Region struct {
	Name  string
	Index int
}

// Topic returns the topic that only this region's bridge produces into.
func (r Region) Topic() string { return Topic(r.Name) }

// Topic returns the event topic of the named origin region.
func Topic(region string) string { return region + topicSuffix }

// Origin returns the region that owns topic; ok is false for a topic that is
// not an event topic.
func Origin(topic string) (region string, ok bool) {
	name, ok := strings.CutSuffix(topic, topicSuffix)
	if !ok || !ValidName(name) {
		return "", false
	}
	return name, true
}

// ValidName reports whether name may name a region: [a-z][a-z0-9-]{0,15}. It
// runs for every record, hence without a regular expression.
func ValidName(name string) bool {
	if name == "" || len(name) > 16 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := 1; i < len(name); i++ {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// kept reports a name that no region may have: all stands for every region on
// the command line, the others would make the counter part k:seq:<region> of a key
// the meta hash of the key k:seq.
func kept(name string) bool {
	return slices.Contains([]string{"all", "meta", "smeta", "zmeta", "hmeta", "xmeta"}, name)
}

// Topology is the ordered, immutable list of a cluster's regions.
type Topology struct{ regions []Region }

// NewTopology checks names and indices and orders the regions by index.
func NewTopology(regions ...Region) (Topology, error) {
	if len(regions) == 0 || len(regions) > MaxRegions {
		return Topology{}, fmt.Errorf("topology: %d regions, want 1 to %d", len(regions), MaxRegions)
	}
	names, indices := map[string]bool{}, map[int]bool{}
	for _, r := range regions {
		switch {
		case !ValidName(r.Name):
			return Topology{}, fmt.Errorf("topology: region name %q does not match %s", r.Name, namePattern)
		case kept(r.Name):
			return Topology{}, fmt.Errorf("topology: no region can be named %q: geokv keeps the name for itself", r.Name)
		case r.Index < 0 || r.Index >= MaxRegions:
			return Topology{}, fmt.Errorf("topology: region %s has index %d, want 0 to %d", r.Name, r.Index, MaxRegions-1)
		case names[r.Name]:
			return Topology{}, fmt.Errorf("topology: region %s is named twice", r.Name)
		case indices[r.Index]:
			return Topology{}, fmt.Errorf("topology: index %d of region %s is taken", r.Index, r.Name)
		}
		names[r.Name], indices[r.Index] = true, true
	}
	sorted := slices.Clone(regions)
	slices.SortFunc(sorted, func(a, b Region) int { return a.Index - b.Index })
	return Topology{sorted}, nil
}

// Default is the topology of a first run: us, eu, ap.
func Default() Topology {
	return Topology{[]Region{{"us", 0}, {"eu", 1}, {"ap", 2}}}
}

// Regions returns the regions in index order.
func (t Topology) Regions() []Region { return slices.Clone(t.regions) }

// Len returns the number of regions.
func (t Topology) Len() int { return len(t.regions) }

// Lookup finds a region by name.
func (t Topology) Lookup(name string) (Region, bool) {
	for _, r := range t.regions {
		if r.Name == name {
			return r, true
		}
	}
	return Region{}, false
}

// Names returns the region names in index order.
func (t Topology) Names() []string {
	names := make([]string, len(t.regions))
	for i, r := range t.regions {
		names[i] = r.Name
	}
	return names
}

// Topics returns the event topics in index order of their origin.
func (t Topology) Topics() []string {
	topics := make([]string, len(t.regions))
	for i, r := range t.regions {
		topics[i] = r.Topic()
	}
	return topics
}

// Flow is one direction of mirroring: From's own topic copied to To's Kafka.
type Flow struct{ From, To string }

// String renders the flow as MirrorMaker names it: us->eu.
func (f Flow) String() string { return f.From + "->" + f.To }

// Flows returns every ordered pair of different regions. Each flow carries only
// its source's own topic, so no event can travel in a loop.
func (t Topology) Flows() []Flow {
	var flows []Flow
	for _, from := range t.regions {
		for _, to := range t.regions {
			if from != to {
				flows = append(flows, Flow{from.Name, to.Name})
			}
		}
	}
	return flows
}

// UnknownRegion is the error about a name that is none of the regions'.
func UnknownRegion(name string, known []string) error {
	return fail.New(fail.NotFound, "no region %q", name).WithHint("the regions are %s", strings.Join(known, ", "))
}
