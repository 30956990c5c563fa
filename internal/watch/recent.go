package watch

import (
	"container/list"
	"iter"
)

// recent is a map, bounded in entries and in bytes, that forgets what was put in
// first.
type recent[V any] struct {
	limit int
	most  int         // bytes, by weigh
	weigh func(V) int // nil: entries have no weight
	bytes int
	at    map[spot]*list.Element
	order *list.List // of remembered[V], oldest first
}

type remembered[V any] struct {
	at    spot
	value V
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{limit: limit, at: map[spot]*list.Element{}, order: list.New()}
}

func (r *recent[V]) put(at spot, value V) {
	r.take(at)
	r.at[at] = r.order.PushBack(remembered[V]{at, value})
	r.bytes += r.weight(value)
	for r.order.Len() > r.limit || r.bytes > r.most && r.order.Len() > 1 {
		r.take(r.order.Front().Value.(remembered[V]).at)
	}
}

func (r *recent[V]) weight(value V) int {
	if r.weigh == nil {
		return 0
	}
	return r.weigh(value)
}

func (r *recent[V]) get(at spot) (value V, ok bool) {
	if element, ok := r.at[at]; ok {
		return element.Value.(remembered[V]).value, true
	}
	return value, false
}

func (r *recent[V]) take(at spot) (value V, ok bool) {
	element, ok := r.at[at]
	if !ok {
		return value, false
	}
	delete(r.at, at)
	value = r.order.Remove(element).(remembered[V]).value
	r.bytes -= r.weight(value)
	return value, true
}

func (r *recent[V]) oldestFirst() iter.Seq2[spot, V] {
	return func(yield func(spot, V) bool) {
		for e := r.order.Front(); e != nil; e = e.Next() {
			if m := e.Value.(remembered[V]); !yield(m.at, m.value) {
				return
			}
		}
	}
}
