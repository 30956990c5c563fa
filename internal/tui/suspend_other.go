//go:build !unix

package tui

import "github.com/geokv/geokv/internal/fail"

func stopJob() error {
	return fail.New(fail.Unavailable, "suspend: this system cannot stop a program")
}
