package wal

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
)

// Config says how to reach one Kafka cluster.
type Config struct {
	Brokers  []string    // host:port, at least one
	TLS      *tls.Config // nil for plain text
	SASL     *SASL       // nil for none
	ClientID string      // shown in broker logs; default "geokv"
	Logger   *slog.Logger

	// Dial overrides how connections are made (virtual networks in tests); it
	// must do TLS itself when that is wanted. nil dials TCP with a 1 s timeout.
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

// Log is one Kafka cluster. It is safe for concurrent use.
type Log struct {
	cfg Config
}

// Open checks the configuration. It does not touch the network: use Ping. The
// error is a *fail.Error with code USAGE.
func Open(cfg Config) (*Log, error) { return &Log{cfg: cfg}, nil }

// Close stops at once: records that are still buffered end as ErrUnknown. Call
// Flush first for a clean end. Readers of the log are closed too.
func (l *Log) Close() {}

// Ping asks a broker for its API versions. The error is a *fail.Error with code
// UNAVAILABLE or NOT_ALLOWED that tells an unreachable broker from a wrong
// certificate or password.
func (l *Log) Ping(ctx context.Context) error { return errors.ErrUnsupported }
