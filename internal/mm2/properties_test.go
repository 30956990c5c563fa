package mm2

import (
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestPropertiesSyntax(t *testing.T) {
	type kv struct {
		line       int
		key, value string
	}
	for text, want := range map[string][]kv{
		"":                              nil,
		"# comment\n! comment\n  # too": nil,
		"a=b":                           {{1, "a", "b"}},
		"a = b\n":                       {{1, "a", "b"}},
		"a:b":                           {{1, "a", "b"}},
		"a : b":                         {{1, "a", "b"}},
		"a b c":                         {{1, "a", "b c"}},
		"a\tb":                          {{1, "a", "b"}},
		"a = = b":                       {{1, "a", "= b"}},
		"a":                             {{1, "a", ""}},
		"  a=b":                         {{1, "a", "b"}},
		"a=b  ":                         {{1, "a", "b  "}},
		`us->eu.topics = us[.]events`:   {{1, "us->eu.topics", "us[.]events"}},
		`t = us\.events`:                {{1, "t", "us.events"}},
		`t = us\\.events`:               {{1, "t", `us\.events`}},
		`a\ b\=c\:d = e`:                {{1, "a b=c:d", "e"}},
		`a = \t\n\r\f\u0041\q`:          {{1, "a", "\t\n\r\fAq"}},
		"a = b,\\\n   c,\\\n   d\ne=f":  {{1, "a", "b,c,d"}, {4, "e", "f"}},
		"a = b\\\\\nc = d":              {{1, "a", `b\`}, {2, "c", "d"}},
		"a = b\\\n# no comment\nc=d":    {{1, "a", "b# no comment"}, {3, "c", "d"}},
		"# comment \\\na=b":             {{2, "a", "b"}},
		"\\\n# comment\na=b":            {{3, "a", "b"}},
		"\\\n\n\\\na=b":                 {{3, "a", "b"}},
		"\\":                            {{1, "", ""}},
		"a = b\\":                       {{1, "a", "b"}},
		"a=1\r\nb=2\rc=3":               {{1, "a", "1"}, {2, "b", "2"}, {3, "c", "3"}},
		"\n\na=1\n\nb=2":                {{3, "a", "1"}, {5, "b", "2"}},
		"\xe9=\xfc":                     {{1, "é", "ü"}},
	} {
		var got []kv
		for _, p := range parse([]byte(text)) {
			if p.bad != "" {
				t.Errorf("%q: %s", text, p.bad)
			}
			got = append(got, kv{p.line, p.key, p.value})
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q parses as %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{`a = \u12`, `a = \uzzzz`, `\u1 = b`} {
		if p := parse([]byte(text)); len(p) != 1 || p[0].bad == "" {
			t.Errorf("%q: a malformed escape passes: %+v", text, p)
		}
	}
}

func FuzzPropertiesRoundTrip(f *testing.F) {
	f.Add("us->eu.topics", "us[.]events")
	f.Add("a b=c:d#!", " leading \\ \t\n\r\f é 😀 trailing ")
	f.Add("#a", "")
	f.Fuzz(func(t *testing.T, key, value string) {
		if key == "" || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return
		}
		for _, r := range key + value {
			if r > 0xFFFF {
				return // Java joins the two units of a surrogate pair, Go strings do not
			}
		}
		var w writer
		w.set(key, value)
		got := parse(w.buf.Bytes())
		if len(got) != 1 || got[0].key != key || got[0].value != value || got[0].bad != "" {
			t.Errorf("%q = %q is read back as %+v from %q", key, value, got, w.buf.String())
		}
	})
}

func FuzzLintNeverPanics(f *testing.F) {
	f.Add("clusters = us, eu\nus->eu.topics = (")
	f.Add("clusters = ,,\n->.a=b\na->b=c\n.=\n${=${a:}")
	f.Fuzz(func(t *testing.T, text string) {
		for _, finding := range lintText(t, text, LintOptions{Version: text, Production: true}) {
			if finding.Problem == "" || finding.Fix == "" {
				t.Errorf("%q: a finding without problem or fix: %+v", text, finding)
			}
		}
	})
}
