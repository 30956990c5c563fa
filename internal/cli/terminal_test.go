//go:build linux

package cli_test

import (
	"strings"
	"testing"
)

// The shell's prompt must not follow ^C on its line.
func TestInterruptInATerminalEndsItsLine(t *testing.T) {
	tty := inTerminal(t, "up", "--memory")
	tty.WaitFor("Ctrl-C ends.")
	tty.Type("\x03")
	status, output := tty.Ended()
	if status != 0 {
		t.Errorf("exit status %d", status)
	}
	if !strings.Contains(output, "^C\r\n") {
		t.Errorf("^C is followed by %q", output[strings.LastIndex(output, "^C")+2:])
	}
}
