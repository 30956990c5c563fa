// Package lab is the port to a cluster that may be broken on purpose: stop a
// region's Kafka, cut, heal and delay mirror links, and learn every address.
//
// The embedded stack, in this package, is a whole cluster in one process:
//
//	us                    eu                    ap
//	memkafka  <-mirror->  memkafka  <-mirror->  memkafka     kept in the data directory
//	memredis              memredis              memredis     rebuilt from the logs at start
//	               one memregistry
//
// Materializers and bridges are not part of it: they run on its addresses as on
// any other stack's.
package lab

import (
	"context"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
)

// Cluster is a running stack. Its methods are safe for concurrent use. Errors
// are *fail.Error; an unknown region or flow is NOT_FOUND.
type Cluster interface {
	// Stack names the kind: embedded, process or compose.
	Stack() string
	// Endpoints are the addresses; they do not change while the cluster runs.
	Endpoints() Endpoints
	// FreshViews reports whether the views started empty, so that reads must
	// wait until they are rebuilt.
	FreshViews() bool
	// ViewReady tells the cluster that a region's view is complete (true) or is
	// being rebuilt (false); a view that starts empty answers strangers with
	// LOADING until then.
	ViewReady(region string, ready bool) error

	// StopRegion takes the region's Kafka away, for its own clients and for
	// mirrors; what it stored stays. Stopping twice is no error.
	StopRegion(ctx context.Context, region string) error
	// StartRegion brings it back at the same address.
	StartRegion(ctx context.Context, region string) error
	// RegionUp reports whether the region's Kafka is there.
	RegionUp(region string) bool

	// Cut stops a mirror flow; when it returns nothing more of it arrives.
	Cut(f geo.Flow) error
	// Heal lets a cut flow go on.
	Heal(f geo.Flow) error
	// Delay holds every record of a flow back for d, in order; 0 ends that.
	Delay(f geo.Flow, d time.Duration) error
	// Links returns every flow, in the order of geo.Topology.Flows.
	Links() []api.LabLink

	// Close stops everything in order. The clients should be closed before.
	Close(ctx context.Context) error
}

// Endpoints are the addresses of a cluster.
type Endpoints struct {
	Regions     []RegionEndpoint // in index order
	RegistryURL string
}

// RegionEndpoint is one region's Kafka and Redis.
type RegionEndpoint struct {
	Region    geo.Region
	Brokers   []string // host:port
	RedisURL  string   // with the credentials of geokv: secret
	RedisAddr string   // host:port for everyone else, who may read
}
