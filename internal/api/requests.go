package api

import "github.com/geokv/geokv/internal/event"

// Health says that the server lives and what it serves.
type Health struct {
	Status    string   `json:"status"` // "ok"
	Version   string   `json:"version"`
	Regions   []string `json:"regions"` // in index order
	Events    uint64   `json:"events"`  // observations since the start
	Epoch     string   `json:"epoch"`   // names this run in the ids of the event stream
	Writes    bool     `json:"writes"`  // false: no token is configured, every write is refused
	StartedMS int64    `json:"started_ms"`
}

// Plan is what a write would become, had it been made now (dry run).
type Plan struct {
	Event     event.Event `json:"event"`
	Topic     string      `json:"topic"`
	Partition int32       `json:"partition"`
}

// Awaited says that regions have applied a write.
type Awaited struct {
	Receipt  string          `json:"receipt"` // its token
	WaitedMS int64           `json:"waited_ms"`
	Regions  []AwaitedRegion `json:"regions"` // in index order
}

// AwaitedRegion is one region's part of Awaited.
type AwaitedRegion struct {
	Region  string `json:"region"`
	Applied bool   `json:"applied"` // its position is past the write
}

// LogQuery bounds a reading of the logs.
type LogQuery struct {
	SinceMS int64 // first record timestamp, Unix milliseconds; 0 from the start
	UntilMS int64 // records before it; 0 up to the end as of the request
	Limit   int   // newest so many of the range; 0 for all of it
}

// Reset is the data of an SSE `reset` message: the reader's position belongs to
// another run of the server, so it gets the newest events from the logs.
type Reset struct {
	Epoch   string        `json:"epoch"`
	Skipped int64         `json:"skipped"` // events in the logs since then that are not among Events
	Events  []Observation `json:"events"`  // oldest first; without ids
}

// Hello is the data of the first SSE message: where the stream stands.
type Hello struct {
	Epoch  string `json:"epoch"`
	Newest uint64 `json:"newest"` // id of the last observation before the first that follows
}

// Lost is the data of an SSE `lost` message: the reader was too slow.
type Lost struct {
	Count uint64 `json:"count"` // observations dropped since the last notice
	Total uint64 `json:"total"` // since the stream began
}

// Sim is the state of the traffic simulator.
type Sim struct {
	Running  bool     `json:"running"`
	Rate     float64  `json:"rate"` // steps per second over all regions
	Seed     uint64   `json:"seed"`
	Regions  []string `json:"regions"`
	Steps    uint64   `json:"steps"`
	Produced uint64   `json:"produced"` // durable operations
	Failed   uint64   `json:"failed"`
	Unknown  uint64   `json:"unknown"`
	Error    string   `json:"error,omitempty"` // the last refusal or failure
}

// SimStart is the body of POST /api/sim/start; zero values leave the choice to
// the server.
type SimStart struct {
	Rate    float64  `json:"rate,omitempty"`
	Seed    uint64   `json:"seed,omitempty"`
	Regions []string `json:"regions,omitempty"`
}

// SimRate is the body of POST /api/sim/rate.
type SimRate struct {
	Rate float64 `json:"rate"`
}

// Lab is what may be broken on purpose in the running cluster.
type Lab struct {
	Stack   string      `json:"stack"` // embedded, process, compose or external
	Links   []LabLink   `json:"links"`
	Regions []LabRegion `json:"regions"`
}

// LabLink is one mirror direction.
type LabLink struct {
	From    string    `json:"from"`
	To      string    `json:"to"`
	State   FlowState `json:"state"`            // up, cut or down
	Detail  string    `json:"detail,omitempty"` // why it is down
	DelayMS int64     `json:"delay_ms"`
}

// LabRegion says whether a region's Kafka runs.
type LabRegion struct {
	Region string `json:"region"`
	Up     bool   `json:"up"`
}

// The actions on links and regions.
const (
	ActionCut   = "cut"
	ActionHeal  = "heal"
	ActionDelay = "delay"
	ActionStop  = "stop"
	ActionStart = "start"
)

// LinkAction is the body of POST /api/lab/links/{from}/{to}.
type LinkAction struct {
	Action  string `json:"action"` // cut, heal or delay
	DelayMS int64  `json:"delay_ms,omitempty"`
}

// RegionAction is the body of POST /api/lab/regions/{region}.
type RegionAction struct {
	Action string `json:"action"` // stop or start
}
