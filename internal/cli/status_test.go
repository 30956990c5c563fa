package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

// What nobody could ask for is a dash: 0 would read as nothing to worry about.
func TestWhatIsUnknownIsADashInTheTable(t *testing.T) {
	level := []api.OriginReport{{Origin: "us"}, {Origin: "ap", MirrorGap: api.Unknown}}
	report := api.Report{
		Regions: []api.RegionReport{
			{Name: "us", State: api.StateUp, Keys: 7, Origins: level},
			{Name: "ap", State: api.StateDown, Keys: api.Unknown},
		},
		Flows: []api.FlowReport{{From: "us", To: "ap", State: api.FlowDown, GapEvents: api.Unknown}},
	}
	var text bytes.Buffer
	p, err := out.New(&text, &text, out.Table, out.ColorNever, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if err := (&session{printer: p}).printReport(report); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for i, want := range map[int]string{1: "us up 7 0 0s - us 0 ap 0", 2: "ap down - - - -", 9: "us->ap down 0s -"} {
		if i >= len(lines) || lines[i] != want {
			t.Errorf("line %d, want %q in\n%s", i, want, text.String())
		}
	}
}

// A terminal of 80 columns has room for every row, with the positions of a day of
// traffic and a region in trouble; positions and addresses stay whole.
func TestStatusFitsEightyColumns(t *testing.T) {
	var report api.Report
	for i, name := range []string{"us", "eu", "ap"} {
		region := api.RegionReport{Name: name, Index: i, State: api.StateUp, Keys: 12345, LagEvents: 1234, LagMS: 340, Kafka: []string{"127.0.0.1:31669"}, Redis: "127.0.0.1:35071"}
		for _, origin := range []string{"us", "eu", "ap"} {
			region.Origins = append(region.Origins, api.OriginReport{Origin: origin, Applied: 1234567, End: 1234567})
		}
		report.Regions = append(report.Regions, region)
		report.Flows = append(report.Flows, api.FlowReport{From: name, To: "eu", State: api.FlowDown, Detail: strings.Repeat("connection refused ", 9)})
	}
	report.Regions[1].State, report.Regions[1].Detail = api.StateDown, strings.Repeat("connection refused ", 9)
	text := onTerminal(t, 80, regionsGrid(report), partsGrid(report), flowsGrid(report))
	for _, want := range []string{"us 1234567  eu 1234567  ap 1234567\n", "127.0.0.1:31669  127.0.0.1:35071"} {
		if strings.Count(text, want) != 3 {
			t.Errorf("not thrice %q in\n%s", want, text)
		}
	}
}

// What a region has yet to apply shows beside where its log ends.
func TestPositionsThatLag(t *testing.T) {
	r := api.RegionReport{Origins: []api.OriginReport{{Origin: "us", Applied: 7, End: 9}, {Origin: "eu", Applied: 5, End: 5}}}
	if got := originsText(r); got != "us 7/9  eu 5" {
		t.Errorf("got %q", got)
	}
}

// status --watch waits for a cluster that goes away, and goes on where it is
// started again.
func TestStatusWatchWaitsForTheCluster(t *testing.T) {
	var gone atomic.Bool // and its port nobody else's
	report := func(w http.ResponseWriter) { fmt.Fprint(w, `{"converged":true}`) }
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		report(w)
	}))
	defer first.Close()
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { report(w) }))
	defer second.Close()
	var said []string
	looked := 0
	r := &remote{
		Client: clientOf(t, first.URL),
		say:    func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) },
		again: func(context.Context) (*client.Client, error) {
			if looked++; looked < 3 {
				return nil, fail.New(fail.Unavailable, "still starting")
			}
			return clientOf(t, second.URL), nil
		},
	}
	ctx, interrupt := context.WithTimeout(t.Context(), 20*time.Second)
	defer interrupt()
	reports := 0
	shown := writing(func() {
		switch reports++; reports {
		case 1:
			gone.Store(true)
		case 3:
			interrupt()
		}
	})
	s := &session{printer: &out.Printer{Out: shown, Format: out.JSONL}}
	if err := s.statusWatch(ctx, r, statusOptions{interval: 10 * time.Millisecond}); err != context.Canceled {
		t.Errorf("error %v", err)
	}
	want := []string{"the cluster at " + first.URL + " does not answer: waiting for it", "the cluster is back at " + second.URL}
	if !slices.Equal(said, want) || reports != 3 {
		t.Errorf("said %q, want %q; %d reports", said, want, reports)
	}
}

// writing is a stream that calls a function for each write.
type writing func()

func (w writing) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}
