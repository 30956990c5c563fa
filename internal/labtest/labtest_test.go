//go:build synctests

package labtest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

func write(w *World, region string, values ...int) {
	w.T.Helper()
	log := w.Log(region)
	for _, v := range values {
		_, err := log.AppendSync(w.T.Context(), event.Record{
			Topic: geo.Topic(region), Partition: int32(v % geo.Partitions), Key: []byte("k"),
			Value: []byte(strconv.Itoa(v)), TimestampMS: w.Wall(region)().UnixMilli(),
		})
		w.check(err)
	}
}

// stored are the different values of a topic in a region, sorted.
func stored(w *World, region, topic string) (out []int) {
	w.T.Helper()
	log, ctx := w.Log(region), w.T.Context()
	starts, err := log.Starts(ctx, topic)
	w.check(err)
	ends, err := log.Ends(ctx, topic)
	w.check(err)
	w.check(log.Scan(ctx, starts, ends, func(r event.Record) error {
		v, err := strconv.Atoi(string(r.Value))
		out = append(out, v)
		return err
	}))
	slices.Sort(out)
	return slices.Compact(out)
}

func want(w *World, region, topic string, values ...int) {
	w.T.Helper()
	if got := stored(w, region, topic); !slices.Equal(got, values) {
		w.T.Errorf("%s in %s: %v, want %v", topic, region, got, values)
	}
}

func TestPartitionOfTenMinutes(t *testing.T) {
	Run(t, geo.Default(), func(t *testing.T, w *World) {
		began := time.Now()
		write(w, "us", 1)
		w.AwaitMirrored()
		w.Isolate("us")
		write(w, "us", 2)
		write(w, "eu", 1)
		time.Sleep(10 * time.Minute)
		want(w, "eu", "us.events", 1)
		want(w, "us", "eu.events")
		want(w, "ap", "eu.events", 1)
		w.HealAll()
		w.AwaitMirrored()
		for _, region := range w.Topology.Names() {
			want(w, region, "us.events", 1, 2)
			want(w, region, "eu.events", 1)
		}
		if took := time.Since(began); took > 11*time.Minute {
			t.Errorf("healing took %v", took-10*time.Minute)
		}
	})
}

func TestDelayIsExact(t *testing.T) {
	Run(t, geo.Default(), func(t *testing.T, w *World) {
		write(w, "us", 1)
		w.AwaitMirrored()
		w.Delay("us", "eu", 10*time.Second)
		write(w, "us", 2)
		time.Sleep(9900 * time.Millisecond)
		want(w, "eu", "us.events", 1)
		want(w, "ap", "us.events", 1, 2)
		time.Sleep(200 * time.Millisecond)
		want(w, "eu", "us.events", 1, 2)
	})
}

func TestKafkaOutageOfFiveMinutes(t *testing.T) {
	Run(t, geo.Default(), func(t *testing.T, w *World) {
		w.StopKafka("eu")
		write(w, "us", 1, 2, 3)
		time.Sleep(5 * time.Minute)
		w.StartKafka("eu")
		back := time.Now()
		w.Await("records of us in eu", func() bool { return len(stored(w, "eu", "us.events")) == 3 })
		if took := time.Since(back); took > 3*time.Second {
			t.Errorf("flows resumed after %v", took)
		}
	})
}

func TestSkewedClockMeetsTheBound(t *testing.T) {
	Run(t, geo.Default(), func(t *testing.T, w *World) {
		ahead := event.Record{Topic: "us.events", Key: []byte("k"), Value: []byte("1"), TimestampMS: time.Now().Add(10 * time.Second).UnixMilli()}
		if _, err := w.Log("us").AppendSync(t.Context(), ahead); err == nil {
			t.Error("a stamp 10 s ahead was taken")
		}
		w.Skew("us", 10*time.Second)
		if _, err := w.Log("us").AppendSync(t.Context(), ahead); err != nil {
			t.Errorf("by a clock 10 s ahead: %v", err)
		}
	})
}

func TestRedisOnTheBubblesClock(t *testing.T) {
	Run(t, geo.Default(), func(t *testing.T, w *World) {
		db := w.View("eu")
		w.Skew("eu", time.Minute)
		now, rtt, err := db.Time(t.Context())
		w.check(err)
		if ahead := now.Sub(time.Now()); rtt != 0 || ahead < time.Minute-time.Millisecond || ahead > time.Minute {
			t.Errorf("clock of eu's Redis is %v ahead (round trip %v), want 1m", ahead, rtt)
		}
		w.StopRedis("eu")
		if err := db.Ping(t.Context()); err == nil {
			t.Error("a stopped Redis answered")
		}
		w.StartRedis("eu")
		w.Await("Redis back", func() bool { return db.Ping(t.Context()) == nil })
	})
}

func TestBehindCountsWhatAViewLacks(t *testing.T) {
	Run(t, geo.Default(), func(t *testing.T, w *World) {
		write(w, "us", 1, 2, 3)
		ends, err := w.Log("us").Ends(t.Context(), w.Topology.Topics()...)
		w.check(err)
		if n := w.behind(w.View("us"), ends); n != 3 {
			t.Errorf("an empty view lacks %d records, want 3", n)
		}
		if n := w.behind(w.View("us"), map[wal.Partition]int64{}); n != 0 {
			t.Errorf("behind an empty log: %d", n)
		}
	})
}
