// Package memkafka is one region's Kafka inside the process: a broker that
// speaks the real protocol on the loopback, keeps its log in memory or under a
// directory, and can be taken away and given back as an outage does it.
//
// kfake is the broker. This package adds what geokv relies on and kfake lacks:
// Stop and Restart that keep address and data, the timestamp bound of the
// region's own topic, and a voice for damage found in stored logs. kfake has no
// lock on its directory: whoever starts a cluster holds one (lab/datadir).
package memkafka

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/geokv/geokv/internal/fail"
)

// DefaultBound is how far ahead of the clock a record of the own topic may be:
// the same 2 s that geokv gives real brokers in message.timestamp.after.max.ms.
const DefaultBound = 2 * time.Second

// Config says how to start a Kafka.
type Config struct {
	Topic   string        // the region's own topic, which has the timestamp bound
	Bound   time.Duration // 0 means DefaultBound
	DataDir string        // "" keeps the log in memory
	Addr    string        // host:port on the loopback; "" picks a free port

	// Listen replaces net.Listen; with it Addr must name a port. Tests in
	// virtual time pass (*kfake.VirtualNetwork).Listen.
	Listen func(network, address string) (net.Listener, error)
	Wall   func() time.Time // nil means time.Now
	Logger *slog.Logger
}

// Kafka is a running single broker. Its methods are safe for concurrent use.
type Kafka struct {
	cluster *kfake.Cluster
	gate    *gate
	log     *logger
	once    sync.Once
}

// Start starts the broker. Errors are *fail.Error: the address is taken, or the
// data directory cannot be read.
func Start(cfg Config) (*Kafka, error) {
	if cfg.Bound == 0 {
		cfg.Bound = DefaultBound
	}
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	gate, err := openGate(cfg.Listen, cfg.Addr)
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "start embedded kafka for %s", cfg.Topic).
			WithHint("another program has the port; give another one or none")
	}
	k := &Kafka{gate: gate, log: newLogger(cfg.Logger)}
	if err = prepareStored(cfg.DataDir); err == nil {
		k.cluster, err = kfake.NewCluster(k.options(cfg)...)
	}
	if err != nil {
		gate.Close()
		return nil, fail.Wrap(fail.Unavailable, err, "open the log of %s in %s", cfg.Topic, cfg.DataDir).
			WithHint("restore the directory from a copy, or move it away to begin anew: the other regions' logs are not affected")
	}
	k.boundTimestamps(cfg)
	return k, nil
}

func (k *Kafka) options(cfg Config) []kfake.Opt {
	versions := kversion.Tip()
	versions.SetMaxKeyVersion(0, 12) // produce requests name their topics, see boundTimestamps
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("geokv-" + strings.TrimSuffix(cfg.Topic, ".events")),
		kfake.WithLogger(k.log),
		kfake.MaxVersions(versions),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return k.gate, nil }),
	}
	if cfg.DataDir != "" {
		opts = append(opts, kfake.DataDir(cfg.DataDir))
	}
	return opts
}

// Addr is the broker's address, the same over Stop and Restart.
func (k *Kafka) Addr() string { return k.gate.addr.String() }

// Stop takes the broker away: connections break, new ones are refused. The log
// stays. Requests that had arrived may still take effect, as at a real broker.
func (k *Kafka) Stop() { k.gate.shut() }

// Restart brings a stopped broker back at its address. The error is a
// *fail.Error when another program took the port; Restart may be tried again.
func (k *Kafka) Restart(ctx context.Context) error {
	if err := k.gate.open(ctx); err != nil {
		return fail.Wrap(fail.Unavailable, err, "listen again on %s", k.Addr()).
			WithHint("end the program that took the port, or restart the cluster")
	}
	return nil
}

// Up reports whether the broker takes connections.
func (k *Kafka) Up() bool { return k.gate.isOpen() }

// Damage lists what was found broken in stored logs when they were opened. A
// batch cut short by a crash is in it too: it was never acknowledged.
func (k *Kafka) Damage() []string { return k.log.damage() }

// Cluster is the broker itself, for tests that inject faults.
func (k *Kafka) Cluster() *kfake.Cluster { return k.cluster }

// Close ends the broker; a log on disk is complete when it returns.
func (k *Kafka) Close() {
	k.once.Do(func() {
		k.gate.shut()
		k.cluster.Close()
	})
}

// logger passes kfake's messages on, and keeps those about damaged files: kfake
// cuts a log at the first damaged batch and goes on.
type logger struct {
	to    *slog.Logger
	mu    sync.Mutex
	found []string
}

func newLogger(to *slog.Logger) *logger {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &logger{to: to}
}

// Logf implements kfake.Logger.
func (l *logger) Logf(level kfake.LogLevel, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch level {
	case kfake.LogLevelError:
		l.to.Error("embedded kafka: " + text)
	case kfake.LogLevelWarn:
		l.to.Warn("embedded kafka: " + text)
	default:
		l.to.Debug("embedded kafka: " + text)
	}
	if level <= kfake.LogLevelWarn && strings.Contains(text, "corrupt") {
		l.mu.Lock()
		l.found = append(l.found, text)
		l.mu.Unlock()
	}
}

func (l *logger) damage() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.found...)
}
