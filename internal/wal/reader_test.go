package wal

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

func tail(t testing.TB, l *Log, cfg TailConfig) *Reader {
	t.Helper()
	r, err := l.Tail(deadline(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// take polls until it has n records.
func take(t testing.TB, r *Reader, n int) []event.Record {
	t.Helper()
	var got []event.Record
	for len(got) < n {
		fetch, err := r.Poll(deadline(t), 0)
		if err != nil {
			t.Fatalf("poll: %v (after %d of %d records)", err, len(got), n)
		}
		got = append(got, fetch.Records...)
	}
	return got
}

// untilLoss polls until a partition stops, and returns what came before.
func untilLoss(t testing.TB, r *Reader) (*DataLossError, []event.Record) {
	t.Helper()
	var got []event.Record
	for {
		fetch, err := r.Poll(deadline(t), 0)
		got = append(got, fetch.Records...)
		var loss *DataLossError
		switch {
		case errors.As(err, &loss):
			return loss, got
		case err != nil:
			t.Fatalf("poll: %v, want a loss", err)
		}
	}
}

func texts(records []event.Record) (list []string) {
	for _, r := range records {
		list = append(list, string(r.Value))
	}
	return list
}

func TestTailStarts(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 2, 10)
	p := Partition{usTopic, 2}
	for name, test := range map[string]struct {
		cfg  TailConfig
		want []string
	}{
		"at the start":         {TailConfig{Topics: []string{usTopic}}, numbered(0, 10)},
		"at the end":           {TailConfig{Topics: []string{usTopic}, From: AtEnd}, numbered(0, 0)},
		"at an offset":         {TailConfig{Topics: []string{usTopic}, Start: map[Partition]int64{p: 4}, From: AtEnd}, numbered(4, 10)},
		"at the end by offset": {TailConfig{Topics: []string{usTopic}, Start: map[Partition]int64{p: 10}}, nil},
		"one partition":        {TailConfig{Partitions: []Partition{p}}, numbered(0, 10)},
		"another partition":    {TailConfig{Partitions: []Partition{{usTopic, 3}}, From: AtEnd}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := tail(t, l, test.cfg)
			// A later record marks the end: without it "nothing" could not be seen.
			marker := record(usTopic, 2, 99)
			if len(test.cfg.Partitions) > 0 {
				marker.Partition = test.cfg.Partitions[0].Index
			}
			if _, err := l.AppendSync(deadline(t), marker); err != nil {
				t.Fatal(err)
			}
			var got []string
			for !slices.Contains(got, "v99") {
				got = append(got, texts(take(t, r, 1))...)
			}
			got = slices.DeleteFunc(got, func(s string) bool { return s == "v99" })
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestTailOfMissingTopicOrPartition(t *testing.T) {
	l := openLog(t, startKafka(t))
	for name, cfg := range map[string]TailConfig{
		"topic":     {Topics: []string{"ap.events"}},
		"partition": {Partitions: []Partition{{usTopic, 40}}},
	} {
		if _, err := l.Tail(deadline(t), cfg); fail.CodeOf(err) != fail.NotFound {
			t.Errorf("%s: got %v, want not found", name, err)
		}
	}
}

func TestPollBoundsAndEnds(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 10)
	r := tail(t, l, TailConfig{Topics: []string{usTopic}})
	for want := 0; want < 10; {
		fetch, err := r.Poll(deadline(t), 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(fetch.Records) > 3 {
			t.Errorf("got %d records, want 3 at most", len(fetch.Records))
		}
		if end := fetch.Ends[Partition{usTopic, 0}]; end != 10 {
			t.Errorf("got end %d, want 10", end)
		}
		for _, rec := range fetch.Records {
			if rec.Offset != int64(want) {
				t.Fatalf("got offset %d, want %d", rec.Offset, want)
			}
			want++
		}
		if next := r.Positions()[Partition{usTopic, 0}]; next != int64(want) {
			t.Errorf("position %d, want %d", next, want)
		}
	}
}

func TestPollEndsWithItsContextAndWithClose(t *testing.T) {
	l := openLog(t, startKafka(t))
	r := tail(t, l, TailConfig{Topics: []string{usTopic}})
	ctx, cancel := context.WithCancel(context.Background())
	polled := make(chan error, 1)
	poll := func(ctx context.Context) { _, err := r.Poll(ctx, 0); polled <- err }

	go poll(ctx)
	cancel()
	if err := await(t, polled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	go poll(deadline(t))
	r.Close()
	if err := await(t, polled); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	go poll(deadline(t))
	if err := await(t, polled); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: got %v, want ErrClosed", err)
	}
}

func TestClosingTheLogClosesReaders(t *testing.T) {
	l := openLog(t, startKafka(t))
	r := tail(t, l, TailConfig{Topics: []string{usTopic}})
	l.Close()
	if _, err := r.Poll(deadline(t), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := l.Tail(deadline(t), TailConfig{Topics: []string{usTopic}}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// After Seek the next records are those from the target on, whatever a Poll on
// another goroutine had already taken.
func TestSeekIsExact(t *testing.T) {
	l := openLog(t, startKafka(t))
	const n = 3000
	fill(t, l, usTopic, 0, n)
	fill(t, l, euTopic, 0, n)
	r := tail(t, l, TailConfig{Topics: []string{usTopic, euTopic}})
	us, eu := Partition{usTopic, 0}, Partition{euTopic, 0}
	random := rand.New(rand.NewPCG(1, 2))

	type polled struct {
		records []event.Record
		err     error
	}
	results, proceed := make(chan polled), make(chan struct{})
	go func() {
		defer close(results)
		for range proceed {
			fetch, err := r.Poll(deadline(t), 100)
			results <- polled{fetch.Records, err}
		}
	}()
	for round := range 60 {
		target := int64(random.IntN(n - 10))
		var got polled
		if round%2 == 0 { // Seek while Poll runs
			proceed <- struct{}{}
			r.Seek(map[Partition]Place{us: At(target)})
			got = await(t, results)
			if got.err != nil {
				t.Fatal(got.err)
			}
			if !contiguous(got.records, us) {
				t.Fatalf("round %d: records of one poll are not contiguous", round)
			}
			// What this poll returned may be from before the Seek: the caller drops it.
			// But then the next one starts at the target.
			if at := first(got.records, us); at >= 0 && at == target {
				continue
			}
		} else {
			r.Seek(map[Partition]Place{us: At(target)})
		}
		at := int64(-1)
		for at < 0 {
			proceed <- struct{}{}
			got = await(t, results)
			if got.err != nil {
				t.Fatal(got.err)
			}
			at = first(got.records, us)
			if first(got.records, eu) >= n-200 {
				r.Seek(map[Partition]Place{eu: At(0)}) // keep the other partition busy
			}
		}
		if at != target {
			t.Fatalf("round %d: first record at %d, want %d", round, at, target)
		}
	}
	close(proceed)
}

// What a poll took before a Seek, or behind a loss, must not get out, however
// the goroutines are scheduled: here the poll's end is made by hand.
func TestStaleRecordsOfAPollAreDropped(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 10)
	us := Partition{usTopic, 0}
	r := tail(t, l, TailConfig{Partitions: []Partition{us}})
	take(t, r, 10)
	polled := func(offset int64) kgo.Fetches {
		return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: usTopic, Partitions: []kgo.FetchPartition{{
			Records: []*kgo.Record{{Topic: usTopic, Offset: offset}},
		}}}}}}
	}

	r.Seek(map[Partition]Place{us: At(4)})
	if fetch, lost := r.accept(polled(7)); len(fetch.Records) > 0 || len(lost) > 0 {
		t.Errorf("after seek: got %v, %v", texts(fetch.Records), lost)
	}
	if err := r.stop(us, OutOfRange, nil); err != nil {
		t.Errorf("an error from before the seek stops the partition: %v", err)
	}
	if got := take(t, r, 6); first(got, us) != 4 {
		t.Errorf("first offset %d, want 4", first(got, us))
	}
	if err := r.stop(us, Truncated, nil); err == nil {
		t.Fatal("stop reports no loss")
	}
	if fetch, lost := r.accept(polled(10)); len(fetch.Records) > 0 || len(lost) > 0 {
		t.Errorf("after a loss: got %v, %v", texts(fetch.Records), lost)
	}
	if err := r.stop(us, Truncated, nil); err != nil {
		t.Errorf("one loss is reported twice: %v", err)
	}
}

func first(records []event.Record, p Partition) int64 {
	for _, r := range records {
		if (Partition{r.Topic, r.Partition}) == p {
			return r.Offset
		}
	}
	return -1
}

func contiguous(records []event.Record, p Partition) bool {
	next := first(records, p)
	for _, r := range records {
		if (Partition{r.Topic, r.Partition}) == p {
			if r.Offset != next {
				return false
			}
			next++
		}
	}
	return true
}

func TestSeekOfForeignPartitionIsIgnored(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 2)
	r := tail(t, l, TailConfig{Partitions: []Partition{{usTopic, 0}}})
	r.Seek(map[Partition]Place{{usTopic, 1}: At(7), {euTopic, 0}: At(3)})
	if got := texts(take(t, r, 2)); !slices.Equal(got, numbered(0, 2)) {
		t.Errorf("got %v", got)
	}
}

// A loss that was found before the partition was moved, and not yet told, is of
// no interest any more: unless the topic itself is another one.
func TestSeekForgetsTheLossesOfWhatItMoves(t *testing.T) {
	moved, other := Partition{"us.events", 1}, Partition{"us.events", 2}
	r := (&Log{}).newReader(map[Partition]int64{moved: 7, other: 7}, false)
	r.keepPending([]error{
		&DataLossError{Partition: moved, Kind: Truncated}, &DataLossError{Partition: other, Kind: Truncated},
		&DataLossError{Partition: moved, Kind: Recreated},
	})
	r.Seek(map[Partition]Place{moved: {Offset: 3, Epoch: -1}})
	for _, want := range []DataLossError{{Partition: other, Kind: Truncated}, {Partition: moved, Kind: Recreated}} {
		var loss *DataLossError
		if err := r.takePending(); !errors.As(err, &loss) || *loss != want {
			t.Errorf("got %v, want %v", err, &want)
		}
	}
	if err := r.takePending(); err != nil {
		t.Errorf("and then %v", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	l := openLog(t, startKafka(t))
	fill(t, l, usTopic, 0, 5)
	fill(t, l, euTopic, 0, 5)
	r := tail(t, l, TailConfig{Topics: []string{usTopic, euTopic}})
	us := Partition{usTopic, 0}
	r.Pause(us)
	for _, rec := range take(t, r, 5) {
		if rec.Topic == usTopic {
			t.Fatal("got a record of a paused partition")
		}
	}
	r.Resume(us)
	if got := take(t, r, 5); first(got, us) != 0 || !contiguous(got, us) {
		t.Errorf("got %v after resume", texts(got))
	}
}

// A permission that was withdrawn is reported, not waited out in silence; when it
// is back the reader goes on where it was.
func TestPollReportsMissingPermission(t *testing.T) {
	kafka := startKafka(t)
	l := openLog(t, kafka)
	r := tail(t, l, TailConfig{Partitions: []Partition{{usTopic, 0}}})
	fault := kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	fill(t, l, usTopic, 0, 3)
	if _, err := r.Poll(deadline(t), 0); fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(err.Error(), usTopic) {
		t.Errorf("got %v, want not allowed, naming the topic", err)
	}
	fault.Remove()
	var got []event.Record
	for len(got) < 3 {
		fetch, err := r.Poll(deadline(t), 0)
		if err != nil && fail.CodeOf(err) != fail.NotAllowed {
			t.Fatal(err)
		}
		got = append(got, fetch.Records...)
	}
	if !slices.Equal(texts(got), numbered(0, 3)) {
		t.Errorf("got %v", texts(got))
	}
}

// Faults that pass must pass without a trace in what is read.
func TestTailThroughPassingFaults(t *testing.T) {
	kafka, network := startKafka(t), newNetwork(nil)
	l := openLog(t, kafka, network.use)
	writer := openLog(t, kafka)
	r := tail(t, l, TailConfig{Topics: []string{usTopic}})
	next := map[Partition]int64{}
	for round, fault := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.UnknownLeaderEpoch, kerr.FencedLeaderEpoch, kerr.KafkaStorageError,
		kerr.OffsetNotAvailable, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable,
	} {
		kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: fault, Count: 2})
		if round%2 == 0 {
			network.setDown(true)
			network.setDown(false)
		}
		for p := range int32(geo.Partitions) {
			fill(t, writer, usTopic, p, 5)
		}
		for _, rec := range take(t, r, 5*geo.Partitions) {
			p := Partition{rec.Topic, rec.Partition}
			if rec.Offset != next[p] {
				t.Fatalf("%v: got offset %d of %v, want %d", fault, rec.Offset, p, next[p])
			}
			next[p]++
		}
	}
	want := maps.Clone(next)
	if got := r.Positions(); !maps.Equal(got, want) {
		t.Errorf("positions %v, want %v", got, want)
	}
}
