package wal

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

func TestAppendKeepsEveryPartOfARecord(t *testing.T) {
	l := openLog(t, startKafka(t))
	want := []event.Record{
		{Topic: usTopic, Partition: 7, Offset: 0, Key: []byte("k"), Value: []byte{0, 0xff}, TimestampMS: 1},
		{Topic: usTopic, Partition: 7, Offset: 1, Key: nil, Value: nil, TimestampMS: 1_700_000_000_123},
		{Topic: usTopic, Partition: 7, Offset: 2, Key: []byte{}, Value: []byte{}, TimestampMS: 5, Headers: []event.Header{
			{Key: "a", Value: []byte{1, 0}}, {Key: "a", Value: []byte("2")}, {Key: "", Value: nil},
		}},
	}
	offsets, err := l.AppendSync(deadline(t), want...)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(offsets, []int64{0, 1, 2}) {
		t.Errorf("got offsets %v, want 0 1 2", offsets)
	}
	var got []event.Record
	if err := l.Scan(deadline(t), nil, map[Partition]int64{{usTopic, 7}: 3}, func(r event.Record) error {
		got = append(got, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

// A record ends durable, lost or unknown, and what is said must be true of the
// log. After every fault the log must be usable again.
func TestAppendOutcomes(t *testing.T) {
	for _, test := range []struct {
		fault  *kerr.Error
		count  int
		want   error // nil: durable
		stored int   // how often the record is in the log
	}{
		{kerr.NotLeaderForPartition, 3, nil, 1},
		{kerr.UnknownTopicOrPartition, 6, nil, 1}, // the client's default gives up after 4
		{kerr.NotEnoughReplicas, 3, nil, 1},
		{kerr.NotEnoughReplicasAfterAppend, 2, nil, 1}, // stored each time
		{kerr.RequestTimedOut, 2, nil, 1},
		{kerr.KafkaStorageError, 2, nil, 1},
		{kerr.MessageTooLarge, 1, ErrLost, 0},
		{kerr.InvalidTimestamp, 1, ErrLost, 0},
		{kerr.TopicAuthorizationFailed, 1, ErrLost, 0},
		{kerr.OutOfOrderSequenceNumber, 1, ErrUnknown, 0},
		{kerr.UnknownProducerID, 1, ErrUnknown, 0},
		{kerr.UnknownServerError, 1, ErrUnknown, 0},
	} {
		t.Run(test.fault.Message, func(t *testing.T) {
			t.Parallel()
			kafka := startKafka(t)
			l := openLog(t, kafka)
			fill(t, l, usTopic, 3, 1) // the client has a producer id and has written before
			fault := kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: test.fault, Count: test.count})

			got := await(t, appendAsync(t, l, record(usTopic, 3, 1)))
			if !errors.Is(got.err, test.want) {
				t.Errorf("got %v, want %v", got.err, test.want)
			}
			if test.want == nil && got.offset != 1 || test.want != nil && got.offset != -1 {
				t.Errorf("got offset %d", got.offset)
			}
			if fault.Hits() != test.count {
				t.Errorf("fault fired %d times, want %d", fault.Hits(), test.count)
			}
			if n := len(values(t, l, Partition{usTopic, 3})) - 1; n != test.stored {
				t.Errorf("record is %d times in the log, want %d", n, test.stored)
			}
			if again := await(t, appendAsync(t, l, record(usTopic, 3, 2))); again.err != nil {
				t.Errorf("append after the fault: %v", again.err)
			}
		})
	}
}

// The broker stores the record, then the connection breaks before the answer.
func TestAppendLostAnswerStoresOnce(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	fill(t, l, usTopic, 0, 1)
	network.loseAnswers(3)
	got := await(t, appendAsync(t, l, record(usTopic, 0, 1)))
	if got.err != nil || got.offset != 1 {
		t.Errorf("got offset %d, %v, want 1, durable", got.offset, got.err)
	}
	if v := values(t, l, Partition{usTopic, 0}); !slices.Equal(v, numbered(0, 2)) {
		t.Errorf("log holds %v", v)
	}
}

// A refusal is certain only when no earlier try went unanswered: here the record
// is in the log although the last word of the broker is a refusal.
func TestAppendRefusedAfterLostAnswerIsUnknown(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	fill(t, l, usTopic, 0, 1)
	network.loseAnswers(1)
	var first kmsg.Request
	kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed,
		When: func(r kmsg.Request) bool { // the permission is withdrawn after the first try
			if first == nil {
				first = r
			}
			return r != first
		},
	})
	got := await(t, appendAsync(t, l, record(usTopic, 0, 1)))
	if !errors.Is(got.err, ErrUnknown) {
		t.Errorf("got %v, want unknown", got.err)
	}
	if v := values(t, l, Partition{usTopic, 0}); !slices.Equal(v, numbered(0, 2)) {
		t.Errorf("log holds %v: the fault was not what the test is about", v)
	}
}

func TestAppendKeepsOrderPerPartitionThroughFaults(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	const n = 600
	var done sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		switch i {
		case 100:
			network.loseAnswers(2)
		case 300:
			kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 5})
		}
		done.Add(1)
		err := l.Append(record(usTopic, int32(i%3), i), func(_ int64, err error) {
			if err != nil {
				failed <- err
			}
			done.Done()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	for p := range int32(3) {
		var want []string
		for i := int(p); i < n; i += 3 {
			want = append(want, fmt.Sprintf("v%d", i))
		}
		if got := values(t, l, Partition{usTopic, p}); !slices.Equal(got, want) {
			t.Errorf("partition %d: got %d records %v...", p, len(got), got[:min(5, len(got))])
		}
	}
}

func TestAppendFullTakesNothing(t *testing.T) {
	for name, bound := range map[string]func(*Config){
		"records": func(c *Config) { c.MaxBufferedRecords = 3 },
		"bytes":   func(c *Config) { c.MaxBufferedBytes = 10 }, // 3 bytes a record
	} {
		t.Run(name, func(t *testing.T) {
			kafka, network := startKafka(t), newNetwork(nil)
			l := openLog(t, kafka, network.use, bound)
			network.setDown(true)
			var taken []<-chan appendResult
			for i := range 3 {
				taken = append(taken, appendAsync(t, l, record(usTopic, 0, i)))
			}
			err := l.Append(record(usTopic, 0, 3), func(int64, error) { t.Error("done was called for a record that was not taken") })
			if !errors.Is(err, ErrFull) {
				t.Fatalf("got %v, want ErrFull", err)
			}
			if n := l.Buffered(); n != 3 {
				t.Errorf("%d buffered, want 3", n)
			}
			network.setDown(false)
			for i, ch := range taken {
				if got := await(t, ch); got.err != nil || got.offset != int64(i) {
					t.Errorf("record %d: offset %d, %v", i, got.offset, got.err)
				}
			}
			if err := l.Flush(deadline(t)); err != nil {
				t.Fatal(err)
			}
			if got := await(t, appendAsync(t, l, record(usTopic, 0, 3))); got.err != nil {
				t.Errorf("after the buffer emptied: %v", got.err)
			}
			if got := values(t, l, Partition{usTopic, 0}); !slices.Equal(got, numbered(0, 4)) {
				t.Errorf("log holds %v", got)
			}
		})
	}
}

func TestAppendSyncWaitsForRoom(t *testing.T) {
	l := openLog(t, startKafka(t), func(c *Config) { c.MaxBufferedRecords = 2 })
	fill(t, l, usTopic, 5, 50)
	if got := values(t, l, Partition{usTopic, 5}); !slices.Equal(got, numbered(0, 50)) {
		t.Errorf("log holds %v", got)
	}
}

func TestAppendSyncDeadlineIsUnknownAndTheRecordStaysQueued(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	network.setDown(true)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	offsets, err := l.AppendSync(ctx, record(usTopic, 0, 0))
	if !errors.Is(err, ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want unknown because of the deadline", err)
	}
	if !slices.Equal(offsets, []int64{-1}) {
		t.Errorf("got offsets %v", offsets)
	}
	network.setDown(false)
	if err := l.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got := values(t, l, Partition{usTopic, 0}); !slices.Equal(got, numbered(0, 1)) {
		t.Errorf("log holds %v", got)
	}
}

func TestCloseEndsQueuedRecordsAsUnknownOnce(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	network.setDown(true)
	a, b := appendAsync(t, l, record(usTopic, 0, 0)), appendAsync(t, l, record(usTopic, 1, 0))
	l.Close()
	for _, ch := range []<-chan appendResult{a, b} {
		if got := await(t, ch); !errors.Is(got.err, ErrUnknown) {
			t.Errorf("got %v, want unknown", got.err)
		}
	}
	if err := l.Append(record(usTopic, 0, 1), func(int64, error) { t.Error("done was called") }); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: got %v, want ErrClosed", err)
	}
	l.Close() // twice is fine
	if len(a) > 0 || len(b) > 0 {
		t.Error("done was called twice")
	}
}

// A topic that was made again is another log. Producing on would put numbers
// into it that continue a lane whose beginning is gone.
func TestAppendStopsWhenTheTopicWasRecreated(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 3)
	recreate(t, kafka, usTopic)

	got := await(t, appendAsync(t, l, record(usTopic, 0, 3)))
	if got.err == nil {
		t.Fatal("the record was appended to the new topic")
	}
	err := l.Append(record(usTopic, 0, 4), func(int64, error) { t.Error("done was called") })
	var loss *DataLossError
	if !errors.As(err, &loss) || loss.Kind != Recreated {
		t.Errorf("got %v, want a re-created topic", err)
	}
	if got := await(t, appendAsync(t, l, record(euTopic, 0, 0))); got.err != nil {
		t.Errorf("append to another topic: %v", got.err)
	}
	if got := values(t, openLog(t, kafka), Partition{usTopic, 0}); len(got) != 0 {
		t.Errorf("new topic holds %v", got)
	}
}

func recreate(t testing.TB, kafka *kfake.Cluster, topic string) {
	t.Helper()
	if err := kafka.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := kafka.CreateTopic(topic, geo.Partitions, nil); err != nil {
		t.Fatal(err)
	}
}

// Through a wrong password records stay queued, as through any other outage.
func TestAppendStaysQueuedWhileTheLoginIsRefused(t *testing.T) {
	kafka := startKafka(t, kfake.EnableSASL(), kfake.Superuser(Plain, "geokv", "right"))
	l := openLog(t, kafka, func(c *Config) { c.SASL = &SASL{Plain, "geokv", "wrong"} })
	outcome := appendAsync(t, l, record(usTopic, 0, 0))
	if code := fail.CodeOf(l.Ping(deadline(t))); code != fail.NotAllowed {
		t.Errorf("ping says %s", code)
	}
	if n := l.Buffered(); n != 1 {
		t.Errorf("%d buffered, want 1", n)
	}
	l.Close()
	if got := await(t, outcome); !errors.Is(got.err, ErrUnknown) {
		t.Errorf("got %v, want unknown", got.err)
	}
}
