package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

func scanAll(t testing.TB, l *Log, from, to map[Partition]int64) (map[Partition][]string, error) {
	t.Helper()
	got := map[Partition][]string{}
	next := map[Partition]int64{}
	err := l.Scan(deadline(t), from, to, func(r event.Record) error {
		p := Partition{r.Topic, r.Partition}
		if r.Offset < next[p] {
			t.Errorf("%v: offset %d after %d", p, r.Offset, next[p]-1)
		}
		next[p] = r.Offset + 1
		got[p] = append(got[p], string(r.Value))
		return nil
	})
	return got, err
}

func TestScanReadsExactlyTheRange(t *testing.T) {
	l := openLog(t, startKafka(t, kfake.NumBrokers(3))) // several leaders
	for p := range int32(geo.Partitions) {
		fill(t, l, usTopic, p, 30)
		fill(t, l, euTopic, p, 5)
	}
	from, to := map[Partition]int64{}, map[Partition]int64{}
	for p := range int32(geo.Partitions) {
		from[Partition{usTopic, p}], to[Partition{usTopic, p}] = int64(p), int64(p)+10
		to[Partition{euTopic, p}] = 3 // from the start
	}
	to[Partition{usTopic, 4}] = from[Partition{usTopic, 4}]     // empty
	to[Partition{usTopic, 5}] = from[Partition{usTopic, 5}] - 1 // less than empty
	to[Partition{usTopic, 6}] = 30                              // to the end
	got, err := scanAll(t, l, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for p, end := range to {
		if want := numbered(int(from[p]), int(end)); !slices.Equal(got[p], want) {
			t.Errorf("%v: got %v, want %v", p, got[p], want)
		}
	}
}

func TestScanOfNothing(t *testing.T) {
	l := openLog(t, startKafka(t))
	ends, err := l.Ends(deadline(t), usTopic)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []map[Partition]int64{nil, {}, ends} {
		if got, err := scanAll(t, l, nil, to); err != nil || len(got) != 0 {
			t.Errorf("to %v: got %v, %v", to, got, err)
		}
	}
}

func TestScanReturnsTheErrorOfItsFunction(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 5)
	enough, calls := errors.New("enough"), 0
	err := l.Scan(deadline(t), nil, map[Partition]int64{{usTopic, 0}: 5}, func(event.Record) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if err != enough || calls != 3 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

// The last offsets of a range may hold no record: transaction markers here, and
// what compaction removed below. Waiting for record to-1 would wait for ever.
func TestScanEndsAtATransactionMarker(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	cl := foreign(t, kafka, kgo.TransactionalID("x"))
	for range 2 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(deadline(t), &kgo.Record{Topic: usTopic, Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(deadline(t), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	us := Partition{usTopic, 0}
	for to, want := range map[int64]int{1: 1, 2: 1, 3: 2, 4: 2} { // record, marker, record, marker
		got, err := scanAll(t, l, nil, map[Partition]int64{us: to})
		if err != nil || len(got[us]) != want {
			t.Errorf("to %d: got %v, %v, want %d records", to, got[us], err, want)
		}
	}
}

func TestScanOfACompactedLog(t *testing.T) {
	kafka := startKafka(t)
	at := "compacted.events"
	if err := kafka.CreateTopic(at, 1, map[string]string{"cleanup.policy": "compact", "segment.bytes": "1"}); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, kafka)
	p := Partition{at, 0}
	fill(t, l, at, 0, 6) // all of one key
	kafka.Compact()
	ends, err := l.Ends(deadline(t), at)
	if err != nil {
		t.Fatal(err)
	}
	for to := int64(1); to <= ends[p]; to++ {
		if _, err := scanAll(t, l, nil, map[Partition]int64{p: to}); err != nil {
			t.Errorf("to %d: %v", to, err)
		}
	}
}

func TestScanOutsideTheLog(t *testing.T) {
	t.Parallel()
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 0, 10)
	if err := kafka.DeleteRecords(usTopic, 0, 4); err != nil {
		t.Fatal(err)
	}
	us := Partition{usTopic, 0}
	for name, test := range map[string]struct {
		from, to int64
		kind     LossKind
		position int64
		read     int
	}{
		"below the start": {2, 6, OutOfRange, 2, 0},
		"above the end":   {4, 11, Truncated, 10, 6},
		"all above":       {12, 13, OutOfRange, 12, 0},
	} {
		got, err := scanAll(t, l, map[Partition]int64{us: test.from}, map[Partition]int64{us: test.to})
		var loss *DataLossError
		if !errors.As(err, &loss) || loss.Kind != test.kind || loss.Position != test.position {
			t.Errorf("%s: got %v, want %s at %d", name, err, test.kind, test.position)
		}
		if len(got[us]) != test.read {
			t.Errorf("%s: got %d records, want %d", name, len(got[us]), test.read)
		}
	}
	if _, err := scanAll(t, l, nil, map[Partition]int64{{"ap.events", 0}: 1}); fail.CodeOf(err) != fail.NotFound {
		t.Errorf("missing topic: got %v, want not found", err)
	}
}

func TestScanThroughFaults(t *testing.T) {
	kafka, network := startKafka(t, kfake.NumBrokers(3)), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	to := map[Partition]int64{}
	for p := range int32(geo.Partitions) {
		fill(t, l, usTopic, p, 50)
		to[Partition{usTopic, p}] = 50
	}
	kafka.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 3},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Err: kerr.LeaderNotAvailable, Count: 2},
	)
	for p := range int32(geo.Partitions) {
		if err := kafka.MoveTopicPartition(usTopic, p, (p+1)%3); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	got := map[Partition][]string{}
	err := l.Scan(deadline(t), nil, to, func(r event.Record) error {
		if calls++; calls == 100 { // in the middle
			network.setDown(true)
			network.setDown(false)
			kafka.ShufflePartitionLeaders()
		}
		p := Partition{r.Topic, r.Partition}
		got[p] = append(got[p], string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range to {
		if !slices.Equal(got[p], numbered(0, 50)) {
			t.Errorf("%v: got %d records %v...", p, len(got[p]), got[p][:min(3, len(got[p]))])
		}
	}
}

func TestScanOfATopicRecreatedMeanwhile(t *testing.T) {
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprintf("created again %v", again), func(t *testing.T) {
			kafka := startKafka(t)
			l := openLog(t, kafka)
			fill(t, l, usTopic, 0, 5)
			fill(t, l, usTopic, 1, 5)
			calls := 0
			// More than the log holds, so that the scan must ask again.
			err := l.Scan(deadline(t), nil, map[Partition]int64{{usTopic, 0}: 6}, func(event.Record) error {
				if calls++; calls == 5 {
					if err := kafka.DeleteTopic(usTopic); err != nil {
						t.Error(err)
					}
					if again {
						if err := kafka.CreateTopic(usTopic, geo.Partitions, nil); err != nil {
							t.Error(err)
						}
					}
				}
				return nil
			})
			want := Deleted
			if again {
				want = Recreated
			}
			var loss *DataLossError
			if !errors.As(err, &loss) || loss.Kind != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	fill(t, l, usTopic, 0, 5)
	ctx, cancel := context.WithCancel(context.Background())
	err := l.Scan(ctx, nil, map[Partition]int64{{usTopic, 0}: 5, {usTopic, 1}: 5}, func(event.Record) error {
		network.setDown(true)
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestOffsets(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	fill(t, l, usTopic, 3, 10)
	fill(t, l, usTopic, 5, 2)
	if err := kafka.DeleteRecords(usTopic, 3, 4); err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t)
	check := func(name string, got map[Partition]int64, err error, of3, of5, of0 int64) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != geo.Partitions {
			t.Errorf("%s: %d partitions", name, len(got))
		}
		for p, want := range map[int32]int64{3: of3, 5: of5, 0: of0} {
			if n := got[Partition{usTopic, p}]; n != want {
				t.Errorf("%s: partition %d is at %d, want %d", name, p, n, want)
			}
		}
	}
	got, err := l.Starts(ctx, usTopic)
	check("starts", got, err, 4, 0, 0)
	got, err = l.Ends(ctx, usTopic)
	check("ends", got, err, 10, 2, 0)
	got, err = l.OffsetsAt(ctx, 1_700_000_000_006, usTopic)
	check("at a time", got, err, 6, 2, 0)
	got, err = l.OffsetsAt(ctx, 0, usTopic)
	check("at time zero", got, err, 4, 0, 0)

	stamps, err := l.MaxTimestamps(ctx, usTopic)
	if err != nil {
		t.Fatal(err)
	}
	if len(stamps) != 2 || stamps[Partition{usTopic, 3}] != 1_700_000_000_009 || stamps[Partition{usTopic, 5}] != 1_700_000_000_001 {
		t.Errorf("greatest timestamps %v", stamps)
	}

	for name, call := range map[string]func(string) error{
		"starts":     func(topic string) error { _, err := l.Starts(ctx, usTopic, topic); return err },
		"ends":       func(topic string) error { _, err := l.Ends(ctx, topic); return err },
		"at a time":  func(topic string) error { _, err := l.OffsetsAt(ctx, 1, topic); return err },
		"timestamps": func(topic string) error { _, err := l.MaxTimestamps(ctx, topic); return err },
	} {
		if err := call("ap.events"); fail.CodeOf(err) != fail.NotFound {
			t.Errorf("%s of a missing topic: got %v, want not found", name, err)
		}
	}
	if got, err := l.Ends(ctx); err != nil || len(got) != 0 {
		t.Errorf("ends of no topics: got %v, %v", got, err)
	}
}

// The greatest timestamp is not always the last one: mirrored copies and late
// writes are out of order.
func TestMaxTimestampIsNotTheLast(t *testing.T) {
	l := openLog(t, startKafka(t))
	high, low := record(usTopic, 0, 500), record(usTopic, 0, 1)
	if _, err := l.AppendSync(deadline(t), low, high, low); err != nil {
		t.Fatal(err)
	}
	stamps, err := l.MaxTimestamps(deadline(t), usTopic)
	if err != nil || stamps[Partition{usTopic, 0}] != high.TimestampMS {
		t.Errorf("got %v, %v, want %d", stamps, err, high.TimestampMS)
	}
}

func TestTopicIDsChangeWithTheTopic(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	before, err := l.TopicIDs(deadline(t), usTopic, euTopic, "ap.events")
	if err != nil || len(before) != 2 {
		t.Fatalf("got %v, %v", before, err)
	}
	recreate(t, kafka, usTopic)
	after, err := l.TopicIDs(deadline(t), usTopic, euTopic)
	if err != nil || after[usTopic] == before[usTopic] || after[euTopic] != before[euTopic] {
		t.Errorf("got %v after %v, %v", after, before, err)
	}
}
