package timeline

import (
	"container/list"
	"maps"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// Row is one event with its state in every region that reported it.
type Row struct {
	Topic     string
	Partition int32
	Event     *event.Event // nil when the record could not be decoded
	Key       []byte       // of a record that could not be decoded
	Reason    string       // why the record was rejected
	Regions   map[string]Sight
}

// NewRow makes the row of an observed event, in no region yet.
func NewRow(o api.Observation) Row {
	row := Row{Topic: o.Topic, Partition: o.Partition, Reason: o.Reason, Regions: map[string]Sight{}}
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
		if !r.Regions[name].Applied() {
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
	rows     map[Key]*list.Element
	touched  *list.List // of *tracked, most recently touched first
}

type tracked struct {
	key Key
	row Row
}

// New makes a timeline of at most capacity rows (at least 1).
func New(capacity int) *Timeline {
	return &Timeline{capacity: max(capacity, 1), rows: map[Key]*list.Element{}, touched: list.New()}
}

// Add joins one observation and returns the row as it now is. fresh is true for
// the first observation of an event. The row's map is a copy.
func (t *Timeline) Add(o api.Observation) (row Row, fresh bool) {
	key := KeyOf(o)
	element, known := t.rows[key]
	if known {
		t.touched.MoveToFront(element)
	} else {
		element = t.touched.PushFront(&tracked{key, NewRow(o)})
		t.rows[key] = element
		t.evict()
	}
	r := &element.Value.(*tracked).row
	if o.Reason != "" {
		r.Reason = o.Reason
	}
	sight := r.Regions[o.Region]
	sight.Add(o)
	r.Regions[o.Region] = sight
	return r.clone(), !known
}

func (t *Timeline) evict() {
	for len(t.rows) > t.capacity {
		t.Forget(t.touched.Back().Value.(*tracked).key)
	}
}

// Forget gives up the row of an event, if there is one: a reader that is done
// with it leaves its place to others.
func (t *Timeline) Forget(key Key) {
	if element, known := t.rows[key]; known {
		delete(t.rows, key)
		t.touched.Remove(element)
	}
}

// Get returns the row of an event.
func (t *Timeline) Get(key Key) (Row, bool) {
	element, ok := t.rows[key]
	if !ok {
		return Row{}, false
	}
	return element.Value.(*tracked).row.clone(), true
}

func (r Row) clone() Row {
	r.Regions = maps.Clone(r.Regions)
	return r
}
