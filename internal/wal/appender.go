package wal

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/fail"
)

// appender is one producing client. It is idempotent: the client numbers the
// batches of each partition and the broker drops repeats, so that a retry after
// a lost answer does not store a record twice.
type appender struct {
	client *kgo.Client

	// cuts counts produce requests that were never answered. While it does not
	// move, a broker's refusal of a record is the record's whole history.
	cuts atomic.Int64
}

// appendOptions: no record timeout, no retry limit and no cancellation. The
// client may not give a record up as long as it may be in the log, since a given
// up record is a hole in a lane and takes every later one of its partition along.
func (cfg *Config) appendOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.UnknownTopicRetries(-1), // the default of 4 fails records while a topic is briefly unknown
		kgo.StopProducerOnDataLossDetected(),
		kgo.ProduceRequestTimeout(answerTimeout),
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		// Looser than room, which is the real bound: its report would come too late.
		kgo.MaxBufferedRecords(2*cfg.MaxBufferedRecords + 1024),
		kgo.MaxBufferedBytes(2*cfg.MaxBufferedBytes + 64<<20),
	}
}

// appenderFor returns the producing client, a new one after a fatal error.
func (l *Log) appenderFor(topic string) (*appender, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, ErrClosed
	case l.recreated[topic]:
		return nil, &DataLossError{Partition: Partition{topic, -1}, Kind: Recreated, Position: -1, Err: kerr.UnknownTopicID}
	case l.appender != nil:
		return l.appender, nil
	}
	a := &appender{}
	opts := append(l.cfg.baseOptions(), l.cfg.appendOptions()...)
	client, err := kgo.NewClient(append(opts, kgo.WithHooks(cutHook{a}))...)
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "configure the kafka producer")
	}
	a.client = client
	l.appender = a
	return a, nil
}

// cutHook counts produce requests without an answer. A closed connection counts
// as well, whether or not a request was under way: only too many is safe.
type cutHook struct{ a *appender }

func (h cutHook) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key == 0 && e2e.Err() != nil {
		h.a.cuts.Add(1)
	}
}

func (h cutHook) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { h.a.cuts.Add(1) }

// noteFatal reacts to errors after which the client cannot go on. It runs on
// the client's goroutine, so closing happens on another.
func (l *Log) noteFatal(a *appender, topic string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, kerr.UnknownTopicID) && !l.recreated[topic] {
		l.recreated[topic] = true
		l.cfg.Logger.Error("topic was re-created while producing into it; appends stop", "topic", topic)
	}
	if !isFatalForProducer(err) || l.appender != a || l.closed {
		return
	}
	l.cfg.Logger.Error("kafka producer lost its identity; a new one replaces it", "error", err)
	l.appender = nil
	l.retired.Add(1)
	go func() {
		defer l.retired.Done()
		a.client.Close()
	}()
}

// isFatalForProducer reports errors that stay with the client's producer id.
// Out of order numbers mean that the broker lost records it had acknowledged
// (StopProducerOnDataLossDetected).
func isFatalForProducer(err error) bool {
	for _, e := range []error{
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID,
		kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping,
		kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// outcome classifies an error of the client as ErrLost or ErrUnknown. cut says
// that a produce request went unanswered during the record's life.
//
// What depends on the record alone is refused at every try, so it was never
// stored. Any other refusal is certain only without a cut: an earlier try may
// have been stored before, say, the permission was withdrawn. Everything else,
// a closed client included, is unknown.
func outcome(err error, cut bool) error {
	switch {
	case isRefusedAlways(err), isRefusedNow(err) && !cut:
		return fmt.Errorf("%w: %w", ErrLost, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

func isRefusedAlways(err error) bool {
	for _, e := range []error{
		kgo.ErrMaxBuffered, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.InvalidTimestamp, kerr.InvalidRecord, kerr.UnsupportedForMessageFormat,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isRefusedNow(err error) bool {
	return isRefusedLogin(err) || errors.Is(err, kerr.PolicyViolation) ||
		errors.Is(err, kerr.InvalidTopicException) || errors.Is(err, kerr.CorruptMessage) ||
		errors.Is(err, kerr.InvalidRequiredAcks)
}
