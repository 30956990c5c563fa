//go:build linux

// Package ttytest runs programs in a pseudo-terminal, so that tests can see
// what a person would: the screen while it runs, and the terminal it leaves.
package ttytest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TTY is a pseudo-terminal with a program in it.
type TTY struct {
	t      testing.TB
	master *os.File
	slave  *os.File
	before unix.Termios
	cmd    *exec.Cmd

	mu     sync.Mutex
	output []byte
	grown  chan struct{} // closed and renewed with every output
	typed  int           // how much had been written at the last input
}

// Start runs cmd in a terminal of a size. It is killed when the test ends.
func Start(t testing.TB, cmd *exec.Cmd, width, height uint16) *TTY {
	t.Helper()
	tty := &TTY{t: t, cmd: cmd, grown: make(chan struct{})}
	tty.open()
	tty.Resize(width, height)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty.slave, tty.slave, tty.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go tty.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		tty.slave.Close()
		tty.master.Close()
	})
	return tty
}

func (tty *TTY) open() {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		tty.t.Fatal(err)
	}
	tty.master = master
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		tty.t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		tty.t.Fatal(err)
	}
	if tty.slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		tty.t.Fatal(err)
	}
	tty.before = *tty.termios()
}

func (tty *TTY) termios() *unix.Termios {
	settings, err := unix.IoctlGetTermios(int(tty.slave.Fd()), unix.TCGETS)
	if err != nil {
		tty.t.Fatal(err)
	}
	return settings
}

func (tty *TTY) read() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := tty.master.Read(buffer)
		if err != nil {
			return
		}
		tty.mu.Lock()
		tty.output = append(tty.output, buffer[:n]...)
		close(tty.grown)
		tty.grown = make(chan struct{})
		tty.mu.Unlock()
	}
}

// Resize changes the size of the terminal, which its program is told.
func (tty *TTY) Resize(width, height uint16) {
	tty.mark()
	if err := unix.IoctlSetWinsize(int(tty.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		tty.t.Fatal(err)
	}
}

// Type sends keys.
func (tty *TTY) Type(keys string) {
	tty.mark()
	if _, err := tty.master.WriteString(keys); err != nil {
		tty.t.Fatal(err)
	}
}

func (tty *TTY) mark() {
	tty.mu.Lock()
	defer tty.mu.Unlock()
	tty.typed = len(tty.output)
}

// Signal sends a signal to the program.
func (tty *TTY) Signal(s os.Signal) {
	if err := tty.cmd.Process.Signal(s); err != nil {
		tty.t.Fatal(err)
	}
}

const patience = 60 * time.Second

// WaitFor waits until the program has written a text since the last input, in
// whatever order with others; styles within the text do not matter.
func (tty *TTY) WaitFor(text string) {
	tty.t.Helper()
	deadline := time.After(patience)
	for {
		tty.mu.Lock()
		written, grown := visible(tty.output[tty.typed:]), tty.grown
		tty.mu.Unlock()
		if bytes.Contains(written, []byte(text)) {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			tty.t.Fatalf("%q was not written within %v; the last that was written is\n%s", text, patience, written[max(len(written)-4000, 0):])
		}
	}
}

// visible takes the escape sequences out.
func visible(output []byte) (text []byte) {
	for i := 0; i < len(output); i++ {
		if output[i] != 0x1b {
			text = append(text, output[i])
			continue
		}
		i++
		if i < len(output) && output[i] == '[' {
			for i++; i < len(output) && (output[i] < 0x40 || output[i] > 0x7e); i++ {
			}
		} else if i < len(output) && output[i] == ']' {
			for i++; i < len(output) && output[i] != 0x07 && output[i] != 0x1b; i++ {
			}
		}
	}
	return text
}

// Ended waits for the end of the program and returns its exit status and all it
// wrote.
func (tty *TTY) Ended() (status int, output string) {
	tty.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- tty.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		tty.t.Fatalf("the program did not end within %v", patience)
	}
	tty.drain()
	tty.mu.Lock()
	defer tty.mu.Unlock()
	return tty.cmd.ProcessState.ExitCode(), string(tty.output)
}

// drain waits until what the program wrote has been read: a mark of our own
// comes through behind it.
func (tty *TTY) drain() {
	const mark = "\x1b]end of the test\x07"
	_, _ = tty.slave.WriteString(mark)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		tty.mu.Lock()
		grown, done := tty.grown, bytes.HasSuffix(tty.output, []byte(mark))
		tty.mu.Unlock()
		if done {
			return
		}
		select {
		case <-grown:
		case <-time.After(time.Second):
		}
	}
}

// Output is all that was written so far.
func (tty *TTY) Output() string {
	tty.mu.Lock()
	defer tty.mu.Unlock()
	return string(tty.output)
}

// mode is something that a program of the whole screen does to a terminal.
type mode struct{ on, off, what string }

func (m mode) isOn(output string) bool {
	return strings.LastIndex(output, m.on) > strings.LastIndex(output, m.off)
}

func modes() []mode {
	return []mode{
		{"\x1b[?1049h", "\x1b[?1049l", "the alternate screen"},
		{"\x1b[?25l", "\x1b[?25h", "the hidden cursor"},
		{"\x1b[?7l", "\x1b[?7h", "line wrap off"},
		{"\x1b[8l", "\x1b[8h", "explicit direction"},
		{"\x1b[?1002h", "\x1b[?1002l", "mouse reports"},
		{"\x1b[?1006h", "\x1b[?1006l", "extended mouse reports"},
		{"\x1b[?2004h", "\x1b[?2004l", "bracketed paste"},
	}
}

// CheckClean fails the test unless the terminal is as it was: no alternate
// screen, a cursor, no mouse reports, no bracketed paste, line discipline as
// before.
func (tty *TTY) CheckClean(output string) {
	tty.t.Helper()
	for _, mode := range modes() {
		if mode.isOn(output) {
			tty.t.Errorf("the program left behind: %s", mode.what)
		}
	}
	if after := *tty.termios(); after != tty.before {
		tty.t.Errorf("the program left the terminal in another mode: %+v, was %+v", after, tty.before)
	}
}

// WaitTaken waits until a program has the whole terminal: every mode that
// CheckClean wants gone is on.
func (tty *TTY) WaitTaken() {
	tty.t.Helper()
	deadline := time.After(patience)
	for {
		tty.mu.Lock()
		output, grown := string(tty.output), tty.grown
		tty.mu.Unlock()
		missing := slices.DeleteFunc(modes(), func(m mode) bool { return m.isOn(output) })
		if len(missing) == 0 {
			break
		}
		select {
		case <-grown:
		case <-deadline:
			tty.t.Fatalf("the program did not take within %v: %s", patience, missing[0].what)
		}
	}
	if *tty.termios() == tty.before {
		tty.t.Error("the program left the terminal's line discipline as it was")
	}
}
