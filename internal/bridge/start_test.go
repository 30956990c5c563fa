package bridge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/view"
)

// A process that starts in the millisecond of the newest record, which its view
// does not have yet, must not make that record's stamp again. Its predecessor
// filled the millisecond: only a later one is free for certain.
func TestRestartInTheMillisecondOfTheNewestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		seen := map[hlc.Timestamp]bool{}
		last := hlc.Timestamp{}
		for range 5 {
			b := g.open()
			for range 20 {
				at := stampOf(g.write(b, "xadd feed * f v"))
				if seen[at] || !at.After(last) {
					t.Fatalf("stamp %v after %v, made before: %v", at, last, seen[at])
				}
				seen[at], last = true, at
			}
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Under another index the region's stamps could be another region's: the bridge
// refuses to start, at once or as soon as the log can be read.
func TestWrongRegionIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.write(g.open(), "incr k")
		wrong := bridge.Config{
			Region: geo.Region{Name: "eu", Index: 0}, Log: g.log, Codec: g.codec,
			Guard: g.redis, Positions: g.redis, Leases: g.redis,
		}
		if _, err := bridge.Open(t.Context(), wrong); fail.CodeOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("open: %v, want USAGE with a hint", err)
		}
		g.log.set(func() { g.log.down = true })
		b, err := bridge.Open(t.Context(), wrong)
		if err != nil {
			t.Fatal(err)
		}
		stop := g.run(b)
		defer stop()
		g.log.set(func() { g.log.down = false })
		time.Sleep(10 * time.Second)
		if _, err := b.Write(t.Context(), op(t, "incr k")); fail.CodeOf(err) != fail.Usage {
			t.Errorf("write: %v, want USAGE", err)
		}
	})
}

// A record that somebody else put there with another index stops no bridge that
// has records of its own.
func TestStrayRecordOfAnotherIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		for _, key := range []string{"a", "b", "c", "d"} { // several partitions
			g.write(g.open(), "incr "+key)
		}
		stray := g.log.records[geo.PartitionOf([]byte("a"))][0]
		e, err := g.codec.Decode(t.Context(), stray)
		if err != nil {
			t.Fatal(err)
		}
		e.HLC.Region, e.Seq = 7, 2
		if stray.Value, err = g.codec.Encode("eu.events", e); err != nil {
			t.Fatal(err)
		}
		if err := g.log.Append(stray, func(int64, error) {}); err != nil {
			t.Fatal(err)
		}
		g.write(g.open(), "incr a")
	})
}

// A Redis that tells its time but lets nobody read: the alarm of the start stays,
// and so does that of a write, until the view can be read, with a write or without.
func TestViewThatMayNotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.redis.noReads = true
		b := g.open()
		began := time.Now().UnixMilli()
		stop := g.run(b)
		defer stop()
		aMinute := func() { time.Sleep(time.Minute) }
		for step, act := range []func(){func() {}, aMinute, func() { g.write(b, "incr k") }, aMinute} {
			act()
			alarms := b.State().Alarms
			if len(alarms) != 1 || alarms[0].Code != api.AlarmViewUnreadable || alarms[0].SinceMS != began {
				t.Errorf("step %d: alarms %+v, want one since %d", step, alarms, began)
			}
		}
		ahead := hlc.Timestamp{Physical: time.Now().Add(11 * time.Second).UnixMilli(), Region: uint8(eu.Index)}
		g.redis.set(func() { g.redis.noReads, g.redis.positions["eu.events"] = false, ahead })
		time.Sleep(11 * time.Second)
		if alarmed(b, api.AlarmViewUnreadable) {
			t.Errorf("alarms %+v though it can be read again", b.State().Alarms)
		}
		if r := g.write(b, "incr k"); !stampOf(r).After(ahead) {
			t.Errorf("stamp %v, not after %v of the view", stampOf(r), ahead)
		}
	})
}

// The positions are read within the time for one answer, from a distant Redis too.
func TestStartReadsThePositionsOfADistantRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		b := g.openWith(func(c *bridge.Config) { c.Positions = distant{g.redis} })
		if alarmed(b, api.AlarmViewUnreadable) {
			t.Errorf("alarms %+v", b.State().Alarms)
		}
	})
}

// distant needs 150 ms for a round trip.
type distant struct{ *fakeRedis }

func (d distant) Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error) {
	time.Sleep(150 * time.Millisecond)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return d.fakeRedis.Positions(ctx, topic, partitions...)
}
