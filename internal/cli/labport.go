package cli

import (
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/lab"
)

// labPort shows a stack as the application knows it.
type labPort struct{ lab.Cluster }

// Links tells every mirror flow.
func (l labPort) Links() []api.LabLink {
	links := []api.LabLink{}
	for _, link := range l.Cluster.Links() {
		links = append(links, api.LabLink{
			From: link.Flow.From, To: link.Flow.To, State: link.State, DelayMS: link.Delay.Milliseconds(),
		})
	}
	return links
}

// Regions tells whose Kafka is there.
func (l labPort) Regions() []api.LabRegion {
	regions := []api.LabRegion{}
	for _, r := range l.Endpoints().Regions {
		regions = append(regions, api.LabRegion{Region: r.Region.Name, Up: l.RegionUp(r.Region.Name)})
	}
	return regions
}
