package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/geokv/geokv/internal/api"
)

// What nobody could ask for is a dash: 0 would read as nothing to worry about.
func TestWhatIsUnknownIsADashOnTheScreen(t *testing.T) {
	s := newScreen(t, 200, 50)
	s.fake.report.Flows[0].State, s.fake.report.Flows[0].GapEvents = api.FlowDown, api.Unknown
	s.fake.report.Regions[0].Keys = api.Unknown
	s.look()
	text := ansi.Strip(s.View())
	if !strings.Contains(text, "- keys") || strings.Contains(text, "-1") {
		t.Errorf("the keys that nobody counted are no dash in\n%s", text)
	}
}
