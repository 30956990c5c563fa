package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/out"
)

// writer is a backend that takes a second for each write and never answers one of
// the key "lost".
type writer struct{ backend }

func (writer) Regions() []string { return []string{"us", "eu"} }

func (writer) Produce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return event.Receipt{}, err
	}
	answer := time.After(time.Second)
	if string(op.Key) == "lost" {
		answer = nil
	}
	select {
	case <-answer:
		return event.Receipt{Outcome: event.Durable, Seq: 1}, nil
	case <-ctx.Done():
		return event.Receipt{Outcome: event.FateUnknown, EventID: op.EventID}, nil
	}
}

// An interruption leaves each line in one account: what was sent is waited for,
// what was not is named in one line.
func TestInterruptedLinesAreAccountedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		input := `{"op":"INCR","key":"slow"}` + "\n" +
			`{"op":"INCR","key":"lost","event_id":"order-17"}` + "\n" +
			`{"op":"INCR","key":"slow"}` + "\n\n" +
			`{"op":"INCR","key":"other"}` + "\n" +
			strings.Repeat(`{"op":"INCR","key":"slow"}`+"\n", 1000)
		s := &session{env: Env{In: strings.NewReader(input)}, printer: &out.Printer{Out: &stdout, Err: &stderr, Format: out.Table}}
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		time.AfterFunc(time.Second/2, interrupt)
		began := time.Now()
		counted, err := s.produceLines(ctx, writer{}, produceOptions{})
		s.noteCounts(counted)
		if !errors.Is(err, context.Canceled) || time.Since(began) != time.Second/2+shutdownGrace {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
		if n := counted.lines; counted.durable != 2 || counted.unknown != 1 || counted.failed != 0 || len(counted.unsent) != n-3 || n < inFlight || n > 2*inFlight {
			t.Errorf("counted %+v", counted)
		}
		said := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if len(said) != 3 || !strings.Contains(said[0], "line 2: unknown") || !strings.Contains(said[0], "order-17") ||
			!strings.Contains(said[1], "interrupted at line 3: ") || !strings.Contains(said[1], "lines (3,6-") ||
			!strings.Contains(said[2], "2 durable, 1 unknown, 0 failed, ") {
			t.Errorf("said %q", said)
		}
	})
}

// Where it stopped is said, also when all that was begun came through.
func TestInterruptedReadingIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		input := "\n" + `{"op":"INCR","key":"slow"}` + "\n"
		for i := range 1000 {
			input += fmt.Sprintf(`{"op":"INCR","key":"k%d"}`+"\n", i)
		}
		s := &session{env: Env{In: strings.NewReader(input)}, printer: &out.Printer{Out: io.Discard, Err: &stderr, Format: out.Table}}
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second/2, interrupt)
		counted, err := s.produceLines(ctx, slowFirst{}, produceOptions{})
		s.noteCounts(counted)
		if !errors.Is(err, context.Canceled) || counted.durable != counted.lines || !strings.Contains(stderr.String(), fmt.Sprintf("interrupted at line %d: it", counted.lines+2)) {
			t.Errorf("%v, %+v, said %q", err, counted, stderr.String())
		}
	})
}

// slowFirst takes three seconds for the key "slow", and no time for others.
type slowFirst struct{ writer }

func (slowFirst) Produce(_ context.Context, op event.Operation) (event.Receipt, error) {
	if string(op.Key) == "slow" {
		time.Sleep(3 * time.Second)
	}
	return event.Receipt{Outcome: event.Durable, Seq: 1}, nil
}

// A key has one order, whether its lines name the region that is meant or not.
func TestLinesOfAKeyKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var input strings.Builder
		for i := range 100 {
			region := []string{"", `"region":"us",`}[i%2]
			fmt.Fprintf(&input, `{%s"op":"SET","key":"k","value":"%d"}`+"\n", region, i)
		}
		s := &session{env: Env{In: strings.NewReader(input.String())}, printer: &out.Printer{Out: io.Discard, Err: io.Discard, Format: out.Table}}
		one := &oneAtATime{}
		counted, err := s.produceLines(t.Context(), one, produceOptions{})
		if err != nil || counted.durable != 100 || one.together {
			t.Errorf("%+v, %v; two lines of one key at once: %v", counted, err, one.together)
		}
	})
}

// oneAtATime notes writes that overlap.
type oneAtATime struct {
	writer
	busy     atomic.Bool
	together bool
}

func (w *oneAtATime) Produce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	if !w.busy.CompareAndSwap(false, true) {
		w.together = true
	}
	defer w.busy.Store(false)
	return w.writer.Produce(ctx, op)
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "7": {7}, "1-2": {1, 2}, "5,7-260,262": append(append([]int{5}, seq(7, 260)...), 262)} {
		if got := ranges(numbers); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func seq(from, to int) (numbers []int) {
	for n := from; n <= to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}
