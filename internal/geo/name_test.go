package geo_test

import (
	"regexp"
	"testing"

	"github.com/geokv/geokv/internal/geo"
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)

func FuzzValidNameIsTheContractsPattern(f *testing.F) {
	for _, name := range []string{
		"", "us", "eu", "ap", "a", "A", "1a", "a1", "a-", "-a", "a_b", "us ", "us\n", "é",
		"abcdefghijklmnop", "abcdefghijklmnopq", "a:b", "a.b", "z9-z", "`", "{", "a/", "a{", "a`",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got, want := geo.ValidName(name), namePattern.MatchString(name); got != want {
			t.Errorf("ValidName(%q) = %v, the pattern says %v", name, got, want)
		}
	})
}
