package filter

import (
	"strings"
	"testing"
	"time"
)

var sale = Subject{
	Key: "sales:total", Op: "INCR", Origin: "eu", ID: "01JD", Argument: `{"delta":"1"}`, Slowest: 150 * time.Millisecond,
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"", true},
		{"  ", true},
		{"total", true},
		{"TOTAL", false}, // an upper-case letter asks for the exact case
		{"incr", true},
		{"delta", true},
		{"ap", false},
		{"!ap", true},
		{"!total", false},
		{"key:sales", true},
		{"key:eu", false},
		{"op:=incr", true},
		{"op:=inc", false},
		{"origin:eu total", true},
		{"origin:us total", false},
		{"/^sales:/", true},
		{"/^total/", false},
		{"key:/:total$/", true},
		{"!key:/:total$/", false},
		{"/sales total/", false}, // a space inside an expression does not split it
		{`/a\/b/`, false},
		{"slow:>100ms", true},
		{"slow:>200ms", false},
		{"slow:<200ms", true},
		{"a/b", false}, // a slash inside a word is part of the word
	} {
		f, err := Parse(c.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.text, err)
			continue
		}
		if got := f.Match(sale); got != c.want {
			t.Errorf("%q matches %v, want %v", c.text, got, c.want)
		}
	}
}

func TestParseErrorsNameTheTerm(t *testing.T) {
	for _, text := range []string{"!", "key:", "slow:100ms", "slow:>x", "/(/", "/open", "ok key:/open", "slow:"} {
		_, err := Parse(text)
		if err == nil {
			t.Errorf("Parse(%q) succeeded", text)
			continue
		}
		words := strings.Fields(text)
		if !strings.Contains(err.Error(), strings.TrimPrefix(words[len(words)-1], "!")) {
			t.Errorf("Parse(%q): error %q does not name the term", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "a b", "!key:/x/", "slow:>1s", "/a/ /b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if filter, err := Parse(text); err == nil {
			filter.Match(sale)
		}
	})
}
