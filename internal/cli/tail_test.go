package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

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
