package wal

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

// The tests run the real client against kfake, a Kafka broker in this process;
// faults are answered by the broker or made by cutting its connections. Tests in
// which time matters run in a testing/synctest bubble over an in-memory network.
// They need franz-go's bubble-safe mutexes and are therefore built only with
//
//	go test -tags synctests ./internal/wal
//
// which is how the project runs its tests.

const (
	usTopic = "us.events"
	euTopic = "eu.events"
)

// deadline bounds a test that would otherwise hang; nothing waits for it.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func startKafka(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	all := append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(geo.Partitions, usTopic, euTopic)}, opts...)
	c, err := kfake.NewCluster(all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openLog(t testing.TB, c *kfake.Cluster, change ...func(*Config)) *Log {
	t.Helper()
	cfg := Config{Brokers: c.ListenAddrs()}
	for _, f := range change {
		f(&cfg)
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func record(topic string, partition int32, n int) event.Record {
	return event.Record{
		Topic: topic, Partition: partition, Offset: -1,
		Key: []byte("k"), Value: fmt.Appendf(nil, "v%d", n), TimestampMS: 1_700_000_000_000 + int64(n),
	}
}

// fill appends n records, v0, v1, ..., to one partition.
func fill(t testing.TB, l *Log, topic string, partition int32, n int) {
	t.Helper()
	records := make([]event.Record, n)
	for i := range records {
		records[i] = record(topic, partition, i)
	}
	if _, err := l.AppendSync(deadline(t), records...); err != nil {
		t.Fatal(err)
	}
}

// values reads what one partition holds now, from its start to its end.
func values(t testing.TB, l *Log, p Partition) []string {
	t.Helper()
	ends, err := l.Ends(deadline(t), p.Topic)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = l.Scan(deadline(t), nil, map[Partition]int64{p: ends[p]}, func(r event.Record) error {
		got = append(got, string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func numbered(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("v%d", i))
	}
	return list
}

// appendResult is what a done function was called with.
type appendResult struct {
	offset int64
	err    error
}

// appendAsync appends and returns the channel its outcome will arrive on.
func appendAsync(t testing.TB, l *Log, r event.Record) <-chan appendResult {
	t.Helper()
	ch := make(chan appendResult, 2) // room for a second call, which would be a bug
	if err := l.Append(r, func(offset int64, err error) { ch <- appendResult{offset, err} }); err != nil {
		t.Fatalf("append: %v", err)
	}
	return ch
}

func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-deadline(t).Done():
		t.Fatal("nothing arrived")
		panic("unreachable")
	}
}

// network dials and can be told to refuse, or to lose the answer to a produce
// request after the broker has acted on it.
type network struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu      sync.Mutex
	down    bool
	conns   map[*conn]struct{}
	cutting int
}

func newNetwork(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *network {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &network{dial: dial, conns: map[*conn]struct{}{}}
}

// use makes a log dial through the network.
func (n *network) use(cfg *Config) { cfg.Dial = n.DialContext }

func (n *network) DialContext(ctx context.Context, kind, addr string) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: fmt.Errorf("connection refused")}
	}
	inner, err := n.dial(ctx, kind, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, network: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[c] = struct{}{}
	return c, nil
}

// setDown refuses new connections and breaks those that exist.
func (n *network) setDown(down bool) {
	n.mu.Lock()
	n.down = down
	conns := n.conns
	if down {
		n.conns = map[*conn]struct{}{}
	}
	n.mu.Unlock()
	if down {
		for c := range conns {
			c.Close()
		}
	}
}

// loseAnswers drops the connection instead of delivering the next times answers
// to produce requests: the broker has stored the records, the client cannot know.
func (n *network) loseAnswers(times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cutting = times
}

type conn struct {
	net.Conn
	network  *network
	mu       sync.Mutex
	produces bool // the last request written is a produce request
}

func (c *conn) Write(b []byte) (int, error) {
	if len(b) >= 6 { // a request: size, then its key
		c.mu.Lock()
		c.produces = kmsg.Key(binary.BigEndian.Uint16(b[4:])) == kmsg.Produce
		c.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	got, err := c.Conn.Read(b)
	c.mu.Lock()
	produces := c.produces
	c.mu.Unlock()
	if err == nil && produces && c.network.takeCut() {
		c.Close()
		return 0, io.EOF
	}
	return got, err
}

func (n *network) takeCut() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cutting == 0 {
		return false
	}
	n.cutting--
	return true
}

// foreign is a client with settings geokv would never use.
func foreign(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	all := append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)
	cl, err := kgo.NewClient(all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}
