package cli

import (
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/lab"
)

// labPort is a stack as the API breaks and shows it.
type labPort struct{ lab.Cluster }

// Describe tells the links and whose Kafka is there.
func (l labPort) Describe() api.Lab {
	state := api.Lab{Stack: l.Stack(), Links: l.Links(), Regions: []api.LabRegion{}}
	for _, r := range l.Endpoints().Regions {
		state.Regions = append(state.Regions, api.LabRegion{Region: r.Region.Name, Up: l.RegionUp(r.Region.Name)})
	}
	return state
}
