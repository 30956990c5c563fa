package crdt

import (
	"math"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

// The named tests are defects that simpler rules have: maximum sequence
// numbers, barriers of one type only, relative expiries, appends in order.

func viewOf(t *testing.T, now int64, history string) string {
	t.Helper()
	return renderResult(fold(parseHistory(t, history)).View(testKey, now))
}

func TestDefectTwoIncrementsInOneMillisecond(t *testing.T) {
	events := parseHistory(t, "INCR 1; t=10 INCR 1")
	events[1].HLC = events[0].HLC
	events[1].HLC.Logical = 1 << 10
	events[1].Origin = events[0].Origin
	if got := renderResult(fold(events).View(testKey, 1000)); got != "string 2" {
		t.Errorf("got %s, want both counted", got)
	}
}

func TestDefectSetAndIncrementByOrder(t *testing.T) {
	events := parseHistory(t, "SET 100; INCR -1")
	for _, order := range [][]event.Event{{events[0], events[1]}, {events[1], events[0]}} {
		if got := renderResult(fold(order).View(testKey, 1000)); got != "string 99" {
			t.Errorf("delivered as %v: got %s, want 99", stamps(order), got)
		}
	}
}

func TestDefectGapThenRewindLosesEvents(t *testing.T) {
	e := parseHistory(t, "INCR 1; INCR 2; INCR 4")
	for i := range e {
		e[i].Origin = "us"
	}
	// 3 arrives before 2, then the reader rewinds to 2.
	if got := renderResult(fold([]event.Event{e[0], e[2], e[1], e[2]}).View(testKey, 1000)); got != "string 7" {
		t.Errorf("got %s, want 7", got)
	}
}

func TestDefectTwoProducersOfARegion(t *testing.T) {
	e := parseHistory(t, "INCR 1; INCR 2")
	for i := range e {
		e[i].Origin, e[i].Seq, e[i].Lane.Slot = "us", 1, uint16(i)
	}
	if got := renderResult(fold(e).View(testKey, 1000)); got != "string 3" {
		t.Errorf("got %s, want 3: equal numbers of two lanes are two events", got)
	}
}

func TestDefectLateStreamEntryDropped(t *testing.T) {
	e := parseHistory(t, "XADD n 1; XADD n 2")
	if got := renderResult(fold([]event.Event{e[1], e[0]}).View(testKey, 1000)); got != "stream 10-0(n=1) 20-1(n=2)" {
		t.Errorf("got %s", got)
	}
}

func TestDefectExpiryStartsAgainOnReplay(t *testing.T) {
	const history = "SET v PXAT 500"
	if live, replayed := viewOf(t, 100, history), viewOf(t, 5000, history); live != "string v until 500" || replayed != "none" {
		t.Errorf("live %s, replayed %s", live, replayed)
	}
}

func TestDefectDeleteMissesOtherTypes(t *testing.T) {
	for _, history := range []string{"SADD m; DEL", "ZADD 1 m; DEL", "HSET f 1; DEL", "XADD n 1; DEL", "INCR 5; DEL", "SADD m; SREM x; HSET f 1; DEL"} {
		if got := viewOf(t, 1000, history); got != "none" {
			t.Errorf("%s: got %s", history, got)
		}
	}
}

// TestOutcomes lists what Apply answers; each history is applied as written,
// so a t= in the past is a late event.
func TestOutcomes(t *testing.T) {
	const a, s = event.Applied, event.Superseded
	for history, want := range map[string][]event.Outcome{
		"SET 1; t=5 SET 2":                      {a, s},
		"SET 1; t=5 DEL":                        {a, s},
		"DEL; DEL":                              {a, a},
		"SET 1; t=5 INCR 1":                     {a, s},
		"SET abc; INCR 1":                       {a, a},
		"SADD m; t=5 SADD m":                    {a, s},
		"SADD m; t=5 SADD m n":                  {a, a},
		"SADD m; t=5 SREM m":                    {a, s},
		"SREM m; t=5 SADD m":                    {a, s},
		"SADD m; = SADD m":                      {a, s},
		"XADD n 1; = XADD n 1":                  {a, s},
		"SREM m":                                {a},
		"ZADD 1 m; t=5 ZADD 2 m":                {a, s},
		"HSET f 1; t=5 HDEL f":                  {a, s},
		"HSET f 1; SADD m; t=15 HSET f 2":       {a, a, a},
		"XADD n 1; t=5 XADD n 2":                {a, a},
		"XTRIM #own; t=5 XADD n 2":              {a, s},
		"XDEL 5-1; t=5 XADD n 2":                {a, s},
		"XTRIM #own; t=5 XTRIM #own":            {a, s},
		"XDEL 5-1; t=9 XDEL 5-1; XDEL 5-1":      {a, s, a},
		"DEL; t=5 XADD n 1; t=7 XDEL 1-0":       {a, s, s},
		"SADD m; DEL; t=15 SADD m; t=15 DEL":    {a, a, s, s},
		"SET 1; = SET 0; = SET 2; = DEL; = DEL": {a, s, a, a, s},
	} {
		var k Key
		events := parseHistory(t, history)
		for i, e := range events {
			if got := k.Apply(e); got != want[i] {
				t.Errorf("%s: event %d: got %s, want %s", history, i+1, got, want[i])
			}
		}
		for i, e := range events {
			if got := k.Apply(e); got != event.Duplicate {
				t.Errorf("%s: event %d again: got %s, want duplicate", history, i+1, got)
			}
		}
	}
}

// A key keeps no memory of what its barrier killed, whichever came first.
func TestBarrierBuriesTheDead(t *testing.T) {
	k := fold(parseHistory(t, "SADD m; ZADD 1 m; HSET f 1; XADD n 1; INCR 1; SREM n; DEL"))
	if len(k.increments)+len(k.elements[Set])+len(k.elements[ZSet])+len(k.elements[Hash])+len(k.stream.entries) != 0 {
		t.Errorf("got %+v, want nothing but the barrier", k)
	}
	for _, typ := range Types() {
		if !k.Newest(typ).IsZero() {
			t.Errorf("newest %s is %v, want none", typ, k.Newest(typ))
		}
	}
}

func TestMinusZeroIsZero(t *testing.T) {
	e := parseHistory(t, "ZADD 1 m")[0] // the parser reads -0 as 0, so the score is set by hand
	e.Args = event.ZAdd{Members: []event.ScoredMember{{Member: []byte("m"), Score: math.Copysign(0, -1)}}}
	v := fold([]event.Event{e}).View(testKey, 0)
	if len(v.Scored) != 1 || math.Signbit(v.Scored[0].Score) {
		t.Errorf("got %v, want 0", v.Scored)
	}
}

func TestTypeOf(t *testing.T) {
	for _, op := range event.Ops() {
		if (TypeOf(op) == None) != (op == event.OpDel) {
			t.Errorf("TypeOf(%s) = %s", op, TypeOf(op))
		}
	}
	for _, typ := range append(Types(), None) {
		if back, ok := ParseType(typ.String()); !ok || back != typ {
			t.Errorf("%s reads back as %s, %v", typ, back, ok)
		}
	}
	if typ, ok := ParseType("list"); ok {
		t.Errorf("list is %s", typ)
	}
}
