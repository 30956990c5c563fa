package materializer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/polltest"
	"github.com/geokv/geokv/internal/wal"
)

// An election that loses records while the materializer is away: when it comes
// back the log is longer than the position again, with other records before it.
// The position's epoch tells; without the loss it goes on over any election.
func TestLogThatWasCutAndGrewAgainStopsThePartition(t *testing.T) {
	server := miniredis.RunT(t)
	s := newSite(t, "redis://"+server.Addr())
	key := []byte("k")
	p := wal.Partition{Topic: "us.events", Index: geo.PartitionOf(key)}
	var events []event.Event
	write := func(n int) {
		from := len(events)
		for i := from; i < from+n; i++ {
			events = append(events, event.Event{
				Version: 1, MinVersion: 1, ID: fmt.Sprint(i), Origin: "us", HLC: hlc.Timestamp{Physical: s.now - 1000 + int64(i)},
				Lane: seven, Seq: int64(i) + 1, Key: key, Args: event.Incr{Delta: 1},
			})
		}
		s.append(events[from:]...)
	}
	elect := func() {
		if err := s.kafka.MoveTopicPartition(p.Topic, p.Index, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // elections that lose nothing, with and without records in between
		write(3)
		m, stop := s.run(s.db, nil)
		s.awaitEnd(m)
		elect()
		stop()
	}
	m, stop := s.run(s.db, nil)
	write(3) // offsets 9 to 11, of epoch 3
	s.awaitEnd(m)
	stop()
	s.wantFold(events)

	// What the view would hold if its last record had been of the epoch before,
	// and the new leader had not had it.
	raw := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer raw.Close()
	if err := raw.HSet(t.Context(), fmt.Sprintf("geokv:pos:%s:%d", p.Topic, p.Index), "off", 10, "epoch", "2@10").Err(); err != nil {
		t.Fatal(err)
	}
	m, stop = s.run(s.db, nil)
	polltest.Until(t, "the loss is seen", func() bool { return strings.Contains(blockedOf(m.State(), p), string(wal.Truncated)) })
	stop()
	if pos, err := s.db.Position(deadline(t), p.Topic, p.Index); err != nil || pos.Offset != 10 {
		t.Errorf("position %+v (%v), want 10: nothing may be applied behind the loss", pos, err)
	}
}
