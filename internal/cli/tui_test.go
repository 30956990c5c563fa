//go:build linux

package cli_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/tui/ttytest"
)

// inTerminal runs geokv in a pseudo-terminal, with a home of its own.
func inTerminal(t *testing.T, args ...string) *ttytest.TTY {
	t.Helper()
	cmd := alone(t.TempDir(), args...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	return ttytest.Start(t, cmd, 120, 40)
}

// TestTUIWithAClusterInside starts the interface where no cluster runs: it says
// so, a write goes all the way, a region is cut off and healed, and in the end
// the terminal is as it was.
func TestTUIWithAClusterInside(t *testing.T) {
	tty := inTerminal(t, "tui", "--theme", "dark")
	tty.WaitFor("no cluster was running")
	tty.WaitFor("all agree")
	tty.Type(":set greeting hello\r")
	tty.WaitFor("durable")
	tty.Type("\x1b")
	tty.WaitFor("live")
	tty.Type(":cut ap\r")
	tty.WaitFor("cut ap off?")
	tty.Type("y")
	tty.WaitFor("ap is cut off")
	tty.WaitFor("ap cut")
	tty.Type(":heal\r")
	tty.WaitFor("every link is up")
	tty.Resize(118, 40) // everything is written again, also what a quick cut left as it was
	tty.WaitFor("ap up")
	tty.Type("q")
	status, output := tty.Ended()
	if status != 0 {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	tty.CheckClean(output)
}

// TestOtherCommandsDoNotAskTheTerminal: linking the interface must not make a
// command query the terminal, or wait for it.
func TestOtherCommandsDoNotAskTheTerminal(t *testing.T) {
	tty := inTerminal(t, "version")
	status, output := tty.Ended()
	if status != 0 || strings.Contains(output, "\x1b]11;?") || strings.Contains(output, "\x1b[6n") {
		t.Errorf("exit status %d, wrote %q", status, output)
	}
}

// TestTUIWithoutATerminal names the commands that work without one.
func TestTUIWithoutATerminal(t *testing.T) {
	cmd := alone(t.TempDir(), "tui")
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !asExit(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(text), "geokv tail") {
		t.Errorf("%v: %s", err, text)
	}
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}
