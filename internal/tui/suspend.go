package tui

import (
	"io"

	tea "github.com/charmbracelet/bubbletea"
)

// Where says where the cluster runs that is looked at, as the header says it.
type Where string

// The places.
const (
	Attached Where = "attached to"   // in another process
	Embedded Where = "embedded here" // in this one: what stops it stops the cluster
)

// suspend gives the terminal back to the shell until it continues the program,
// unless regions would stop with it.
func (m *Model) suspend() tea.Cmd {
	if m.title != Attached {
		return m.notify("Ctrl-Z would stop the cluster too, which runs in this program", true)
	}
	return m.stop()
}

// resumedMsg says that the program has the terminal again; err, why it was never
// stopped.
type resumedMsg struct{ err error }

func (m *Model) resumed(msg resumedMsg) tea.Cmd {
	if msg.err != nil {
		m.say(msg.err.Error(), true)
	}
	if m.mouse { // the library brings everything back but this
		return tea.EnableMouseCellMotion
	}
	return nil
}

// stopped is a command in whose place the program is stopped: the library gives
// the terminal away for it and takes it back afterwards.
type stopped struct{ out io.Writer }

// Run returns when the program is continued.
func (s stopped) Run() error {
	_, _ = io.WriteString(s.out, gridOff)
	err := stopJob()
	_, _ = io.WriteString(s.out, gridOn)
	return err
}

// SetStdin does nothing: what is stopped reads nothing.
func (stopped) SetStdin(io.Reader) {}

// SetStdout does nothing.
func (stopped) SetStdout(io.Writer) {}

// SetStderr does nothing.
func (stopped) SetStderr(io.Writer) {}
