package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/out"
)

var tailStart = time.UnixMilli(1_700_000_000_000)

// tailing makes the rows of a tail of two regions that prints numbers.
func tailing(t *testing.T) (*tailRows, *bytes.Buffer) {
	t.Helper()
	template, err := out.ParseTemplate(`%seq\n`, tailTokens())
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	printer := &out.Printer{Out: &stdout, Err: &bytes.Buffer{}, Format: out.Table}
	plan := tailPlan{live: true, template: &template, settle: time.Second}
	return newTailRows(printer, plan, []string{"us", "eu"}), &stdout
}

func seenAt(region string, seq int64) api.Observation {
	return api.Observation{Kind: api.KindSeen, Region: region, AtMS: 1, Topic: "us.events", Offset: seq, Event: event.Event{
		ID: "e", Origin: "us", HLC: hlc.Timestamp{Physical: 1}, Lane: lane.ID{Slot: 1, Incarnation: 2}, Seq: seq,
		Key: []byte("k"), Args: event.Incr{Delta: 1},
	}}
}

func appliedAt(region string, seq int64) api.Observation {
	o := seenAt(region, seq)
	o.Kind, o.Outcome = api.KindApplied, event.Applied
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A region that comes back reports events from long ago: none is printed again,
// however long the log is.
func TestTailPrintsNoEventTwice(t *testing.T) {
	rows, stdout := tailing(t)
	const log = 100_000
	for seq := range int64(log) {
		must(t, rows.history(seenAt("us", seq+1)))
	}
	must(t, rows.overdue(t.Context(), tailStart))
	stdout.Reset()
	for seq := range int64(log) {
		must(t, rows.observe(appliedAt("eu", seq+1), tailStart))
	}
	must(t, rows.overdue(t.Context(), tailStart.Add(time.Minute)))
	must(t, rows.flush(t.Context()))
	if again := strings.Count(stdout.String(), "\n"); again != 0 {
		t.Errorf("%d of %d events were printed again", again, log)
	}
}

// More events than are kept waiting come while a region is away: the oldest are
// printed before their time, and none is left out.
func TestTailPrintsWhatItCannotKeepWaiting(t *testing.T) {
	rows, stdout := tailing(t)
	const burst = tailMemory + 5000
	for seq := range int64(burst) {
		must(t, rows.observe(seenAt("us", seq+1), tailStart))
	}
	must(t, rows.overdue(t.Context(), tailStart.Add(time.Minute)))
	if printed := strings.Count(stdout.String(), "\n"); printed != burst {
		t.Errorf("%d of %d events were printed", printed, burst)
	}
}
