package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/api"
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
	for i, want := range map[int]string{1: "us up 7 0 0s us 0/0 ap 0/0 -", 2: "ap down - - - -", 5: "us->ap down 0s -"} {
		if i >= len(lines) || lines[i] != want {
			t.Errorf("line %d, want %q in\n%s", i, want, text.String())
		}
	}
}
