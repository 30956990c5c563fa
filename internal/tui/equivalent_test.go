package tui

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

func TestCommandsForKeysAndOperations(t *testing.T) {
	for want, op := range map[string]event.Operation{
		"geokv produce incr k -5 --region eu":              {Region: "eu", Key: []byte("k"), Args: event.Incr{Delta: -5}},
		"geokv produce --region eu -- set -k v":            {Region: "eu", Key: []byte("-k"), Args: event.Set{Value: []byte("v")}},
		`geokv produce set $'\x00' 'a b' PX 5 --region us`: {Region: "us", Key: []byte{0}, Args: event.Set{Value: []byte("a b")}, TTLMS: 5},
	} {
		if got := produceCommand(op); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// The request that y offers for a link is one that the API takes: it wants JSON
// and says so with 415 otherwise.
func TestTheRequestForALinkIsComplete(t *testing.T) {
	s := newScreenWith(t, 120, 40, Options{Regions: []string{"us", "eu", "ap"}, NoColor: true, Theme: ThemeDark, Token: "$(cat /d/token)"})
	s.press("3")
	words, err := event.SplitWords(s.equivalent())
	if err != nil {
		t.Fatal(err)
	}
	var action api.LinkAction
	if err := json.Unmarshal([]byte(words[slices.Index(words, "-d")+1]), &action); err != nil || action.Action != api.ActionCut {
		t.Errorf("body %+v, error %v", action, err)
	}
	for _, want := range []string{"Authorization: Bearer $(cat /d/token)", "Content-Type: application/json", "http://" + s.address() + "/api/lab/links/us/eu"} {
		if !slices.Contains(words, want) {
			t.Errorf("%q lacks %q", words, want)
		}
	}
}

// A command line that y offers finds the cluster that is on the screen.
func TestCommandLinesFindThisCluster(t *testing.T) {
	s := newScreenWith(t, 120, 40, Options{Regions: []string{"us", "eu", "ap"}, NoColor: true, Theme: ThemeDark, Program: "geokv --data /d"})
	s.press("2", "y")
	if s.copied != "geokv --data /d tail" {
		t.Errorf("copied %q", s.copied)
	}
}

// TestTheSimulatorsCommandIsItsKey: y offers what the key would do, before the
// first run of a server too, which then takes a rate of its own.
func TestTheSimulatorsCommandIsItsKey(t *testing.T) {
	for want, sim := range map[string]api.Sim{
		"geokv sim start":           {},
		"geokv sim start --rate 50": {Rate: 50},
		"geokv sim stop":            {Rate: 50, Running: true},
	} {
		s := newScreen(t, 120, 40)
		s.fake.sim = sim
		s.look()
		s.press("4", "y", "esc", "s")
		call := fmt.Sprintf("sim start %g", sim.Rate)
		if sim.Running {
			call = "sim stop"
		}
		if problem := wantCalls(call)(s); problem != "" || s.copied != want {
			t.Errorf("y offers %q, want %q; the key: %s", s.copied, want, problem)
		}
	}
}
