package cli

import (
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/lab"
)

// labPort shows a stack as the application knows it.
type labPort struct{ lab.Cluster }

// Regions tells whose Kafka is there.
func (l labPort) Regions() []api.LabRegion {
	regions := []api.LabRegion{}
	for _, r := range l.Endpoints().Regions {
		regions = append(regions, api.LabRegion{Region: r.Region.Name, Up: l.RegionUp(r.Region.Name)})
	}
	return regions
}
