package materializer

import (
	"context"
	"fmt"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view"
)

const (
	publishWithin = time.Second
	publishMax    = 4096 // outcomes per message; catching up, the oldest are left out
)

// count adds a batch to the counters. Without outcomes (the reply was lost) its
// events count as applied.
func (m *Materializer) count(d *draft, outcomes []event.Outcome) {
	c := api.Counters{Consumed: int64(len(d.taken) + len(d.rest))}
	for i := range d.taken {
		if outcomes != nil && outcomes[i] == event.Superseded {
			c.Superseded++
		} else {
			c.Applied++
		}
	}
	for _, s := range d.rest {
		if s.reject != nil {
			c.Rejected++
		} else {
			c.Duplicate++
		}
	}
	m.stats.add(c)
}

// publish tells the region's observers, best effort. Outcomes that are not known
// are left out: observers derive them from the position.
func (m *Materializer) publish(ctx context.Context, sources []*source, d *draft, outcomes []event.Outcome) {
	messages := map[*source]*view.Applied{}
	say := func(s *source, offset int64, outcome event.Outcome) {
		if messages[s] == nil {
			messages[s] = &view.Applied{
				Region: m.cfg.Region.Name, Topic: s.part.Topic, Partition: s.part.Index, AtMS: m.cfg.Wall().UnixMilli(),
			}
		}
		messages[s].Events = append(messages[s].Events, view.AppliedOutcome{Offset: offset, Outcome: outcome})
	}
	for _, s := range d.rest {
		say(s.from, s.record.Offset, s.outcome())
	}
	for i, t := range d.taken {
		if outcomes != nil {
			say(t.from, t.offset, outcomes[i])
		}
	}
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	for _, s := range sources {
		message := messages[s]
		if message == nil {
			continue
		}
		message.Events = message.Events[max(0, len(message.Events)-publishMax):]
		if err := m.cfg.View.Publish(ctx, *message); err != nil {
			m.log.Debug("publish outcomes", "partition", s.part.String(), "error", err)
			return
		}
	}
}

func (s skipped) outcome() event.Outcome {
	if s.reject != nil {
		return event.Rejected
	}
	return event.Duplicate
}

// quarantine puts the batch's rejected records aside. It comes after the apply,
// so a crash in between leaves a record out of the quarantine, never in it twice
// for one pass; the log has it in any case.
func (m *Materializer) quarantine(d *draft) {
	for _, s := range d.rest {
		if s.reject == nil {
			continue
		}
		if m.cfg.Quarantine != nil {
			m.cfg.Quarantine.Keep(s.record, s.reject)
		}
		m.stats.alarms.Raise(api.AlarmRejected, s.record.Topic, fmt.Sprintf("last at %s/%d offset %d: %v",
			s.record.Topic, s.record.Partition, s.record.Offset, s.reject), "it counts nowhere; the record and the reason are in the topic "+QuarantineTopic+" of this region's Kafka")
	}
}
