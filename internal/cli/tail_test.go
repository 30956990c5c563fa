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
	"time"

	"github.com/geokv/geokv/internal/api"
)

// busy is a cluster where more is observed while its log is read.
type busy struct {
	backend
	log   []api.Observation
	live  []api.Observation
	lost  uint64
	heard chan struct{} // all of live was taken
}

func (b *busy) Follow(ctx context.Context, ready func(), hear hearing) error {
	ready()
	for _, o := range b.live {
		hear([]api.Observation{o}, 0)
	}
	hear(nil, b.lost)
	close(b.heard)
	return nil
}

// Log goes on only when the stream was read to its end.
func (b *busy) Log(ctx context.Context, _ api.LogQuery, emit func(api.Observation) error) error {
	select {
	case <-b.heard:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, o := range b.log {
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

// While the history is printed the stream is read on, so that no server drops
// what this reader leaves lying: all of it is printed behind.
func TestTailReadsTheStreamDuringTheHistory(t *testing.T) {
	b := &busy{heard: make(chan struct{}), lost: 7}
	for seq := range int64(10) {
		b.log = append(b.log, seenAt("us", seq+1))
	}
	for seq := range int64(5000) {
		b.live = append(b.live, seenAt("us", seq+1))
	}
	rows, stdout := tailing(t)
	rows.plan.history = true
	must(t, (&session{}).follow(t.Context(), b, rows))
	if printed := strings.Count(stdout.String(), "\n"); printed != len(b.live) {
		t.Errorf("%d of %d events were printed", printed, len(b.live))
	}
	if !strings.HasPrefix(stdout.String(), "1\n2\n3\n") {
		t.Errorf("the history is not first: %.20q", stdout)
	}
	if said := rows.printer.Err.(*bytes.Buffer).String(); !strings.Contains(said, "7 observations lost") {
		t.Errorf("stderr %q, want the 7 observations that were lost", said)
	}
}

// slowly is a terminal that needs a millisecond for a line.
type slowly struct{ lines atomic.Int64 }

func (s *slowly) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	s.lines.Add(1)
	return len(p), nil
}

// Whoever interrupts tail does not wait for all that it has heard, nor for all
// that waits for its last region; how much was not printed is told.
func TestTailEndsWhileItPrintsABacklog(t *testing.T) {
	for what, report := range map[string]func(string, int64) api.Observation{"complete": appliedAt, "waiting": seenAt} {
		t.Run(what, func(t *testing.T) {
			const events = 19_000
			rows, _ := tailing(t)
			terminal := &slowly{}
			rows.printer.Out, rows.regions, rows.plan.settle = terminal, []string{"us"}, 0
			heard := newBacklog(backlogBytes)
			for seq := range int64(events) {
				heard.put([]api.Observation{report("us", seq+1)}, 0)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			began := time.Now()
			if err := rows.live(ctx, heard, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that it was cancelled", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it ended %s after it was told to", took)
			}
			want := fmt.Sprintf("%d observations not printed any more", events-terminal.lines.Load())
			if said := rows.printer.Err.(*bytes.Buffer).String(); !strings.Contains(said, want) {
				t.Errorf("stderr %q, want %q", said, want)
			}
		})
	}
}

// An event does not wait for its last region longer because much else is printed.
func TestTailKeepsToSettleInALongBacklog(t *testing.T) {
	rows, _ := tailing(t)
	rows.plan.settle = 50 * time.Millisecond
	var stdout bytes.Buffer
	rows.printer.Out = io.MultiWriter(&slowly{}, &stdout)
	heard := newBacklog(backlogBytes)
	heard.put([]api.Observation{seenAt("us", 9999)}, 0)
	for seq := range int64(600) {
		heard.put([]api.Observation{appliedAt("us", seq+1), appliedAt("eu", seq+1)}, 0)
	}
	must(t, rows.hear(t.Context(), heard))
	if at := strings.Index(stdout.String(), "9999\n"); at < 0 || strings.HasSuffix(stdout.String(), "9999\n") {
		t.Errorf("the event that waits was printed at byte %d of %d, want it between the others", at, stdout.Len())
	}
}

// What does not fit is counted, and room is made by taking.
func TestBacklogCountsWhatItDrops(t *testing.T) {
	o := seenAt("us", 1)
	b := newBacklog(3 * o.Size())
	b.put([]api.Observation{o, o, o, o}, 2)
	if kept, lost := b.take(); len(kept) != 3 || lost != 3 {
		t.Errorf("%d kept, %d lost, want 3 and 3", len(kept), lost)
	}
	b.put([]api.Observation{o}, 0)
	if kept, lost := b.take(); len(kept) != 1 || lost != 0 {
		t.Errorf("%d kept, %d lost, want 1 and 0", len(kept), lost)
	}
}
