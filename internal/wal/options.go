package wal

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/geokv/geokv/internal/fail"
)

const (
	defaultMaxRecords = 10_000
	defaultMaxBytes   = 64 << 20

	dialTimeout    = time.Second
	metadataMinAge = 50 * time.Millisecond // with the backoff: first append after a broker restart in 0.1 s, not 4 s
	metadataMaxAge = 30 * time.Second
	backoffMin     = 20 * time.Millisecond
	backoffMax     = 500 * time.Millisecond
	answerTimeout  = 5 * time.Second // beyond what the request itself may wait; a half-open connection is noticed

	// MaxRecordBytes is the greatest batch a topic takes: max.message.bytes.
	MaxRecordBytes = 1 << 20

	fetchMaxWait           = 500 * time.Millisecond
	fetchMaxBytes          = 16 << 20
	fetchMaxPartitionBytes = 2 << 20
	maxDecompressed        = 16 << 20 // the client's default of 1 GiB lets a zip bomb in
)

// complete checks cfg and fills its defaults in.
func (cfg *Config) complete() error {
	if len(cfg.Brokers) == 0 {
		return fail.New(fail.Usage, "configure kafka: no brokers").
			WithHint("set kafka.brokers of the region to host:port addresses")
	}
	for _, b := range cfg.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fail.Wrap(fail.Usage, err, "configure kafka: broker %q is not host:port", b)
		}
	}
	if s := cfg.SASL; s != nil {
		switch s.Mechanism {
		case Plain, ScramSHA256, ScramSHA512:
		default:
			return fail.New(fail.Usage, "configure kafka: SASL mechanism %q is not known", s.Mechanism).
				WithHint("use %s, %s or %s", Plain, ScramSHA256, ScramSHA512)
		}
		if s.User == "" || s.Password == "" {
			return fail.New(fail.Usage, "configure kafka: SASL needs a user and a password")
		}
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "geokv"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.MaxBufferedRecords <= 0 {
		cfg.MaxBufferedRecords = defaultMaxRecords
	}
	if cfg.MaxBufferedBytes <= 0 {
		cfg.MaxBufferedBytes = defaultMaxBytes
	}
	return nil
}

// baseOptions are those of every client, whatever it is for.
func (cfg *Config) baseOptions() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID(cfg.ClientID),
		kgo.Dialer(cfg.dial),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.MetadataMaxAge(metadataMaxAge),
		kgo.RetryBackoffFn(backoff),
		kgo.RequestTimeoutOverhead(answerTimeout),
		kgo.MaxDecompressBatchBytes(maxDecompressed),
		kgo.DisableClientMetrics(),
		kgo.WithLogger(clientLogger{cfg.Logger}),
	}
	if m := cfg.SASL.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

func (s *SASL) mechanism() sasl.Mechanism {
	if s == nil {
		return nil
	}
	switch s.Mechanism {
	case Plain:
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism()
	case ScramSHA256:
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism()
	default:
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism()
	}
}

// readOptions are those of every client that reads. A position that is not in
// the log is fatal for its partition (NoResetOffset): the client's default would
// jump to where records exist, which silently loses what lies between.
func readOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchMaxPartitionBytes),
	}
}

// backoff is the wait before the tries-th retry: 20 ms doubling to 500 ms, with
// jitter so that the clients of a process do not retry in step.
func backoff(tries int) time.Duration {
	d := backoffMax
	if tries < 6 {
		d = min(d, backoffMin<<max(0, tries-1))
	}
	return d - time.Duration(rand.Int64N(int64(d)/4))
}

// dial connects and, when configured, speaks TLS. A failed TLS handshake is
// reported as a failed dial: the client then keeps buffered records queued, as
// for any other broker it cannot reach, instead of failing them.
func (cfg *Config) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	conn, err := dial(ctx, network, addr)
	if err != nil || cfg.TLS == nil {
		return conn, err
	}
	tlsCfg := cfg.TLS.Clone()
	if tlsCfg.ServerName == "" {
		tlsCfg.ServerName, _, _ = net.SplitHostPort(addr)
	}
	tlsConn := tls.Client(conn, tlsCfg)
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: conn.RemoteAddr(), Err: &handshakeError{err}}
	}
	return tlsConn, nil
}
