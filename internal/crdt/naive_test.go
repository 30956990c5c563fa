package crdt

import (
	"math/big"
	"slices"
	"strconv"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// naiveView computes a key's view from the whole set of its events at once and
// shares no merge code with Key: it sorts by stamp, starts at the newest SET or
// DEL, and replays what follows in order, as one machine without replicas
// would. The merge rules must reach the same without ever seeing the order.
// Stamps must be unique.
func naiveView(key []byte, events []event.Event, now int64) View {
	m := naive{
		set: map[string]bool{}, zset: map[string]float64{}, hash: map[string]string{},
		stream: map[event.StreamID][]event.FieldValue{}, touched: map[Type]hlc.Timestamp{},
	}
	for _, e := range naiveOrder(events) {
		m.replay(e)
	}
	return m.view(key, now)
}

// naiveOrder returns the events from the newest SET or DEL on, oldest first,
// each once.
func naiveOrder(events []event.Event) []event.Event {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, func(a, b event.Event) int { return a.HLC.Compare(b.HLC) })
	sorted = slices.CompactFunc(sorted, func(a, b event.Event) bool { return a.HLC == b.HLC })
	for i := len(sorted) - 1; i > 0; i-- {
		if op := sorted[i].Op(); op == event.OpSet || op == event.OpDel {
			return sorted[i:]
		}
	}
	return sorted
}

type naive struct {
	text       *event.Set // the SET it all began with
	sum, after *big.Int   // increments before and past its expiry; nil: none
	set        map[string]bool
	zset       map[string]float64
	hash       map[string]string
	stream     map[event.StreamID][]event.FieldValue
	touched    map[Type]hlc.Timestamp
}

func (m *naive) replay(e event.Event) {
	m.touched[TypeOf(e.Op())] = e.HLC
	switch a := e.Args.(type) {
	case event.Set:
		m.text = &a
	case event.Incr:
		sum := &m.sum
		if m.text != nil && m.text.ExpireAtMS > 0 && e.HLC.Physical >= m.text.ExpireAtMS {
			sum = &m.after
		}
		if *sum == nil {
			*sum = new(big.Int)
		}
		(*sum).Add(*sum, big.NewInt(a.Delta))
	case event.SAdd:
		for _, name := range a.Members {
			m.set[string(name)] = true
		}
	case event.SRem:
		for _, name := range a.Members {
			delete(m.set, string(name))
		}
	case event.ZAdd:
		for _, z := range a.Members {
			m.zset[string(z.Member)] = z.Score
		}
	case event.ZRem:
		for _, name := range a.Members {
			delete(m.zset, string(name))
		}
	case event.HSet:
		for _, f := range a.Fields {
			m.hash[string(f.Field)] = string(f.Value)
		}
	case event.HDel:
		for _, name := range a.Fields {
			delete(m.hash, string(name))
		}
	case event.XAdd:
		m.stream[event.IDFromHLC(e.HLC)] = a.Fields
	case event.XDel:
		for _, id := range a.IDs {
			delete(m.stream, id)
		}
	case event.XTrim:
		for id := range m.stream {
			if id.Compare(a.MinID) < 0 {
				delete(m.stream, id)
			}
		}
	}
}

func (m *naive) view(key []byte, now int64) View {
	v := View{Key: key}
	visible, values := None, map[Type]Value{}
	consider := func(t Type, value Value, shown bool) {
		value.Type = t
		if visible == None || m.touched[visible].Before(m.touched[t]) {
			visible = t
		}
		if shown {
			values[t] = value
		}
	}
	text, expiry, exists, shown := m.str(now)
	if exists {
		consider(String, Value{String: text}, shown)
	}
	if len(m.set) > 0 {
		var list [][]byte
		for _, name := range naiveNames(m.set) {
			list = append(list, []byte(name))
		}
		consider(Set, Value{Members: list}, true)
	}
	if len(m.zset) > 0 {
		var list []event.ScoredMember
		for _, name := range naiveNames(m.zset) {
			list = append(list, event.ScoredMember{Member: []byte(name), Score: m.zset[name]})
		}
		slices.SortStableFunc(list, func(a, b event.ScoredMember) int {
			switch {
			case a.Score < b.Score:
				return -1
			case a.Score > b.Score:
				return 1
			}
			return 0
		})
		consider(ZSet, Value{Scored: list}, true)
	}
	if len(m.hash) > 0 {
		var list []event.FieldValue
		for _, name := range naiveNames(m.hash) {
			list = append(list, event.FieldValue{Field: []byte(name), Value: []byte(m.hash[name])})
		}
		consider(Hash, Value{Fields: list}, true)
	}
	if len(m.stream) > 0 {
		var list []Entry
		for id, fields := range m.stream {
			list = append(list, Entry{id, fields})
		}
		slices.SortFunc(list, func(a, b Entry) int { return a.ID.Compare(b.ID) })
		consider(Stream, Value{Entries: list}, true)
	}
	for _, t := range Types() {
		value, ok := values[t]
		switch {
		case !ok:
		case t != visible:
			v.Parked = append(v.Parked, value)
		default:
			v.Value = value
			if t == String {
				v.ExpireAtMS = expiry
			}
		}
	}
	return v
}

// str returns the string, its expiry, whether it exists for the choice of the
// visible type and whether it shows at now.
func (m *naive) str(now int64) (text []byte, expiry int64, exists, shown bool) {
	switch {
	case m.after != nil:
		return naiveClamp(m.after), 0, true, true
	case m.text == nil && m.sum == nil:
		return nil, 0, false, false
	case m.text == nil:
		return naiveClamp(m.sum), 0, true, true
	}
	expiry = m.text.ExpireAtMS
	shown = expiry == 0 || now < expiry
	n, err := strconv.ParseInt(string(m.text.Value), 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != string(m.text.Value) || m.sum == nil {
		return m.text.Value, expiry, true, shown
	}
	return naiveClamp(new(big.Int).Add(m.sum, big.NewInt(n))), expiry, true, shown
}

func naiveClamp(n *big.Int) []byte {
	lo, hi := new(big.Int).Lsh(big.NewInt(-1), 63), new(big.Int).Lsh(big.NewInt(1), 63)
	hi.Sub(hi, big.NewInt(1))
	if n.Cmp(lo) < 0 {
		n = lo
	}
	if n.Cmp(hi) > 0 {
		n = hi
	}
	return []byte(n.String())
}

func naiveNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
