// Package api holds the shapes that cross geokv's HTTP API and its JSON output:
// what a server answers, what the client, the command line and the TUI read.
// docs/json.md documents every field; none changes its meaning.
package api

// Report is the state of a whole cluster (`geokv status -o json`, GET /api/status).
type Report struct {
	AtMS      int64          `json:"at_ms"`
	Regions   []RegionReport `json:"regions"`
	Flows     []FlowReport   `json:"flows"`
	Registry  string         `json:"registry"`
	API       string         `json:"api"`
	Converged bool           `json:"converged"` // every region holds every event of every reachable log
}

// State is a region's condition.
type State string

// The states, worst first.
const (
	StateDown       State = "down"       // Kafka or Redis cannot be reached
	StateBlocked    State = "blocked"    // a partition waits for its environment
	StateRebuilding State = "rebuilding" // the view is being rebuilt from the log
	StateCut        State = "cut"        // up, but a mirror link to or from it is cut
	StateUp         State = "up"
)

// RegionReport is one region's part of a Report.
type RegionReport struct {
	Name   string   `json:"name"`
	Index  int      `json:"index"`
	State  State    `json:"state"`
	Detail string   `json:"detail,omitempty"` // what is wrong and where
	Kafka  []string `json:"kafka"`            // bootstrap brokers
	Redis  string   `json:"redis"`            // host:port

	LagEvents int64          `json:"lag_events"` // on the local Kafka, not yet applied
	LagMS     int64          `json:"lag_ms"`     // age of the oldest such event, 0 when none
	Origins   []OriginReport `json:"origins"`

	Keys          int64    `json:"keys"`            // of users, counted within about 2 s; Unknown until they are
	ClockOffsetMS int64    `json:"clock_offset_ms"` // bridge's wall clock minus Redis' clock
	ClockAheadMS  int64    `json:"clock_ahead_ms"`  // HLC ahead of the wall clock
	Slot          int      `json:"slot"`            // of this process's bridge; -1 without one
	Counters      Counters `json:"counters"`
	Alarms        []Alarm  `json:"alarms"`

	RebuildPercent float64 `json:"rebuild_percent,omitempty"`
}

// Unknown stands for a number of a report that nobody could tell.
const Unknown = -1

// OriginReport is what one region has of one origin's log.
type OriginReport struct {
	Origin     string            `json:"origin"`
	End        int64             `json:"end"`     // sum of end offsets on the local Kafka
	Applied    int64             `json:"applied"` // sum of applied positions
	LagEvents  int64             `json:"lag_events"`
	LagMS      int64             `json:"lag_ms"`
	MirrorGap  int64             `json:"mirror_gap"` // applied at the origin, not yet here (by lanes); Unknown without an answer from there
	Partitions []PartitionReport `json:"partitions"`
	Holes      []Hole            `json:"holes"`
}

// PartitionReport is one partition of an origin's log on the local Kafka.
type PartitionReport struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
	Applied   int64 `json:"applied"` // next offset to apply
}

// Hole is a run of sequence numbers that a reader never got: events lost between
// the origin and here.
type Hole struct {
	Partition int32  `json:"partition"`
	Lane      string `json:"lane"` // slot.incarnation
	Seqs      string `json:"seqs"` // "18-19,23"
}

// Counters add up: consumed = applied + superseded + duplicate + rejected.
type Counters struct {
	Consumed   int64 `json:"consumed"`
	Applied    int64 `json:"applied"`
	Superseded int64 `json:"superseded"`
	Duplicate  int64 `json:"duplicate"`
	Rejected   int64 `json:"rejected"`

	QuarantineDropped int64 `json:"quarantine_dropped"` // of the rejected, not in the quarantine topic
}

// Alarm is a condition somebody should look at.
type Alarm struct {
	Code    string `json:"code"` // one of the Alarm constants
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Count   int64  `json:"count"`
	SinceMS int64  `json:"since_ms"`
}

// FlowState is a mirror direction's condition.
type FlowState string

// The states of a flow.
const (
	FlowUp       FlowState = "up"
	FlowCut      FlowState = "cut"      // on purpose
	FlowDown     FlowState = "down"     // one of its ends does not answer, or the mirror carries nothing
	FlowExternal FlowState = "external" // the mirror is not geokv's, so nobody can tell
)

// FlowReport is one mirror direction.
type FlowReport struct {
	From      string    `json:"from"`
	To        string    `json:"to"`
	State     FlowState `json:"state"`
	Detail    string    `json:"detail,omitempty"` // why it is down
	DelayMS   int64     `json:"delay_ms"`
	GapEvents int64     `json:"gap_events"` // Unknown while the view of an end does not answer
}
