package tui

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
)

// TestFeedDropsTheOldestAndCounts: the stream is never held up.
func TestFeedDropsTheOldestAndCounts(t *testing.T) {
	f := newFeed(10)
	for n := range int64(25) {
		f.push(News{Observations: []api.Observation{seenIn(one(n), "us", 1)}})
	}
	f.push(News{Lost: 3})
	n := f.take()
	if len(n.observations) != 10 || n.dropped != 15 || n.lost != 3 || n.observations[9].Event.Seq != 25 {
		t.Errorf("%d waiting, %d dropped, %d lost", len(n.observations), n.dropped, n.lost)
	}
	if n := f.take(); len(n.observations) != 0 || n.dropped != 0 {
		t.Error("news is delivered twice")
	}
}

// TestFeedPacesDeliveries: however much comes, the program gets at most one
// message per interval, with everything in it.
func TestFeedPacesDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := newFeed(feedLimit)
		go func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				f.push(News{Observations: []api.Observation{seenIn(one(n), "us", 1)}})
				time.Sleep(500 * time.Microsecond)
			}
		}()
		began, messages, observations := time.Now(), 0, 0
		for time.Since(began) < 10*time.Second {
			m := f.next(ctx)().(feedMsg)
			messages++
			observations += len(m.observations)
		}
		stop()
		if limit := int(10*time.Second/feedInterval) + 1; messages > limit || observations < 19_500 {
			t.Errorf("%d messages with %d observations, want at most %d messages with all 20000", messages, observations, limit)
		}
		time.Sleep(time.Millisecond) // in virtual time: the producer ends
	})
}

// TestFeedAsksAgain: a source that refuses is asked again, and it is said.
func TestFeedAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := newFeed(10)
		source := &refusing{}
		ended := make(chan struct{})
		go func() { f.run(ctx, source); close(ended) }()
		time.Sleep(5 * time.Second)
		if n := f.take(); source.asked < 2 || n.connected || n.down == nil || !n.fresh {
			t.Errorf("asked %d times, down %v", source.asked, n.down)
		}
		stop()
		<-ended
	})
}

type refusing struct{ asked int }

func (r *refusing) Follow(context.Context, int, func(News) error) error {
	r.asked++
	return errors.New("no")
}
