package cli

import (
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/timeline"
)

// TestEveryTokenHasATextAndIsInTheHelp keeps the list of a template's tokens
// together with what fills them.
func TestEveryTokenHasATextAndIsInTheHelp(t *testing.T) {
	o := api.Observation{Kind: api.KindApplied, Region: "us", AtMS: 1700000000005, DelayMS: 5, Topic: "us.events", Partition: 3, Offset: 7, Outcome: event.Applied, Event: event.Event{
		ID: "01J", Origin: "us", HLC: hlc.Timestamp{Physical: 1700000000000}, Lane: lane.ID{Slot: 1, Incarnation: 2}, Seq: 4,
		Key: []byte("k"), Args: event.Incr{Delta: 5},
	}}
	row, _ := timeline.New(1).Add(o)
	rows := &tailRows{regions: []string{"us"}}
	help := formatsHelp()
	for _, token := range tailTokens() {
		if rows.token(token.Name, row, o) == "" {
			t.Errorf("%%%s gives nothing for %+v", token.Name, o)
		}
		if !strings.Contains(help, "%"+token.Name+" ") || token.Help == "" {
			t.Errorf("%%%s is not in the help", token.Name)
		}
	}
}
