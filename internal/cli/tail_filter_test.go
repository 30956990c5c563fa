package cli

import (
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/filter"
)

func TestHopelessWordsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"origin:mars":           "origin:mars matches no event: origin is one of us, eu",
		"laptop op:nope":        "op:nope matches no event: op is one of ?, SET, DEL, INCR,",
		"op:set op:=se":         "op:=se matches no event",
		"origin:US":             "origin:US matches no event", // asks for the exact case
		"origin:/^s/":           "origin:/^s/ matches no event",
		"op:n origin:u op:?":    "", // parts of names
		"op:/s.t/ !origin:mars": "",
		"op:/a b/ key:mars":     "",
		"origin op nope mars":   "", // in keys, perhaps
		"":                      "",
	} {
		f, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		notes := hopeless(f, []string{"us", "eu"})
		if got := strings.Join(notes, "\n"); len(notes) > 1 || !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
