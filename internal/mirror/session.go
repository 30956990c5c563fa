package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/wal"
)

const (
	batchRecords = 2000 // at most so many records are appended at once
	watchEvery   = time.Second
	answerWithin = 2 * time.Second
)

// session copies from one opening of the two logs to the next:
//
//	source log -> read -> queue -> wait for the delay -> write -> target log
type session struct {
	flow           *flow
	cancel         context.CancelFunc
	done           chan struct{}
	source, target *wal.Log
	queue          *queue
}

func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reader, err := s.start(ctx)
	if err != nil {
		return err
	}
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return s.read(ctx, reader) },
		s.write,
		s.watch,
	}
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() {
			err := part(ctx)
			cancel(err) // the first to fail stops the others
			ended <- err
		}()
	}
	for range parts {
		<-ended
	}
	s.close()
	return context.Cause(ctx)
}

// start opens both logs and, as soon as the regions answer, a reader after the
// last acknowledged record. An error ends the session.
func (s *session) start(ctx context.Context) (*wal.Reader, error) {
	var err error
	if s.source, err = s.flow.open(s.flow.From); err != nil {
		return nil, err
	}
	if s.target, err = s.flow.open(s.flow.To); err != nil {
		s.close()
		return nil, err
	}
	s.queue = newQueue()
	for retry := retryMin; ; retry = min(2*retry, retryMax) {
		reader, err := s.openReader(ctx)
		if err == nil {
			return reader, nil
		}
		if ctx.Err() != nil {
			s.close()
			return nil, ctx.Err()
		}
		s.flow.report(err)
		pause.For(ctx, retry)
	}
}

// openReader succeeds once both regions answer.
func (s *session) openReader(ctx context.Context) (*wal.Reader, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := s.flow.check(ctx, s.source, s.target); err != nil {
		return nil, err
	}
	partitions := make([]wal.Partition, geo.Partitions)
	for i := range partitions {
		partitions[i] = wal.Partition{Topic: s.flow.topic, Index: int32(i)}
	}
	return s.source.Tail(ctx, wal.TailConfig{Partitions: partitions, Start: s.flow.starts()})
}

// close gives up what is still on its way; what the target has not
// acknowledged is read again by the next session.
func (s *session) close() {
	for _, log := range []*wal.Log{s.source, s.target} {
		if log != nil {
			log.Close()
		}
	}
}

func (s *session) read(ctx context.Context, reader *wal.Reader) error {
	defer reader.Close()
	for {
		fetch, err := reader.Poll(ctx, batchRecords)
		if err != nil {
			return err
		}
		if err := s.queue.put(ctx, batch{fetch.Records, time.Now()}); err != nil {
			return err
		}
	}
}

func (s *session) write(ctx context.Context) error {
	// A record that has been handed to the target's client may arrive at any
	// time, so the end of the session waits for it, a little.
	appending, cancel := lingering(ctx)
	defer cancel()
	for {
		b, err := s.queue.take(ctx)
		if err != nil {
			return err
		}
		if err := s.awaitDelay(ctx, b.read); err != nil {
			return err
		}
		s.flow.expectAck()
		offsets, err := s.target.AppendSync(appending, b.records...)
		if err != nil {
			return fmt.Errorf("copy to %s: %w", s.flow.To, err)
		}
		s.flow.acknowledged(b.records, offsets)
	}
}

// lingering is a context that ends some time after ctx.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return late, func() { stop(); cancel() }
}

// awaitDelay waits until a batch that was read at a time may go on, by the
// delay that is in force meanwhile.
func (s *session) awaitDelay(ctx context.Context, read time.Time) error {
	for {
		delay, changed := s.flow.delayNow()
		left := time.Until(read.Add(delay))
		if left <= 0 {
			return ctx.Err()
		}
		pause.Until(ctx, changed, left)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// watch measures the lag, notices a region that does not answer and a target that
// lost what it had acknowledged, and saves positions.
func (s *session) watch(ctx context.Context) error {
	for {
		if err := s.measure(ctx); err != nil {
			return err
		}
		s.flow.save()
		pause.For(ctx, watchEvery)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// measure returns an error when the session stands on nothing any more.
func (s *session) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	at := s.flow.position()
	firm := at
	ends, err := s.source.Ends(ctx, s.flow.topic)
	if err == nil {
		firm, err = s.flow.firm(ctx, at, s.source, s.target)
	}
	switch {
	case err == nil && !firm.equal(at):
		return fmt.Errorf("%s was re-created, or Kafka of %s lost a part of it", s.flow.topic, s.flow.To)
	case err == nil:
		s.flow.measured(ends)
	case errors.Is(err, context.Canceled), errors.Is(err, wal.ErrClosed):
	default:
		s.flow.report(err)
	}
	return nil
}

// batch is records as one Poll returned them.
type batch struct {
	records []event.Record
	read    time.Time
}
