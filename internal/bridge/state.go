package bridge

import (
	"sync/atomic"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// State is a bridge's condition, for status and metrics.
type State struct {
	Ready       bool
	Holder      string        // this process in leases
	Slot        int           // -1 before the start
	Leased      bool          // the slot is a leased one
	Lane        string        // slot.incarnation
	ClockOffset time.Duration // wall minus Redis' clock; 0 when never checked
	ClockAhead  time.Duration // HLC ahead of the wall
	Counters    Counters
	Alarms      []api.Alarm // by code
}

// Counters of a bridge since its start.
type Counters struct {
	Durable     int64 `json:"durable"`      // answered durable
	Failed      int64 `json:"failed"`       // answered with an error
	Unknown     int64 `json:"unknown"`      // answered unknown
	Appended    int64 `json:"appended"`     // records acknowledged by Kafka, late ones included
	Lost        int64 `json:"lost"`         // records Kafka's client reported as failed
	Pending     int64 `json:"pending"`      // records whose fate is open
	LanesClosed int64 `json:"lanes_closed"` // by a failed record
	Repeated    int64 `json:"repeated"`     // repeats of an event id answered without a new append
	Unguarded   int64 `json:"unguarded"`    // writes accepted without reading the view
}

// State returns the condition now.
func (b *Bridge) State() State {
	s := State{Ready: b.ready.Load(), Holder: b.holder, Slot: noSlot, ClockAhead: b.clock.Ahead()}
	s.ClockOffset, _ = b.check.estimate()
	b.mu.Lock()
	if b.lane != nil {
		s.Slot, s.Lane = int(b.lane.id.Slot), b.lane.id.String()
		s.Leased = s.Slot == b.slots.held
	}
	b.mu.Unlock()
	s.Counters, s.Alarms = b.counts.read(), b.alarms.List()
	return s
}

type counters struct {
	durable, failed, unknown, appended, lost, pending, lanesClosed, repeated, unguarded atomic.Int64
}

func (c *counters) answered(r event.Receipt, err error) {
	switch {
	case err != nil:
		c.failed.Add(1)
	case r.Outcome == event.Durable:
		c.durable.Add(1)
	default:
		c.unknown.Add(1)
	}
}

func (c *counters) settled(err error) {
	c.pending.Add(-1)
	if err == nil {
		c.appended.Add(1)
	} else {
		c.lost.Add(1)
	}
}

func (c *counters) read() Counters {
	return Counters{
		Durable: c.durable.Load(), Failed: c.failed.Load(), Unknown: c.unknown.Load(),
		Appended: c.appended.Load(), Lost: c.lost.Load(), Pending: c.pending.Load(),
		LanesClosed: c.lanesClosed.Load(), Repeated: c.repeated.Load(), Unguarded: c.unguarded.Load(),
	}
}

// ahead raises the alarm about a stamp from the future, until the wall clock is
// past the latest of them.
func (b *Bridge) ahead(t hlc.Timestamp, message string) {
	b.alarms.RaiseUntil(t.Time().Add(time.Millisecond), api.AlarmClockAhead, "", message, "set the clock of the region that wrote it")
}
