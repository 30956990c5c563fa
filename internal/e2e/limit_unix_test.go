//go:build unix

package e2e

import (
	"math"
	"os/signal"
	"strconv"
	"syscall"
)

// fileLimitVariable names the greatest size in bytes that a file of a geokv
// child process may grow to: what a full disk is to it.
const fileLimitVariable = "GEOKV_TEST_FILE_LIMIT"

func limitFiles(text string) error {
	if text == "" {
		return nil
	}
	limit, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ) // let writes fail, as a full disk does
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: math.MaxInt64})
}
