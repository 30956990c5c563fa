package wal

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

func benchRecord(partition int) event.Record {
	return event.Record{
		Topic: usTopic, Partition: int32(partition % geo.Partitions),
		Key: []byte("inventory:laptop"), Value: make([]byte, 150), TimestampMS: 1_700_000_000_000,
	}
}

// One writer that waits for each acknowledgement: the latency of a write.
func BenchmarkAppendOneByOne(b *testing.B) {
	l := openLog(b, startKafka(b))
	b.ResetTimer()
	for i := range b.N {
		if _, err := l.AppendSync(b.Context(), benchRecord(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// Writers that do not wait: what the log can take.
func BenchmarkAppendFlood(b *testing.B) {
	l := openLog(b, startKafka(b))
	var done sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r := benchRecord(i)
		done.Add(1)
		for {
			err := l.Append(r, func(_ int64, err error) {
				if err != nil {
					b.Error(err)
				}
				done.Done()
			})
			if err == nil {
				break
			}
			if !errors.Is(err, ErrFull) {
				b.Fatal(err)
			}
			runtime.Gosched()
		}
	}
	done.Wait()
}

// benchLog holds n records spread over the partitions of us.events.
func benchLog(b *testing.B, n int) *Log {
	b.Helper()
	l := openLog(b, startKafka(b))
	const chunk = 5000
	for at := 0; at < n; at += chunk {
		var records []event.Record
		for i := at; i < min(n, at+chunk); i++ {
			records = append(records, benchRecord(i))
		}
		if _, err := l.AppendSync(b.Context(), records...); err != nil {
			b.Fatal(err)
		}
	}
	return l
}

func BenchmarkTail(b *testing.B) {
	l := benchLog(b, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	r, err := l.Tail(b.Context(), TailConfig{Topics: []string{usTopic}})
	if err != nil {
		b.Fatal(err)
	}
	for read := 0; read < b.N; {
		fetch, err := r.Poll(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		read += len(fetch.Records)
	}
}

func BenchmarkScan(b *testing.B) {
	l := benchLog(b, b.N)
	ends, err := l.Ends(b.Context(), usTopic)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	read := 0
	if err := l.Scan(b.Context(), nil, ends, func(event.Record) error { read++; return nil }); err != nil {
		b.Fatal(err)
	}
	if read != b.N {
		b.Fatalf("read %d of %d records", read, b.N)
	}
}
