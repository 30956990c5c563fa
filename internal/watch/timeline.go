package watch

import (
	"cmp"
	"container/list"
	"maps"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// Sight is what is known about one event in one region. Times are wall
// milliseconds, 0 while it has not happened there.
type Sight struct {
	SeenAtMS       int64         `json:"seen_at_ms,omitempty"`
	SeenDelayMS    int64         `json:"seen_delay_ms,omitempty"` // SeenAtMS minus the event's stamp
	AppliedAtMS    int64         `json:"applied_at_ms,omitempty"`
	AppliedDelayMS int64         `json:"applied_delay_ms,omitempty"`
	Outcome        event.Outcome `json:"outcome,omitempty"`    // the first telling one; empty until applied
	Duplicates     int           `json:"duplicates,omitempty"` // re-deliveries that were filtered out
}

// Row is one event with its state in every region that reported it.
type Row struct {
	Number    uint64           `json:"number"` // order of first observation, from 1
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Event     *event.Event     `json:"event,omitempty"`  // nil when the record could not be decoded
	Key       event.Bytes      `json:"key,omitempty"`    // of a record that could not be decoded
	Reason    string           `json:"reason,omitempty"` // why the record was rejected
	Regions   map[string]Sight `json:"regions"`
}

func newRow(number uint64, o api.Observation) Row {
	row := Row{Number: number, Topic: o.Topic, Partition: o.Partition, Regions: map[string]Sight{}}
	if o.Decoded() {
		row.Event = &o.Event
	} else {
		row.Key = o.Event.Key
	}
	return row
}

// Done reports whether every named region has applied the event.
func (r Row) Done(regions []string) bool {
	for _, name := range regions {
		if r.Regions[name].AppliedAtMS == 0 {
			return false
		}
	}
	return true
}

// Timeline joins observations into rows. It keeps the rows that were touched
// last, up to its capacity, so an event that waits for a cut region stays while
// it is among them. It is not safe for concurrent use: each reader has its own.
type Timeline struct {
	capacity int
	numbered uint64
	rows     map[EventKey]*list.Element
	touched  *list.List // of *tracked, most recently touched first
}

type tracked struct {
	key EventKey
	row Row
}

// NewTimeline makes a timeline of at most capacity rows (at least 1).
func NewTimeline(capacity int) *Timeline {
	return &Timeline{capacity: max(capacity, 1), rows: map[EventKey]*list.Element{}, touched: list.New()}
}

// Len returns the number of rows.
func (t *Timeline) Len() int { return len(t.rows) }

// Add joins one observation and returns the row as it now is. fresh is true for
// the first observation of an event. The row's map is a copy.
func (t *Timeline) Add(o api.Observation) (row Row, fresh bool) {
	key := KeyOf(o)
	element, known := t.rows[key]
	if known {
		t.touched.MoveToFront(element)
	} else {
		t.numbered++
		element = t.touched.PushFront(&tracked{key, newRow(t.numbered, o)})
		t.rows[key] = element
		t.evict()
	}
	r := &element.Value.(*tracked).row
	if o.Reason != "" {
		r.Reason = o.Reason
	}
	r.Regions[o.Region] = r.Regions[o.Region].merge(o)
	return r.clone(), !known
}

func (t *Timeline) evict() {
	for len(t.rows) > t.capacity {
		oldest := t.touched.Back()
		delete(t.rows, oldest.Value.(*tracked).key)
		t.touched.Remove(oldest)
	}
}

// merge keeps the first time of each kind. An outcome that tells what happened
// replaces one that does not: unknown, or duplicate when the first delivery was
// not observed.
func (s Sight) merge(o api.Observation) Sight {
	if o.Kind == api.KindSeen {
		if s.SeenAtMS == 0 {
			s.SeenAtMS, s.SeenDelayMS = o.AtMS, o.DelayMS
		}
		return s
	}
	if o.Outcome == event.Duplicate {
		s.Duplicates++
	}
	if s.AppliedAtMS == 0 {
		s.AppliedAtMS, s.AppliedDelayMS, s.Outcome = o.AtMS, o.DelayMS, o.Outcome
	} else if telling(o.Outcome) && !telling(s.Outcome) {
		s.Outcome = o.Outcome
	}
	return s
}

func telling(o event.Outcome) bool {
	return o == event.Applied || o == event.Superseded || o == event.Rejected
}

// Get returns the row of an event.
func (t *Timeline) Get(key EventKey) (Row, bool) {
	element, ok := t.rows[key]
	if !ok {
		return Row{}, false
	}
	return element.Value.(*tracked).row.clone(), true
}

// Rows returns up to n rows, those first observed last, newest first; n <= 0
// means all.
func (t *Timeline) Rows(n int) []Row {
	rows := make([]Row, 0, len(t.rows))
	for e := t.touched.Front(); e != nil; e = e.Next() {
		rows = append(rows, e.Value.(*tracked).row)
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(b.Number, a.Number) })
	if n > 0 && len(rows) > n {
		rows = rows[:n]
	}
	for i := range rows {
		rows[i] = rows[i].clone()
	}
	return rows
}

func (r Row) clone() Row {
	r.Regions = maps.Clone(r.Regions)
	return r
}
