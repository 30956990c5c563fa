//go:build linux

package tui

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/tui/ttytest"
)

// TestMain lets the test binary be a program with the interface in it.
func TestMain(m *testing.M) {
	if os.Getenv("GEOKV_TUI_PROGRAM") != "" {
		os.Exit(program())
	}
	os.Exit(m.Run())
}

// program is the interface over a fake source, whose writes panic.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fake := newFake(nil, "us", "eu", "ap")
	err := Run(ctx, Options{
		Source: panicking{fake}, Regions: []string{"us", "eu", "ap"}, Title: Attached, Theme: ThemeDark, In: os.Stdin, Out: os.Stdout,
	})
	if err != nil {
		fmt.Println("ended with", err)
		return 1
	}
	return 0
}

type panicking struct{ *fakeSource }

func (panicking) Produce(context.Context, event.Operation) (event.Receipt, error) {
	panic("a bug in a command")
}

func inTerminal(t *testing.T) *ttytest.TTY {
	return inTerminalUnder(t)
}

// inTerminalUnder runs the program by way of another one, which finds it as the
// last of its arguments.
func inTerminalUnder(t *testing.T, runner ...string) *ttytest.TTY {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(runner, self)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "GEOKV_TUI_PROGRAM=1", "TERM=xterm-256color")
	return ttytest.Start(t, cmd, 120, 40)
}

// TestProgramInATerminal opens, is used, resized, and leaves the terminal as it
// found it.
func TestProgramInATerminal(t *testing.T) {
	tty := inTerminal(t)
	tty.WaitFor("all agree")
	tty.Type("?")
	tty.WaitFor("superseded")
	tty.Resize(10, 3)
	tty.WaitFor("64x18")
	tty.Resize(100, 30)
	tty.WaitFor("superseded")
	tty.Type("\x1b")
	tty.WaitFor("sales:total")
	tty.Type(":")
	tty.WaitFor("commands")
	tty.Type("quit\r")
	status, output := tty.Ended()
	if status != 0 {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	tty.CheckClean(output)
	if strings.Contains(output, "\x1b]11;?") {
		t.Error("the program asks the terminal for its background though the theme is given")
	}
}

// TestTerminalIsCleanAfterAPanic and the panic is not swallowed.
func TestTerminalIsCleanAfterAPanic(t *testing.T) {
	tty := inTerminal(t)
	tty.WaitFor("all agree")
	tty.Type(":incr k\r")
	status, output := tty.Ended()
	if status != 1 || !strings.Contains(output, "a bug in a command") || !strings.Contains(output, "the terminal interface failed") {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	tty.CheckClean(output)
}

// TestTerminalIsCleanAfterASignal that ends the program.
func TestTerminalIsCleanAfterASignal(t *testing.T) {
	tty := inTerminal(t)
	tty.WaitFor("all agree")
	tty.Signal(syscall.SIGTERM)
	status, output := tty.Ended()
	if status != 0 {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	tty.CheckClean(output)
}

// jobShell is a shell that has job control in a script too: not every sh does.
func jobShell(t *testing.T) string {
	for _, name := range []string{"bash", "dash"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "" {
		t.Skip("neither bash nor dash here")
	}
	t.Fatal("neither bash nor dash here")
	return ""
}

// TestSuspendedByAShell: Ctrl-Z gives a shell with job control a clean terminal,
// out of an overlay too, and fg brings the screen back.
func TestSuspendedByAShell(t *testing.T) {
	tty := inTerminalUnder(t, jobShell(t), "-m", "-c", `"$0"; echo "the shell has it"; read -r again; fg; echo "ended with $?"`)
	tty.WaitFor("all agree")
	tty.Type("?")
	tty.WaitFor("superseded")
	tty.Type("\x1a")
	tty.WaitFor("the shell has it")
	tty.CheckClean(tty.Output())
	tty.Type("on\n")
	tty.WaitFor("superseded")
	tty.WaitTaken()
	tty.Type("q")
	tty.WaitFor("all agree")
	tty.Type("q")
	status, output := tty.Ended()
	if status != 0 || !strings.Contains(output, "ended with 0") {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	tty.CheckClean(output)
}

// TestSuspendWithoutAShell: where nobody could continue the program it goes on
// and says so.
func TestSuspendWithoutAShell(t *testing.T) {
	tty := inTerminal(t)
	tty.WaitFor("all agree")
	tty.Type("\x1a")
	tty.WaitFor("no shell with job control")
	tty.WaitTaken()
	tty.Type("q")
	status, output := tty.Ended()
	if status != 0 {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	tty.CheckClean(output)
}
