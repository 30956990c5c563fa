//go:build synctests

package wal

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/geo"
)

// In a bubble time passes only while every goroutine waits, and then at once:
// an hour of outage takes a millisecond, and "within a second" is exact.

// bubble runs f with a broker and a log on an in-memory network.
func bubble(t *testing.T, f func(t *testing.T, b *bubbled)) {
	synctest.Test(t, func(t *testing.T) {
		var lan kfake.VirtualNetwork
		b := &bubbled{network: newNetwork(lan.DialContext)}
		b.kafka = startKafka(t, kfake.ListenFn(lan.Listen), kfake.Ports(9092))
		f(t, b)
	})
}

type bubbled struct {
	kafka   *kfake.Cluster
	network *network
}

// open returns a log of its own; all dial through the network of the bubble,
// those opened with a network of their own through that.
func (b *bubbled) open(t *testing.T, through ...*network) *Log {
	t.Helper()
	n := b.network
	if len(through) > 0 {
		n = through[0]
	}
	return openLog(t, b.kafka, n.use, func(c *Config) { c.Brokers = []string{"localhost:9092"} })
}

func (b *bubbled) otherNetwork() *network { return newNetwork(b.network.dial) }

// A topic that is unknown for a while must not fail records: a failed record
// closes a lane. The client's default gives up after four answers.
func TestAppendWaitsForATopicThatIsUnknownForMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l := b.open(t)
		r := record("ap.events", 0, 0)
		outcome := appendAsync(t, l, r)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(outcome) > 0 {
			t.Fatalf("gave up: %v", (<-outcome).err)
		}
		if err := b.kafka.CreateTopic("ap.events", geo.Partitions, nil); err != nil {
			t.Fatal(err)
		}
		if got := await(t, outcome); got.err != nil || got.offset != 0 {
			t.Errorf("got offset %d, %v", got.offset, got.err)
		}
	})
}

// Through an outage records stay queued in order, and the first acknowledgement
// comes at once when the broker is back (with the client's defaults: 4 s).
func TestAppendOutlivesAnOutage(t *testing.T) {
	for _, outage := range []time.Duration{300 * time.Millisecond, 30 * time.Second, time.Hour} {
		t.Run(outage.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bubbled) {
				l := b.open(t)
				fill(t, l, usTopic, 0, 1)
				b.network.setDown(true)
				var queued []<-chan appendResult
				for i := 1; i <= 100; i++ {
					queued = append(queued, appendAsync(t, l, record(usTopic, 0, i)))
				}
				time.Sleep(outage)
				b.network.setDown(false)
				back := time.Now()
				if got := await(t, queued[0]); got.err != nil {
					t.Fatal(got.err)
				}
				if took := time.Since(back); took > 600*time.Millisecond {
					t.Errorf("first acknowledgement %v after the broker was back, want 0.6 s at most", took)
				}
				for i, ch := range queued[1:] {
					if got := await(t, ch); got.err != nil || got.offset != int64(i+2) {
						t.Fatalf("record %d: offset %d, %v", i+2, got.offset, got.err)
					}
				}
			})
		})
	}
}

// A broker that takes requests and never answers: a half-open link.
func TestAppendNoticesAHalfOpenLink(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l := b.open(t)
		fill(t, l, usTopic, 0, 1)
		began := time.Now()
		b.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			if time.Since(began) < time.Minute {
				b.kafka.KeepControl()
				return nil, nil, true
			}
			b.kafka.DropControl()
			return nil, nil, false
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if _, err := l.AppendSync(ctx, record(usTopic, 0, 1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Minute+11*time.Second {
			t.Errorf("took %v, want one request timeout (10 s) after the minute at most", took)
		}
		if got := values(t, l, Partition{usTopic, 0}); !slices.Equal(got, numbered(0, 2)) {
			t.Errorf("log holds %v", got)
		}
	})
}

func TestReaderGoesOnAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, writer := b.open(t), b.open(t, b.otherNetwork())
		r := tail(t, l, TailConfig{Topics: []string{usTopic}})
		fill(t, writer, usTopic, 0, 3)
		take(t, r, 3)
		b.network.setDown(true)
		polled := make(chan []string, 1)
		go func() {
			fetch, err := r.Poll(context.Background(), 0)
			if err != nil {
				t.Error(err)
			}
			polled <- texts(fetch.Records)
		}()
		time.Sleep(10 * time.Minute) // Poll waits through it
		fill(t, writer, usTopic, 0, 2)
		b.network.setDown(false)
		back := time.Now()
		if got := await(t, polled); !slices.Equal(got, numbered(0, 2)) {
			t.Errorf("got %v", got)
		}
		if took := time.Since(back); took > 2*time.Second {
			t.Errorf("first record %v after the broker was back", took)
		}
	})
}

// Between a Poll with records and Release no partition changes hands.
func TestRebalanceWaitsForRelease(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, pos := b.open(t), newPositions()
		fill(t, l, usTopic, 0, 5)
		revoked := make(chan int, 10)
		one := join(t, l, pos, func(c *GroupConfig) { c.OnRevoked = func(p []Partition, _ bool) { revoked <- len(p) } })
		take(t, one.reader, 5)
		two := join(t, b.open(t), pos)
		two.run(t, pos)
		time.Sleep(10 * time.Second) // ten heartbeats
		synctest.Wait()
		if len(revoked) > 0 {
			t.Error("partitions were revoked while records were in hand")
		}
		one.reader.Release()
		if got := await(t, revoked); got != 2*geo.Partitions {
			t.Errorf("revoked %d partitions, want all (eager rebalance)", got)
		}
		one.run(t, pos)
		one.owns(t, geo.Partitions)
		two.owns(t, geo.Partitions)
		one.reader.Close()
		two.reader.Close()
	})
}

// Seek in the window in which a member was told of a partition but the client
// does not read it yet: held open here for 20 ms.
func TestGroupSeekWhileBeingAssigned(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, pos := b.open(t), newPositions()
		fill(t, l, usTopic, 0, 10)
		us := Partition{usTopic, 0}
		pos.next[us] = 10 // at the end: without the Seek nothing would ever come
		var w *groupWorker
		joined := make(chan struct{})
		w = join(t, l, pos, func(c *GroupConfig) {
			c.OnAssigned = func([]Partition) {
				<-joined
				go w.reader.Seek(map[Partition]Place{us: At(4)})
				time.Sleep(20 * time.Millisecond)
			}
		})
		close(joined)
		fetch, err := w.reader.Poll(deadline(t), 0)
		if err != nil {
			t.Fatal(err)
		}
		if at := first(fetch.Records, us); at != 4 {
			t.Errorf("first offset %d, want 4", at)
		}
		w.reader.Close()
	})
}

func TestGroupThroughCoordinatorFaults(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, pos := b.open(t), newPositions()
		lost := make(chan bool, 100)
		w := join(t, l, pos, func(c *GroupConfig) { c.OnRevoked = func(_ []Partition, l bool) { lost <- l } })
		w.run(t, pos)
		w.owns(t, 2*geo.Partitions)
		total := int64(0)
		for _, fault := range []*kerr.Error{
			kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress,
			kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration,
		} {
			hit := b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: fault, Count: 1})
			if err := hit.Wait(deadline(t), 1); err != nil {
				t.Fatalf("%v never fired: %v", fault, err)
			}
			for p := range int32(geo.Partitions) {
				fill(t, l, usTopic, p, 3)
			}
			total += 3 * geo.Partitions
			awaitSum(t, pos, total)
		}
		w.reader.Close()
		var sessions int
		for len(lost) > 0 {
			if <-lost {
				sessions++
			}
		}
		if sessions == 0 {
			t.Error("no session was reported lost, although the broker forgot the member")
		}
	})
}

// Several members, records flowing, members coming and going: every record is
// applied once, and what a member applies beyond its time is refused.
func TestGroupRebalanceStorm(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, pos := b.open(t), newPositions()
		base := join(t, l, pos)
		base.run(t, pos)
		base.owns(t, 2*geo.Partitions)
		for round := range 4 {
			guest := join(t, b.open(t), pos)
			guest.run(t, pos)
			for p := range int32(geo.Partitions) {
				fill(t, l, usTopic, p, 10)
			}
			guest.owns(t, geo.Partitions)
			guest.reader.Close()
			if err := await(t, guest.done); !errors.Is(err, ErrClosed) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		awaitSum(t, pos, 4*10*geo.Partitions)
		base.reader.Close()
		want := map[Partition]int64{}
		for p := range int32(geo.Partitions) {
			want[Partition{usTopic, p}] = 40
		}
		pos.mu.Lock()
		defer pos.mu.Unlock()
		maps.DeleteFunc(pos.next, func(_ Partition, n int64) bool { return n == 0 })
		if !maps.Equal(pos.next, want) {
			t.Errorf("positions %v", pos.next)
		}
	})
}

// A member that dies without a word: another one takes its partitions over after
// the session; the same one, restarted with its instance name, at once.
func TestTakeoverOfADeadMember(t *testing.T) {
	for name, test := range map[string]struct {
		dead, heir string
		within     time.Duration
	}{
		"another member":      {"", "", 8 * time.Second},
		"the same, restarted": {"eu-1", "eu-1", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bubbled) {
				pos, cable := newPositions(), b.otherNetwork()
				instance := func(name string) func(*GroupConfig) {
					return func(c *GroupConfig) { c.Instance = name }
				}
				dead := join(t, b.open(t, cable), pos, instance(test.dead))
				dead.run(t, pos)
				dead.owns(t, 2*geo.Partitions)
				cable.setDown(true)
				died := time.Now()
				heir := join(t, b.open(t), pos, instance(test.heir))
				heir.run(t, pos)
				heir.owns(t, 2*geo.Partitions)
				if took := time.Since(died); took > test.within {
					t.Errorf("took over after %v, want %v at most", took, test.within)
				}
				heir.reader.Close()
				dead.reader.Close()
			})
		})
	}
}

// Redis is away for minutes while a member starts: it keeps its membership and
// starts where Redis says, once it says so.
func TestStartMayTakeMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, pos := b.open(t), newPositions()
		fill(t, l, usTopic, 0, 5)
		us := Partition{usTopic, 0}
		pos.next[us] = 3
		calls := 0
		w := join(t, l, pos, func(c *GroupConfig) {
			c.Start = func(ctx context.Context, p []Partition) (map[Partition]Place, error) {
				calls++
				select {
				case <-time.After(3 * time.Minute):
					return pos.start(ctx, p)
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		fetch, err := w.reader.Poll(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if at := first(fetch.Records, us); at != 3 {
			t.Errorf("first offset %d, want 3", at)
		}
		if calls != 1 {
			t.Errorf("start was called %d times: the member lost its session meanwhile", calls)
		}
		w.reader.Close()
	})
}

func TestCloseWhileTheBrokerIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		l, pos := b.open(t), newPositions()
		w := join(t, l, pos)
		w.run(t, pos)
		w.owns(t, 2*geo.Partitions)
		b.network.setDown(true)
		outcome := appendAsync(t, l, record(usTopic, 0, 0))
		began := time.Now()
		l.Close()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("close took %v", took)
		}
		if got := await(t, outcome); !errors.Is(got.err, ErrUnknown) {
			t.Errorf("got %v, want unknown", got.err)
		}
		if err := await(t, w.done); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}
