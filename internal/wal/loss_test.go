package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/event"
)

// The log's start moved past the reader: records it needs are gone.
func TestDeletedRecordsStopThePartition(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 10)
	if err := kafka.DeleteRecords(usTopic, 0, 6); err != nil {
		t.Fatal(err)
	}
	lossStopsOnlyItsPartition(t, l, 2, OutOfRange, 6)
}

// The position is past the end: the log lost what had been read.
func TestPositionBeyondTheEndStopsThePartition(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 10)
	lossStopsOnlyItsPartition(t, l, 11, OutOfRange, 3)
}

// lossStopsOnlyItsPartition reads us.events/0 from start, where it must stop
// with kind, while another partition goes on; then it is moved to restart.
func lossStopsOnlyItsPartition(t *testing.T, l *Log, start int64, kind LossKind, restart int64) {
	t.Helper()
	us := Partition{usTopic, 0}
	r := tail(t, l, TailConfig{Topics: []string{usTopic, euTopic}, Start: map[Partition]int64{us: start}})
	loss, got := untilLoss(t, r)
	if loss.Partition != us || loss.Kind != kind || loss.Position != start {
		t.Errorf("got %v, want %s of %v at %d", loss, kind, us, start)
	}
	if len(got) > 0 {
		t.Errorf("got %v from a log with a gap", texts(got))
	}
	fill(t, l, euTopic, 0, 3)
	if got := take(t, r, 3); first(got, Partition{euTopic, 0}) != 0 {
		t.Errorf("the other partition delivers %v", texts(got))
	}
	r.Resume(us) // must not restart it
	fill(t, l, euTopic, 1, 3)
	if got := take(t, r, 3); first(got, us) >= 0 {
		t.Errorf("a stopped partition delivers %v", texts(got))
	}
	r.Seek(map[Partition]Place{us: At(restart)})
	if got := take(t, r, int(10-restart)); first(got, us) != restart {
		t.Errorf("after seek to %d: %v", restart, texts(got))
	}
}

// While the client has no metadata of a partition it lists offsets and moves a
// position that is not in the log to where records are. That must not pass.
func TestPositionIsNotMovedWhileMetadataIsMissing(t *testing.T) {
	for name, start := range map[string]int64{"below the start": 2, "above the end": 12} {
		t.Run(name, func(t *testing.T) {
			kafka := startKafka(t)
			l := openLog(t, kafka)
			fill(t, l, usTopic, 0, 10)
			if err := kafka.DeleteRecords(usTopic, 0, 6); err != nil {
				t.Fatal(err)
			}
			us := Partition{usTopic, 0}
			missing := kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Err: kerr.UnknownTopicOrPartition, Count: 2})
			r := tail(t, l, TailConfig{Partitions: []Partition{us}, Start: map[Partition]int64{us: start}})
			if err := missing.Wait(deadline(t), 2); err != nil {
				t.Fatal(err)
			}
			listed := kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
			if err := listed.Wait(deadline(t), 1); err != nil { // it reads, from wherever
				t.Fatal(err)
			}
			fill(t, openLog(t, kafka), usTopic, 0, 1)
			loss, got := untilLoss(t, r)
			if loss.Kind != OutOfRange || loss.Position != start || len(got) > 0 {
				t.Errorf("got %v and %d records, want out of range at %d", loss, len(got), start)
			}
		})
	}
}

func TestSeekRightAfterTail(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 10)
	us := Partition{usTopic, 0}
	for range 20 {
		r := tail(t, l, TailConfig{Topics: []string{usTopic}, From: AtEnd})
		r.Seek(map[Partition]Place{us: At(7)})
		r.Seek(map[Partition]Place{us: At(4)})
		if got := take(t, r, 6); first(got, us) != 4 {
			t.Fatalf("first offset %d, want 4", first(got, us))
		}
		r.Close()
	}
}

// A new leader's log is shorter than what was read: the client finds out by the
// leader epoch and would go on at the cut.
func TestTruncationStopsThePartition(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 10)
	us := Partition{usTopic, 0}
	r := tail(t, l, TailConfig{Partitions: []Partition{us}})
	take(t, r, 10)

	kafka.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		asked := req.(*kmsg.OffsetForLeaderEpochRequest).Topics[0]
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = asked.Topic
		part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		part.Partition = asked.Partitions[0].Partition
		part.EndOffset = 4 // of 10 records read, the new leader has 4
		part.LeaderEpoch = 0
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if err := kafka.MoveTopicPartition(usTopic, 0, 0); err != nil { // a new epoch
		t.Fatal(err)
	}
	kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: usTopic, Err: kerr.FencedLeaderEpoch})
	loss, got := untilLoss(t, r)
	if loss.Kind != Truncated || loss.Position != 10 {
		t.Errorf("got %v, want truncated at 10", loss)
	}
	if len(got) > 0 {
		t.Errorf("records %v were read again from behind the cut", texts(got))
	}
}

// The log lost records that were read, while nobody read, and grew past the
// position again: the offset looks fine, the epoch in front of it does not.
func TestPositionOfALostEpochStopsThePartition(t *testing.T) {
	us := Partition{usTopic, 0}
	start := map[string]func(t *testing.T, l *Log, at Place) *Reader{
		"group": func(t *testing.T, l *Log, at Place) *Reader {
			return join(t, l, newPositions(), func(c *GroupConfig) {
				c.Start = func(context.Context, []Partition) (map[Partition]Place, error) {
					return map[Partition]Place{us: at}, nil
				}
			}).reader
		},
		"seek before the first record": func(t *testing.T, l *Log, at Place) *Reader {
			r := tail(t, l, TailConfig{Partitions: []Partition{us}})
			r.Seek(map[Partition]Place{us: at})
			return r
		},
	}
	for name, open := range start {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka := startKafka(t)
			l := openLog(t, kafka)
			fill(t, l, usTopic, 0, 9) // epoch 0
			if err := kafka.MoveTopicPartition(usTopic, 0, 0); err != nil {
				t.Fatal(err)
			}
			fill(t, openLog(t, kafka), usTopic, 0, 5) // epoch 1
			for _, good := range []Place{{9, 0}, {10, 1}, At(10), {9, 7}} {
				r := open(t, l, good)
				if got := take(t, r, 14-int(good.Offset)); first(got, us) != good.Offset || got[0].Epoch != 1 {
					t.Errorf("from %+v: %v", good, texts(got))
				}
				r.Close()
			}
			loss, got := untilLoss(t, open(t, l, Place{10, 0})) // record 9 was read from epoch 0
			if loss.Kind != Truncated || loss.Partition != us || loss.Position != 10 || len(got) > 0 {
				t.Errorf("got %v and %v, want truncated at 10", loss, texts(got))
			}
		})
	}
}

// A broker that comes back with its data still knows the epochs: no false loss.
func TestEpochsSurviveARestartOfTheBroker(t *testing.T) {
	us, data := Partition{usTopic, 0}, kfake.DataDir(t.TempDir())
	before := startKafka(t, data)
	fill(t, openLog(t, before), usTopic, 0, 9)
	if err := before.MoveTopicPartition(usTopic, 0, 0); err != nil {
		t.Fatal(err)
	}
	fill(t, openLog(t, before), usTopic, 0, 5)
	before.Close()
	l := openLog(t, startKafka(t, data))
	fill(t, l, usTopic, 0, 1)
	for _, at := range []Place{{9, 0}, {10, 1}, {14, 1}} {
		r := tail(t, l, TailConfig{Partitions: []Partition{us}})
		r.Seek(map[Partition]Place{us: at})
		if got := take(t, r, 15-int(at.Offset)); first(got, us) != at.Offset {
			t.Errorf("from %+v: %v", at, texts(got))
		}
		r.Close()
	}
}

func TestRecreatedTopicStopsItsPartitions(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 3)
	us := Partition{usTopic, 0}
	r := tail(t, l, TailConfig{Partitions: []Partition{us, {euTopic, 0}}})
	take(t, r, 3)
	recreate(t, kafka, usTopic)
	fill(t, openLog(t, kafka), usTopic, 0, 8) // more than were read: the offset alone looks fine
	loss, got := untilLoss(t, r)
	if loss.Partition != us || loss.Kind != Recreated || loss.Position != 3 {
		t.Errorf("got %v, want re-created at 3", loss)
	}
	if len(got) > 0 {
		t.Errorf("got %v of the new topic", texts(got))
	}
	fill(t, l, euTopic, 0, 2)
	if got := take(t, r, 2); first(got, Partition{euTopic, 0}) != 0 {
		t.Errorf("the other topic delivers %v", texts(got))
	}
}

func TestDeletedTopicStopsItsPartitions(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 3)
	us := Partition{usTopic, 0}
	r := tail(t, l, TailConfig{Partitions: []Partition{us}})
	take(t, r, 3)
	if err := kafka.DeleteTopic(usTopic); err != nil {
		t.Fatal(err)
	}
	if loss, _ := untilLoss(t, r); loss.Partition != us || loss.Kind != Deleted {
		t.Errorf("got %v, want deleted", loss)
	}
}

// A small batch that decompresses to far more than any event: a zip bomb.
func TestZipBombStopsThePartition(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	bomber := foreign(t, kafka, kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(64<<20))
	bomb := &kgo.Record{Topic: usTopic, Partition: 0, Value: bytes.Repeat([]byte("0"), 40<<20)}
	if err := bomber.ProduceSync(deadline(t), bomb).FirstErr(); err != nil {
		t.Fatal(err)
	}
	fill(t, l, usTopic, 0, 2)
	us := Partition{usTopic, 0}
	r := tail(t, l, TailConfig{Partitions: []Partition{us}})
	if loss, got := untilLoss(t, r); loss.Kind != Unreadable || loss.Position != 0 || len(got) > 0 {
		t.Errorf("got %v and %d records, want unreadable at 0", loss, len(got))
	}
	r.Seek(map[Partition]Place{us: At(1)})
	if got := texts(take(t, r, 2)); !slices.Equal(got, numbered(0, 2)) {
		t.Errorf("behind the bomb: %v", got)
	}
	err := l.Scan(deadline(t), nil, map[Partition]int64{us: 3}, func(event.Record) error { return nil })
	var loss *DataLossError
	if !errors.As(err, &loss) || loss.Kind != Unreadable {
		t.Errorf("scan: got %v, want unreadable", err)
	}
}

func TestDataLossErrorNamesPlaceAndKind(t *testing.T) {
	err := fmt.Errorf("materialize: %w", &DataLossError{Partition{usTopic, 3}, OutOfRange, 42, kerr.OffsetOutOfRange})
	for _, want := range []string{"us.events/3", "offset 42", "out of range", "OFFSET_OUT_OF_RANGE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Error("the cause is hidden")
	}
	topic := &DataLossError{Partition{usTopic, -1}, Recreated, -1, nil}
	if got, want := topic.Error(), "continue us.events: log re-created"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
