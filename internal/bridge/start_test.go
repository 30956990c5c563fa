package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
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
