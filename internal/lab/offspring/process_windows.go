//go:build windows

package offspring

import (
	"os"
	"os/exec"
)

// The real stacks do not run on Windows, and orphans are not recognised there.

// Detach does nothing here.
func Detach(*exec.Cmd) {}

// Terminate ends a process.
func Terminate(p *os.Process) error { return p.Kill() }

// CommandLine is not known here.
func CommandLine(int) string { return "" }
