package materializer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/wal"
)

// Alarm codes; stable.
const (
	alarmKafka      = "KAFKA"            // the group cannot read
	alarmView       = "VIEW_UNAVAILABLE" // Redis cannot be reached or refuses writes
	alarmBlocked    = "BLOCKED"          // a record cannot be judged yet; its partition waits
	alarmRepair     = "REPAIR_BLOCKED"   // a counter cannot be recomputed from the log
	alarmDataLoss   = "DATA_LOSS"        // a log does not continue where the view stands
	alarmCorrupt    = "VIEW_TORN"        // the view holds a batch in part
	alarmRebuilt    = "VIEW_REBUILT"     // a torn partition was rebuilt; counts how often
	alarmForeign    = "FOREIGN_KEYS"     // the database holds keys of somebody else
	alarmClockAhead = "CLOCK_AHEAD"      // stamps were applied that are still in the future
	alarmPartition  = "PARTITIONS"       // a topic has more partitions than keys map to
	alarmReject     = "REJECTED"         // records were rejected
	alarmIndex      = "REGION_INDEX"     // an origin stamps with the index of another region
)

const viewHint = "check that Redis runs, accepts writes and has memory; geokv status shows its address"

// stats is what State reports: written by workers and feed, read by anyone.
type stats struct {
	wall func() time.Time

	mu       sync.Mutex
	counters api.Counters
	alarms   map[alarmID]*alarm
	offsets  map[wal.Partition]int64 // as last known
	life     int                     // counts how often the view went back
	percent  float64                 // of the life's goals
	whole    bool
	back     chan struct{} // tells that life has changed
}

type alarmID struct{ code, subject string }

// alarm is one episode.
type alarm struct {
	api.Alarm
	until time.Time // it ends by itself; zero: when it is cleared
}

func newStats(wall func() time.Time) *stats {
	return &stats{wall: wall, alarms: map[alarmID]*alarm{}, offsets: map[wal.Partition]int64{}, back: make(chan struct{}, 1)}
}

// raise starts or keeps an alarm on a subject and reports whether it is new.
// Count is how often it was raised in this episode.
func (s *stats) raise(code, subject, message, hint string) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.episode(code, subject)
	a.Count++
	a.Message, a.Hint = message, hint
	if subject != "" {
		a.Message = subject + ": " + message
	}
	return !known
}

// ahead raises the alarm about a stamp from the future, once more. It ends when
// the wall clock is past the latest such stamp of the subject, which it names:
// from then on every new stamp is later.
func (s *stats) ahead(subject string, stamp hlc.Timestamp, hint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, _ := s.episode(alarmClockAhead, subject)
	a.Count++
	if end := stamp.Time().Add(time.Millisecond); end.After(a.until) {
		a.until = end
		a.Message = subject + ": stamp " + stamp.String() + " is too far in the future to follow; it wins until a later stamp"
		a.Hint = hint
	}
}

// episode returns the alarm on a subject, a new one when none holds. Guarded by mu.
func (s *stats) episode(code, subject string) (a *alarm, known bool) {
	s.expire()
	id := alarmID{code, subject}
	if a, known = s.alarms[id]; !known {
		a = &alarm{Alarm: api.Alarm{Code: code, SinceMS: s.wall().UnixMilli()}}
		s.alarms[id] = a
	}
	return a, known
}

// expire ends the alarms whose time has come. Guarded by mu.
func (s *stats) expire() {
	now := s.wall()
	maps.DeleteFunc(s.alarms, func(_ alarmID, a *alarm) bool { return !a.until.IsZero() && !now.Before(a.until) })
}

// raised reports whether an alarm holds.
func (s *stats) raised(code, subject string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alarms[alarmID{code, subject}] != nil
}

// count is raise for alarms that stay: each call is one more occurrence.
func (s *stats) count(code, subject, message, hint string) { s.raise(code, subject, message, hint) }

// clear ends an alarm.
func (s *stats) clear(code, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.alarms, alarmID{code, subject})
}

// released forgets what was wrong with a partition that is no longer ours.
func (s *stats) released(p wal.Partition) {
	for _, code := range []string{alarmBlocked, alarmDataLoss} {
		s.clear(code, p.String())
	}
	s.clear(alarmCorrupt, workerName(p.Index))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.offsets, p)
}

func (s *stats) add(c api.Counters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters.Consumed += c.Consumed
	s.counters.Applied += c.Applied
	s.counters.Superseded += c.Superseded
	s.counters.Duplicate += c.Duplicate
	s.counters.Rejected += c.Rejected
}

// State is what a materializer tells about itself. It covers the partitions
// this process owns; another process of the region may own others.
type State struct {
	Partitions  []PartitionState `json:"partitions"` // owned, by topic and partition
	Counters    api.Counters     `json:"counters"`   // since this process started
	Alarms      []api.Alarm      `json:"alarms"`     // by code and subject
	Quarantined []Quarantined    `json:"quarantined"`
	Percent     float64          `json:"percent"` // as Progress tells
	Ready       bool             `json:"ready"`   // the view is whole: reads are complete
}

// PartitionState is one owned partition of one origin.
type PartitionState struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Position  int64  `json:"position"`          // next offset to apply
	Blocked   string `json:"blocked,omitempty"` // why it waits or stopped
}

// Blocked reports whether any partition waits or stopped.
func (s State) Blocked() bool { return s.Why() != "" }

// Why says why a partition waits or stopped; "" when none does.
func (s State) Why() string {
	i := slices.IndexFunc(s.Alarms, func(a api.Alarm) bool {
		return slices.Contains([]string{alarmView, alarmBlocked, alarmRepair, alarmDataLoss, alarmCorrupt}, a.Code)
	})
	if i < 0 {
		return ""
	}
	return s.Alarms[i].Message
}

// State returns the present state.
func (m *Materializer) State() State {
	s := m.stats.snapshot(m.owned())
	s.Quarantined = m.ring.newest()
	if m.cfg.Quarantine != nil {
		s.Counters.QuarantineDropped = m.cfg.Quarantine.Dropped()
	}
	return s
}

// owned lists the partitions of this process, by topic and index.
func (m *Materializer) owned() []wal.Partition {
	var owned []wal.Partition
	for _, w := range m.workers {
		for _, s := range w.owned() {
			owned = append(owned, s.part)
		}
	}
	slices.SortFunc(owned, func(a, b wal.Partition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
	})
	return owned
}

func (s *stats) snapshot(owned []wal.Partition) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	out := State{Counters: s.counters, Percent: s.percent, Ready: s.whole, Partitions: []PartitionState{}, Alarms: []api.Alarm{}}
	for _, p := range owned {
		out.Partitions = append(out.Partitions, PartitionState{p.Topic, p.Index, s.offsets[p], s.why(p)})
	}
	for _, a := range s.alarms {
		out.Alarms = append(out.Alarms, a.Alarm)
	}
	out.Alarms = foldView(out.Alarms)
	slices.SortFunc(out.Alarms, func(a, b api.Alarm) int {
		return cmp.Or(strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	return out
}

// foldView makes one alarm of those of all workers that wait for the same Redis.
func foldView(alarms []api.Alarm) []api.Alarm {
	var folded *api.Alarm
	kept := alarms[:0]
	for _, a := range alarms {
		switch {
		case a.Code != alarmView:
			kept = append(kept, a)
		case folded == nil:
			folded = &a
		default:
			folded.Count += a.Count
			folded.SinceMS = min(folded.SinceMS, a.SinceMS)
			folded.Message = min(folded.Message, a.Message)
		}
	}
	if folded != nil {
		kept = append(kept, *folded)
	}
	return kept
}

func (s *stats) why(p wal.Partition) string {
	for _, id := range []alarmID{
		{alarmCorrupt, workerName(p.Index)}, {alarmDataLoss, p.String()}, {alarmBlocked, p.String()},
		{alarmRepair, workerName(p.Index)}, {alarmView, workerName(p.Index)}, {alarmView, ""},
	} {
		if a, ok := s.alarms[id]; ok {
			return a.Message
		}
	}
	return ""
}
