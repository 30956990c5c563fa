package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/wal"
)

// The table was lost: a repeat finds what was written before in the log, counts
// once, and from then on the table has its receipt again.
func TestRepeatAfterTheTableWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		a, b := g.open(), g.open()
		stopA, stopB := g.run(a), g.run(b)
		defer stopA()
		defer stopB()
		ops := map[string]string{
			"id-incr": "incr k", "id-set": "set k 7 px 90000", "id-add": "sadd s a b", "id-zadd": "zadd z -0 m",
			"id-hset": "hset h f v", "id-xadd": "xadd x * f v", "id-del": "del k",
		}
		first := map[string]event.Receipt{}
		for id, line := range ops {
			first[id] = g.once(a, line, id)
		}
		g.write(a, "incr k")
		time.Sleep(8 * time.Minute)
		g.redis.loseTable()
		time.Sleep(time.Minute)
		for id, line := range ops {
			for _, again := range []*bridge.Bridge{b, a} {
				if r := g.once(again, line, id); r != first[id] {
					t.Errorf("repeat of %s: %+v, want %+v", line, r, first[id])
				}
			}
			if n := g.inLog(id); n != 1 {
				t.Errorf("%s is in the log %d times", id, n)
			}
		}
		g.redis.loseTable()
		if _, err := b.Write(t.Context(), withID(t, "incr k 2", "id-incr")); fail.CodeOf(err) != fail.Rejected {
			t.Errorf("the id for another operation: %v, want REJECTED", err)
		}
		time.Sleep(11 * time.Minute) // the table remembers by itself again: the log is not read
		c := g.openWith(func(c *bridge.Config) { c.Log = &unreadableLog{fakeLog: g.log} })
		if r := g.once(c, "incr k", "id-new"); r.Outcome != event.Durable {
			t.Errorf("a new id: %+v", r)
		}
	})
}

// The log cannot be read when an id of before the loss must be looked for:
// refused, and the next try looks again, whether it was refused in good order or
// its process died.
func TestLogUnreadableAfterTheTableWasLost(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies %v", dies), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				first := g.once(g.open(), "incr k", "id-1")
				time.Sleep(time.Minute)
				g.redis.loseTable()
				leases := &severedLeases{fakeRedis: g.redis}
				log := &unreadableLog{fakeLog: g.log}
				if dies {
					log.then = leases.kill
				}
				b := g.openWith(func(c *bridge.Config) { c.Leases, c.Log = leases, log })
				if _, err := b.Write(t.Context(), withID(t, "incr k", "id-1")); fail.CodeOf(err) != fail.Unavailable || fail.HintOf(err) == "" {
					t.Errorf("got %v, want UNAVAILABLE with a hint", err)
				}
				if dies {
					time.Sleep(31 * time.Second)
				}
				if r := g.once(g.open(), "incr k", "id-1"); r != first || g.inLog("id-1") != 1 {
					t.Errorf("repeat: %+v, want %+v; %d in the log", r, first, g.inLog("id-1"))
				}
			})
		})
	}
}

// unreadableLog cannot say which records are of what time.
type unreadableLog struct {
	*fakeLog
	then func()
}

func (l *unreadableLog) OffsetsAt(context.Context, int64, ...string) (map[wal.Partition]int64, error) {
	if l.then != nil {
		l.then()
	}
	return nil, errors.New("kafka is down")
}
