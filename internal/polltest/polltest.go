// Package polltest waits, in tests, for what only another goroutine or process
// can make true and nobody tells.
package polltest

import (
	"strings"
	"testing"
	"time"
)

// patience is for the slowest of machines: what is waited for comes much sooner,
// or never.
const patience = time.Minute

// Until polls until ok. It fails the test when patience ends, naming what never
// came about and, when state is given, how things stand.
func Until(t testing.TB, what string, ok func() bool, state ...func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			said := []string{what}
			for _, s := range state {
				said = append(said, s())
			}
			t.Fatalf("not within %v: %s", patience, strings.Join(said, "\n"))
		}
	}
}
