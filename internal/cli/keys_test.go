package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/out"
)

// One long key does not push the regions of all others off the terminal.
func TestKeysOfAllRegionsFitTheTerminal(t *testing.T) {
	long := event.Bytes(strings.Repeat("k", event.MaxKeyBytes))
	a := keysAnswer{Regions: []string{"us", "eu"}, Keys: []event.Bytes{long}, held: map[string][]string{string(long): {"us", "eu"}}}
	if text := onTerminal(t, 80, keysGrid(a)); !strings.Contains(text, "…  us,eu\n") {
		t.Errorf("regions of a long key: %s", text)
	}
}

// onTerminal prints a table on a terminal of so many columns, in which every
// line has to have room.
func onTerminal(t *testing.T, width int, grids ...out.Grid) string {
	t.Helper()
	var text bytes.Buffer
	p := &out.Printer{Out: &text, TTY: true, Width: width}
	for _, g := range grids {
		if err := p.Grid(g); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(text.String()) {
		if n := runewidth.StringWidth(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns, want at most %d: %s", n, width, line)
		}
	}
	return text.String()
}
