package event_test

import (
	"regexp"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

// reservedPattern is the contract's own wording of the reserved names.
var reservedPattern = regexp.MustCompile(`^geokv:|:(meta|smeta|zmeta|hmeta|xmeta)$|:seq:[a-z][a-z0-9-]{0,15}$|:~(r|s|z|h|x|late)$`)

func FuzzReservedKeyIsTheContractsPattern(f *testing.F) {
	for _, key := range []string{
		"", ":", "k", "geokv:", "geokv", "xgeokv:", "a:meta", ":meta", "meta", "a:meta\n", "a\n:zmeta", "a:ameta", "a:smeta:b",
		"cnt:seq:us", ":seq:us", "seq:us", "cnt:seq:Us", "cnt:seq:", "cnt:seq:a-b-1", "cnt:seq:abcdefghijklmnop", "cnt:seq:abcdefghijklmnopq", "c:seq:us\n",
		"k:~r", "k:~s", "k:~z", "k:~h", "k:~x", "k:~late", "k:~", "k:~y", "k:~r:~", "k~r", "\xff:~r", "k:seq:\xff",
	} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if got, want := event.ReservedKey(key), reservedPattern.Match(key); got != want {
			t.Errorf("ReservedKey(%q) = %v, the pattern says %v", key, got, want)
		}
	})
}
