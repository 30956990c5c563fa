package wal

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/fail"
)

// Config says how to reach one Kafka cluster.
type Config struct {
	Brokers  []string    // host:port, at least one
	TLS      *tls.Config // nil for plain text
	SASL     *SASL       // nil for none
	ClientID string      // shown in broker logs; default "geokv"
	Logger   *slog.Logger

	// Dial overrides how connections are made (virtual networks in tests). TLS is
	// spoken on top of it when TLS is set. nil dials TCP with a 1 s timeout.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Bounds of what Append buffers; 0 means 10,000 records and 64 MiB.
	MaxBufferedRecords int
	MaxBufferedBytes   int
}

// SASL mechanisms.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// SASL is how to authenticate. It prints without the password.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User      string
	Password  string
}

// String hides the password.
func (s *SASL) String() string { return s.Mechanism + " user " + s.User }

// GoString hides the password from %#v as well.
func (s *SASL) GoString() string { return s.String() }

// Log is one Kafka cluster. It is safe for concurrent use.
type Log struct {
	cfg  Config
	room *room

	// client serves administration and Scan; appends and every reader have a
	// client of their own, so that none waits behind another's requests.
	client *kgo.Client
	admin  *kadm.Client

	mu        sync.Mutex
	closed    bool
	appender  *appender       // nil until the first append, and after a fatal producer error
	retired   sync.WaitGroup  // appenders that are closing
	recreated map[string]bool // topics that were made again while we produced into them
	readers   map[*Reader]struct{}
}

// Open checks the configuration. It does not touch the network: use Ping. The
// error is a *fail.Error with code USAGE.
func Open(cfg Config) (*Log, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(cfg.baseOptions()...)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "configure the kafka client")
	}
	return &Log{
		cfg:       cfg,
		room:      newRoom(cfg.MaxBufferedRecords, cfg.MaxBufferedBytes),
		client:    client,
		admin:     kadm.NewClient(client),
		recreated: map[string]bool{},
		readers:   map[*Reader]struct{}{},
	}, nil
}

// Close stops at once: records that are still buffered end as ErrUnknown. Call
// Flush first for a clean end. Readers of the log are closed too. It must not be
// called from a done function.
func (l *Log) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	readers := make([]*Reader, 0, len(l.readers))
	for r := range l.readers {
		readers = append(readers, r)
	}
	appender := l.appender
	l.mu.Unlock()

	for _, r := range readers {
		r.Close()
	}
	if appender != nil {
		appender.client.Close()
	}
	l.retired.Wait()
	l.client.Close()
}

// Ping asks a broker for metadata. The error is a *fail.Error with code
// UNAVAILABLE or NOT_ALLOWED that tells an unreachable broker from a wrong
// certificate or password.
func (l *Log) Ping(ctx context.Context) error {
	return l.explain(l.client.Ping(ctx), "reach kafka")
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
