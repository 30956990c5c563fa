package materializer

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/alarm"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/wal"
)

const viewHint = "check that Redis runs, accepts writes and has memory; geokv status shows its address"

// stats is what State reports: written by workers and feed, read by anyone.
type stats struct {
	alarms *alarm.Book

	mu       sync.Mutex
	counters api.Counters
	offsets  map[wal.Partition]int64 // as last known
	life     int                     // counts how often the view went back
	percent  float64                 // of the life's goals
	whole    bool
	back     chan struct{} // tells that life has changed
}

func newStats(wall func() time.Time) *stats {
	return &stats{alarms: alarm.NewBook(wall), offsets: map[wal.Partition]int64{}, back: make(chan struct{}, 1)}
}

// released forgets what was wrong with a partition that is no longer ours.
func (s *stats) released(p wal.Partition) {
	for _, code := range []string{api.AlarmBlocked, api.AlarmDataLoss} {
		s.alarms.Clear(code, p.String())
	}
	s.alarms.Clear(api.AlarmViewTorn, workerName(p.Index))
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
	Partitions []PartitionState `json:"partitions"` // owned, by topic and partition
	Counters   api.Counters     `json:"counters"`   // since this process started
	Alarms     []api.Alarm      `json:"alarms"`     // by code and subject
	Percent    float64          `json:"percent"`    // as Progress tells
	Ready      bool             `json:"ready"`      // the view is whole: reads are complete
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
		return slices.Contains([]string{api.AlarmViewUnavailable, api.AlarmBlocked, api.AlarmRepairBlocked, api.AlarmDataLoss, api.AlarmViewTorn}, a.Code)
	})
	if i < 0 {
		return ""
	}
	return s.Alarms[i].Message
}

// State returns the present state.
func (m *Materializer) State() State {
	s := m.stats.snapshot(m.owned())
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
	out := State{Counters: s.counters, Percent: s.percent, Ready: s.whole, Partitions: []PartitionState{}}
	for _, p := range owned {
		out.Partitions = append(out.Partitions, PartitionState{p.Topic, p.Index, s.offsets[p], s.why(p)})
	}
	out.Alarms = foldView(s.alarms.List())
	alarm.Sort(out.Alarms)
	return out
}

// foldView makes one alarm of those of all workers that wait for the same Redis.
func foldView(alarms []api.Alarm) []api.Alarm {
	var folded *api.Alarm
	kept := alarms[:0]
	for _, a := range alarms {
		switch {
		case a.Code != api.AlarmViewUnavailable:
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
	for _, id := range [][2]string{
		{api.AlarmViewTorn, workerName(p.Index)}, {api.AlarmDataLoss, p.String()}, {api.AlarmBlocked, p.String()},
		{api.AlarmRepairBlocked, workerName(p.Index)}, {api.AlarmViewUnavailable, workerName(p.Index)}, {api.AlarmViewUnavailable, ""},
	} {
		if a, ok := s.alarms.Find(id[0], id[1]); ok {
			return a.Message
		}
	}
	return ""
}
