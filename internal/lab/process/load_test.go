//go:build realstack

package process_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// ledger is what writers were told: the other side of what the logs and views
// must say.
type ledger struct {
	mu       sync.Mutex
	durable  map[string]written // by event id
	unknown  map[string]written
	refused  int // certainly not written
	reasons  map[string]int
	byRegion map[string]int
}

type written struct {
	at     time.Time // of the answer
	region string
	key    string
	delta  int64
}

func newLedger() *ledger {
	return &ledger{durable: map[string]written{}, unknown: map[string]written{}, reasons: map[string]int{}, byRegion: map[string]int{}}
}

func (l *ledger) note(op event.Operation, r event.Receipt, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := written{at: time.Now(), region: op.Region, key: string(op.Key)}
	if incr, ok := op.Args.(event.Incr); ok {
		w.delta = incr.Delta
	}
	switch {
	case err != nil:
		l.refused++
		l.reasons[err.Error()]++
	case r.Outcome == event.Durable:
		l.durable[r.EventID] = w
		l.byRegion[op.Region]++
	default:
		l.unknown[r.EventID] = w
	}
}

func (l *ledger) counts() (durable, unknown, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.durable), len(l.unknown), l.refused
}

func (l *ledger) in(region string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byRegion[region]
}

// load writes at a rate until the returned function is called, which returns
// when every write was answered.
func (w *world) load(l *ledger, rate int, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	slots := make(chan struct{}, 2000) // writes that wait for an answer at most
	writers.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 1))
		began, sent := time.Now(), 0
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for due := int(time.Since(began).Seconds() * float64(rate)); sent < due; sent++ {
				op := randomOperation(rng, w.topology.Names())
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				writers.Go(func() {
					defer func() { <-slots }()
					receipt, err := w.app.Produce(context.Background(), op)
					l.note(op, receipt, err)
				})
			}
		}
	})
	return func() {
		cancel()
		writers.Wait()
	}
}

// randomOperation draws from every type, on few keys, so that regions collide.
func randomOperation(rng *rand.Rand, regions []string) event.Operation {
	pick := func(n int) int { return rng.IntN(n) }
	name := func(prefix string, n int) []byte { return fmt.Appendf(nil, "%s%d", prefix, pick(n)) }
	op := event.Operation{Region: regions[pick(len(regions))]}
	switch d := pick(100); {
	case d < 40:
		op.Key, op.Args = name("count:", 20), event.Incr{Delta: int64(pick(9) + 1)}
	case d < 55:
		op.Key, op.Args = name("text:", 20), event.Set{Value: fmt.Appendf(nil, "v%d", pick(1000))}
	case d < 58:
		op.Key, op.Args = name("text:", 20), event.Del{}
	case d < 70:
		op.Key, op.Args = name("set:", 5), event.SAdd{Members: [][]byte{name("m", 30), name("m", 30)}}
	case d < 76:
		op.Key, op.Args = name("set:", 5), event.SRem{Members: [][]byte{name("m", 30)}}
	case d < 84:
		op.Key, op.Args = name("board:", 5), event.ZAdd{Members: []event.ScoredMember{{Member: name("m", 30), Score: float64(pick(1000))}}}
	case d < 87:
		op.Key, op.Args = name("board:", 5), event.ZRem{Members: [][]byte{name("m", 30)}}
	case d < 95:
		op.Key, op.Args = name("hash:", 5), event.HSet{Fields: []event.FieldValue{{Field: name("f", 20), Value: name("v", 1000)}}}
	default:
		op.Key, op.Args = name("feed:", 3), event.XAdd{Fields: []event.FieldValue{{Field: []byte("n"), Value: name("", 1000)}}}
	}
	return op
}

// sightings are when each event was seen and applied, in milliseconds.
type sightings struct {
	mu            sync.Mutex
	seen, applied map[string]map[string]int64 // event id -> region -> at
	duplicates    int
}

// watch notes the observations of the application until the returned function
// is called.
func (w *world) watch() (*sightings, func()) {
	s := &sightings{seen: map[string]map[string]int64{}, applied: map[string]map[string]int64{}}
	hub := w.app.Events()
	sub := hub.Subscribe(hub.Newest(), 1<<18)
	var reading sync.WaitGroup
	reading.Go(func() {
		for batch := range sub.C {
			s.add(batch)
		}
	})
	return s, func() {
		sub.Close()
		reading.Wait()
		if lost := sub.Lost(); lost > 0 {
			w.Errorf("the watcher lost %d observations", lost)
		}
	}
}

func (s *sightings) add(batch []api.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range batch {
		of := s.seen
		if o.Kind == api.KindApplied {
			of = s.applied
			if o.Outcome == event.Duplicate {
				s.duplicates++
				continue
			}
		}
		if of[o.Event.ID] == nil {
			of[o.Event.ID] = map[string]int64{}
		}
		if _, again := of[o.Event.ID][o.Region]; !again {
			of[o.Event.ID][o.Region] = o.AtMS
		}
	}
}

// latencies are times from the acknowledgement of a write.
type latencies struct {
	local, all, mirrored []time.Duration
}

// latency compares what was seen with when the writer was told. A write that
// was applied before its writer knew counts as 0.
func (s *sightings) latency(l *ledger, regions int) (out latencies) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	since := func(w written, ms int64) time.Duration { return max(0, time.UnixMilli(ms).Sub(w.at)) }
	for id, w := range l.durable {
		if at, ok := s.applied[id][w.region]; ok {
			out.local = append(out.local, since(w, at))
		}
		if len(s.applied[id]) == regions {
			last := int64(0)
			for _, at := range s.applied[id] {
				last = max(last, at)
			}
			out.all = append(out.all, since(w, last))
		}
		home, ok := s.seen[id][w.region]
		for region, at := range s.seen[id] {
			if ok && region != w.region {
				out.mirrored = append(out.mirrored, max(0, time.Duration(at-home)*time.Millisecond))
			}
		}
	}
	return out
}
