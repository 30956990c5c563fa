package cli_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

// The bash script completes commands, flags' values and operations in a bash
// that has nothing else loaded.
func TestBashCompletionNeedsOnlyBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	script := geokvCommand(t.TempDir(), "completion", "bash")
	text, err := script.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"geokv ge":                 "get",
		"geokv produce hs":         "hset",
		"geokv up --redis e":       "embedded exec",
		"geokv completion ":        "bash fish powershell zsh",
		"geokv produce sadd k a:b": "",
	} {
		cmd := geokvCommand(t.TempDir())
		cmd.Path, cmd.Args = bash, []string{"bash", "--norc", "-c", string(text) + `
compopt() { :; }
COMP_LINE=$1 COMP_POINT=${#1} __start_geokv
printf '%s\n' "${COMPREPLY[@]}" | sed 's/ .*//' | sort | paste -sd' '`, "bash", line}
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q completes to %q, want %q (%v)", line, got, want, err)
		}
	}
}

// Every operation of the log is offered after produce.
func TestEveryOperationIsCompleted(t *testing.T) {
	complete := geokvCommand(t.TempDir(), "__complete", "produce", "")
	text, err := complete.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range event.Ops() {
		if !strings.Contains(string(text), strings.ToLower(string(op))+"\n") {
			t.Errorf("geokv produce <Tab> does not offer %s", op)
		}
	}
}
