package polltest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a test that records how it fails instead of failing.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}
func (f *failing) Fatalf(format string, args ...any) {
	f.said = format
	for _, a := range args {
		if text, ok := a.(string); ok {
			f.said += " " + text
		}
	}
	panic(f)
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		Until(t, "a second", func() bool { return time.Since(began) >= time.Second })
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		f := &failing{TB: t}
		func() {
			defer func() { _ = recover() }()
			Until(f, "the impossible", func() bool { return false }, func() string { return "still zero" })
		}()
		if !strings.Contains(f.said, "the impossible") || !strings.Contains(f.said, "still zero") {
			t.Errorf("it failed with %q", f.said)
		}
	})
}
