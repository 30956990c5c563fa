package wal

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/event"
)

// Poll waits for records and returns at most max of them (all that are there
// when max is 0), or an error, never both. It is not an error that brokers are
// down: Poll waits and the client logs.
//
//	*DataLossError   one partition stopped; returned once; keep polling for the others
//	ctx's error      ctx ended
//	ErrClosed        the reader or its log was closed
//	*fail.Error      credentials or permissions are wrong; polling again retries
//
// After Poll of a group reader returned records, no rebalance happens until
// Release or the next Poll.
func (r *Reader) Poll(ctx context.Context, max int) (Fetch, error) {
	for {
		r.Release()
		if err := r.takePending(); err != nil {
			return Fetch{}, err
		}
		wait, done := r.settle(ctx)
		fetches := r.client.PollRecords(wait, max)
		done()
		errs := r.inspect(ctx, fetches)
		fetch, lost := r.accept(fetches)
		errs = append(errs, lost...)
		if len(fetch.Records) > 0 {
			r.keepPending(errs)
			return fetch, nil
		}
		r.Release()
		if len(errs) > 0 {
			r.keepPending(errs[1:])
			return Fetch{}, errs[0]
		}
	}
}

func (r *Reader) takePending() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return nil
	}
	err := r.pending[0]
	r.pending = r.pending[1:]
	return err
}

func (r *Reader) keepPending(errs []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, err := range errs {
		if !errors.Is(err, ErrClosed) && !isContext(err) { // those come again by themselves
			r.pending = append(r.pending, err)
		}
	}
}

// accept takes the records of a poll. Those of stopped partitions are dropped:
// the client may have gone on behind a loss. So are those of partitions that are
// to be moved, as they are from before the move.
//
// It also catches a jump. The client keeps to the position it was given, with
// one exception: while it has no metadata of the partition it lists offsets and
// quietly moves the position into the log that exists.
func (r *Reader) accept(fetches kgo.Fetches) (fetch Fetch, lost []error) {
	fetch = Fetch{Records: make([]event.Record, 0, fetches.NumRecords()), Ends: map[Partition]int64{}}

	r.mu.Lock()
	defer r.mu.Unlock()
	fetches.EachPartition(func(part kgo.FetchTopicPartition) {
		p := Partition{part.Topic, part.Partition}
		if _, owned := r.next[p]; !owned || r.stopped[p] || len(part.Records) == 0 {
			return
		}
		r.running[p] = true
		if _, moving := r.moves[p]; moving {
			return
		}
		if jumped(part, r.next[p]) {
			if err := r.stopLocked(p, OutOfRange, nil); err != nil {
				lost = append(lost, err)
			}
			return
		}
		for _, kr := range part.Records {
			fetch.Records = append(fetch.Records, fromClient(kr))
		}
		r.next[p] = part.Records[len(part.Records)-1].Offset + 1
		fetch.Ends[p] = part.HighWatermark
	})
	return fetch, lost
}

// jumped says that part does not continue the log at next. Records may be
// missing in between (compaction, transaction markers), but not because the log
// begins later.
func jumped(part kgo.FetchTopicPartition, next int64) bool {
	first := part.Records[0].Offset
	return first < next || first > next && part.LogStartOffset > next
}

// inspect goes through every error of a poll, stops what lost data and returns
// what the caller must know. Errors that the client retries are only logged.
func (r *Reader) inspect(ctx context.Context, fetches kgo.Fetches) []error {
	var errs []error
	fetches.EachError(func(topic string, index int32, err error) {
		if err := r.judge(ctx, Partition{topic, index}, err); err != nil {
			errs = append(errs, err)
		}
	})
	return errs
}

func (r *Reader) judge(ctx context.Context, p Partition, err error) error {
	var (
		loss    *kgo.ErrDataLoss
		session *kgo.ErrGroupSession
		tooBig  *kgo.ErrDecompressTooLarge
	)
	switch {
	case errors.Is(err, kgo.ErrClientClosed):
		return ErrClosed
	case ctx.Err() != nil && isContext(err):
		return ctx.Err()
	case errors.Is(err, context.Canceled):
		return nil // by Seek
	case errors.As(err, &loss):
		return r.stop(p, Truncated, err)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return r.stop(p, OutOfRange, err)
	case errors.Is(err, kerr.UnknownTopicID):
		return r.stop(p, r.log.whyUnknown(ctx, p.Topic), err)
	case errors.As(err, &tooBig):
		return r.stop(p, Unreadable, err)
	case isRefusedLogin(err):
		return r.log.explain(err, "read "+p.Topic)
	case errors.As(err, &session):
		r.log.cfg.Logger.Warn("group session ended; joining again", "error", err)
		return nil
	case kgo.IsRetryableBrokerErr(err), kerr.IsRetriable(err), isContext(err), p.Index < 0:
		r.log.cfg.Logger.Warn("read failed; the client retries", "partition", p.String(), "error", err)
		return nil
	default:
		return r.stop(p, Unreadable, err)
	}
}

// stop ends delivery of a partition until Seek. It returns nil when the
// partition is stopped already, not owned any more, or to be moved away from
// where the client met the error.
func (r *Reader) stop(p Partition, kind LossKind, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopLocked(p, kind, err)
}

func (r *Reader) stopLocked(p Partition, kind LossKind, err error) error {
	next, owned := r.next[p]
	if _, moving := r.moves[p]; !owned || moving || r.stopped[p] {
		return nil
	}
	r.stopped[p] = true
	r.client.PauseFetchPartitions(byTopic([]Partition{p}))
	return &DataLossError{Partition: p, Kind: kind, Position: next, Err: err}
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
