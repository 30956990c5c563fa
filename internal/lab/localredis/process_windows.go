//go:build windows

package localredis

import (
	"os"
	"os/exec"
)

// Redis has no build for Windows; a port of it may be in PATH all the same. Its
// orphans are not recognised.

func detach(*exec.Cmd) {}

func terminate(p *os.Process) error { return p.Kill() }

func commandLine(int) string { return "" }
