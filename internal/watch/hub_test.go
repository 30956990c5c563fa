package watch

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

func seen(offset int64) api.Observation {
	return api.Observation{Kind: api.KindSeen, Region: "us", Topic: "us.events", Offset: offset}
}

func ids(batch []api.Observation) []uint64 {
	out := make([]uint64, len(batch))
	for i, o := range batch {
		out[i] = o.ID
	}
	return out
}

// drain reads what the subscription delivers until nothing more comes.
func drain(s *Subscription) (all []api.Observation) {
	for {
		synctest.Wait()
		select {
		case batch := <-s.C:
			all = append(all, batch...)
		default:
			return all
		}
	}
}

func assertRun(t *testing.T, got []api.Observation, first, last uint64) {
	t.Helper()
	if len(got) != int(last-first+1) {
		t.Fatalf("got ids %v, want %d to %d", ids(got), first, last)
	}
	for i, o := range got {
		if o.ID != first+uint64(i) {
			t.Fatalf("got ids %v, want %d to %d", ids(got), first, last)
		}
	}
}

func TestHubDeliversInOrderAndBatchesWhatGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(time.Unix(1, 0), 100)
		s := h.Subscribe(h.Newest(), 100)
		defer s.Close()
		h.Publish(seen(1))
		synctest.Wait() // the pump holds a batch of one
		h.Publish(seen(2))
		h.Publish(seen(3), seen(4))
		if got := ids(<-s.C); len(got) != 1 || got[0] != 1 {
			t.Errorf("first batch %v, want [1]", got)
		}
		if got := <-s.C; len(got) != 3 {
			t.Errorf("second batch %v, want what gathered meanwhile: [2 3 4]", ids(got))
		}
		if s.Lost() != 0 {
			t.Errorf("lost %d, want 0", s.Lost())
		}
	})
}

func TestHubSlowReaderLosesOldestAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(time.Unix(1, 0), 10)
		s := h.Subscribe(0, 5)
		defer s.Close()
		for i := range int64(100) {
			h.Publish(seen(i))
		}
		got := drain(s)
		if len(got)+int(s.Lost()) != 100 {
			t.Errorf("delivered %d and lost %d, want 100 together", len(got), s.Lost())
		}
		if len(got) > 10 { // five buffered, at most five in the pump's hand
			t.Errorf("delivered %d, want at most the buffer", len(got))
		}
		if last := got[len(got)-1].ID; last != 100 {
			t.Errorf("last delivered %d, want the newest, 100", last)
		}
	})
}

func TestHubResumesFromHistory(t *testing.T) {
	cases := map[string]struct {
		since, first uint64
		lost         uint64
	}{
		"from the middle":              {since: 17, first: 18},
		"from before the history":      {since: 3, first: 11, lost: 7},
		"from the start":               {since: 0, first: 11, lost: 10},
		"exactly where history begins": {since: 10, first: 11},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHub(time.Unix(1, 0), 10)
				for i := range int64(20) {
					h.Publish(seen(i))
				}
				s := h.Subscribe(c.since, 1)
				defer s.Close()
				got := drain(s)
				h.Publish(seen(20))
				assertRun(t, append(got, drain(s)...), c.first, 21)
				if s.Lost() != c.lost {
					t.Errorf("lost %d, want %d", s.Lost(), c.lost)
				}
			})
		})
	}
}

func TestHubPositionOfAnotherEpochStartsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(time.Unix(1, 0), 10)
		h.Publish(seen(0))
		s := h.Subscribe(1_000_000, 10)
		defer s.Close()
		h.Publish(seen(1))
		assertRun(t, drain(s), 2, 2)
	})
	if NewHub(time.Unix(1, 0), 0).Epoch() == NewHub(time.Unix(2, 0), 0).Epoch() {
		t.Error("two starts share an epoch")
	}
}

func TestHubHistoryIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(time.Unix(1, 0), 1000)
		slow := h.Subscribe(0, 1000)
		defer slow.Close()
		value := make([]byte, 512<<10)
		for i := range int64(500) {
			o := seen(i)
			o.Event.Args = event.Set{Value: value}
			h.Publish(o)
		}
		if n := len(h.Recent(1000)); n < 100 || n*len(value) > historyBytes {
			t.Errorf("kept %d values of %d bytes, want about %d bytes", n, len(value), historyBytes)
		}
		got := drain(slow)
		if len(got)+int(slow.Lost()) != 500 || slow.Lost() == 0 {
			t.Errorf("delivered %d and lost %d, want 500 together", len(got), slow.Lost())
		}
		for i := range int64(2000) { // small ones again: the count bounds
			h.Publish(seen(i))
		}
		assertRun(t, h.Recent(5000), 1501, 2500)
	})
}

func TestHubRecent(t *testing.T) {
	h := NewHub(time.Unix(1, 0), 10)
	if got := h.Recent(5); len(got) != 0 {
		t.Errorf("empty hub has %v", ids(got))
	}
	for i := range int64(25) {
		h.Publish(seen(i))
	}
	assertRun(t, h.Recent(3), 23, 25)
	assertRun(t, h.Recent(50), 16, 25)
	if got := h.Recent(0); len(got) != 0 {
		t.Errorf("recent 0 gave %v", ids(got))
	}
}

func TestHubCloseEndsReadersAndIgnoresLatePublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(time.Unix(1, 0), 10)
		before := h.Subscribe(0, 1)
		h.Publish(seen(1))
		h.Close()
		h.Publish(seen(2))
		after := h.Subscribe(0, 1)
		for range before.C {
		}
		for range after.C {
			t.Error("a subscription to a closed hub delivered")
		}
		before.Close()
		after.Close()
	})
}

// A reader that unsubscribes while others publish must neither block nor leak;
// synctest fails the test when a goroutine stays behind.
func TestHubUnsubscribeWhilePublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(time.Unix(1, 0), 10)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range int64(200) {
					h.Publish(seen(i))
				}
			})
			wg.Go(func() {
				for range 50 {
					s := h.Subscribe(0, 3)
					<-s.C
					s.Close()
				}
			})
		}
		wg.Wait()
		if h.Newest() != 800 {
			t.Errorf("newest %d, want 800", h.Newest())
		}
	})
}
