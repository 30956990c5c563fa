//go:build unix

package tui

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// stopPatience is how long a signal may take.
const stopPatience = 500 * time.Millisecond

// stopJob stops the program with whatever is its job, as Ctrl-Z does, until it is
// continued. Where nobody could continue it the system does not stop it: that is
// an error.
func stopJob() error {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if err := syscall.Kill(0, syscall.SIGTSTP); err != nil {
		return fail.Wrap(fail.Internal, err, "suspend")
	}
	for range 2 { // the first may end while the program is stopped
		select {
		case <-continued:
			return nil
		case <-time.After(stopPatience):
		}
	}
	return fail.New(fail.Unavailable, "suspend: no shell with job control started this program")
}
