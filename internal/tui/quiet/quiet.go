// Package quiet keeps every command of the binary from talking to the terminal
// before it has begun.
//
// The terminal library asks for the background colour in an init function of
// its own: any program that links it, `geokv version` too, writes a query to the
// terminal and waits, up to five seconds where nothing answers (a relayed or
// recorded terminal); a late answer ends up in the user's shell. The library has
// no switch for it, but it asks no terminal that calls itself dumb. So this
// package calls it that while packages are initialized, and End, which package
// tui calls when it is initialized itself, gives the name back: before main
// begins, all is as it was.
//
// The order is certain: Go initializes, of the packages whose imports are
// initialized, the one whose path sorts first. This one needs nothing but os;
// the library needs golang.org/x/sys, which sorts behind it. A test in a
// pseudo-terminal holds the result.
package quiet

import "os"

var name, named = os.LookupEnv("TERM")

func init() { _ = os.Setenv("TERM", "dumb") }

// End gives the terminal its name back.
func End() {
	if named {
		_ = os.Setenv("TERM", name)
	} else {
		_ = os.Unsetenv("TERM")
	}
}
