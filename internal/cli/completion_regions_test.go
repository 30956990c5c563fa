package cli

import (
	"slices"
	"strings"
	"testing"
)

// all is offered for a region where it is taken, and nowhere else.
func TestAllIsCompletedWhereItIsTaken(t *testing.T) {
	for line, want := range map[string]bool{
		"get --region": true, "keys --region": true,
		"produce --region": false, "materialize --region": false, "serve --regions": false,
		"sim start --regions": false, "sim run --regions": false,
	} {
		stdout, _ := runAlone(t, append(strings.Fields("__complete "+line), ""))
		offered := strings.Split(stdout, "\n")
		if !slices.Contains(offered, ":4") { // no names of files instead
			t.Errorf("geokv %s <Tab> is not completed: %q", line, stdout)
		}
		if slices.Contains(offered, allRegions) != want {
			t.Errorf("geokv %s <Tab> offers %q, all among them: want %v", line, offered, want)
		}
	}
}
