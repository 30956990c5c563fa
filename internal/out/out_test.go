package out

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}

func sample() Grid {
	g := Grid{Columns: Columns("region", "state", ">lag", "detail~"), Empty: "no regions"}
	g.Add(Cell{"us", Plain}, Cell{"up", Good}, Cell{"0", Plain}, Cell{"", Plain})
	g.Add(Cell{"eu", Plain}, Cell{"blocked", Bad}, Cell{"12,345", Warn}, Cell{"partition 4 waits: \x1b[31mMISCONF\u202e", Plain})
	g.Add(Cell{"東京", Plain}, Cell{"down", Bad}, Cell{"1", Plain}, Cell{"Kafka 127.0.0.1:9092 refuses connections since 12:00:01, and has done so for a while", Dim})
	return g
}

func TestGrid(t *testing.T) {
	for name, p := range map[string]Printer{
		"grid-piped.txt":        {},
		"grid-piped-color.txt":  {Color: true},
		"grid-tty.txt":          {TTY: true},
		"grid-tty-narrow.txt":   {TTY: true, Width: 60},
		"grid-tty-color.txt":    {TTY: true, Color: true, Width: 80},
		"grid-tty-toosmall.txt": {TTY: true, Width: 10},
	} {
		var b bytes.Buffer
		p.Out = &b
		if err := p.Grid(sample()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		if !p.Color && strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s holds an escape sequence", name)
		}
	}
}

func TestEmptyGrid(t *testing.T) {
	var tty, piped bytes.Buffer
	empty := Grid{Columns: Columns("key", "type"), Empty: "no keys match"}
	for _, p := range []Printer{{Out: &tty, TTY: true}, {Out: &piped}} {
		if err := p.Grid(empty); err != nil {
			t.Fatal(err)
		}
	}
	if tty.String() != "no keys match\n" || piped.String() != "KEY\tTYPE\n" {
		t.Errorf("terminal %q, pipe %q", tty.String(), piped.String())
	}
}

func TestResultInEachFormat(t *testing.T) {
	v := map[string]any{"key": "a<b", "n": 1}
	want := map[Format]string{
		Table: "K\na<b\n",
		JSON:  "{\n  \"key\": \"a<b\",\n  \"n\": 1\n}\n",
		JSONL: "{\"key\":\"a<b\",\"n\":1}\n",
	}
	for format, text := range want {
		var b bytes.Buffer
		p := Printer{Out: &b, Format: format}
		err := p.Result(v, func() Grid {
			if format != Table {
				t.Error("the table was made for", format)
			}
			return Grid{Columns: Columns("k"), Rows: [][]Cell{Text("a<b")}}
		})
		if err != nil || b.String() != text {
			t.Errorf("%s: got %q (%v), want %q", format, b.String(), err, text)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWriteFailureIsReported(t *testing.T) {
	p := Printer{Out: brokenPipe{}}
	if p.Grid(sample()) == nil || p.JSON(1) == nil {
		t.Error("a result that could not be written was reported as written")
	}
}

func TestSafe(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text, ünïcödé, 東京, 👍", "plain text, ünïcödé, 東京, 👍"},
		{"", ""},
		{"a\nb\rc\td", `a\nb\rc\td`},
		{"\x1b[31mred\x1b]0;title\x07", `\x1b[31mred\x1b]0;title\x07`},
		{"\x00\x7f", `\x00\x7f`},
		{"c1 \u0085\u009b31m", `c1 \u008` + `5\u009b31m`},
		{"abc\u202edef\u2066", `abc\u202edef\u2066`},
		{"zero\u200bwidth\u200d\ufeff\u00ad", `zero\u200bwidth\u200d\ufeff\u00ad`},
		{"line\u2028sep\u2029", `line\u2028sep\u2029`},
		{"tag\U000e0041", `tag\U000e0041`},
		{"filler\u3164\u034f", `filler\u3164\u034f`},
		{"bad \xff\xc3", `bad \xff\xc3`},
		{"real \ufffd stays", "real \ufffd stays"},
	}
	for _, tt := range tests {
		if got := Safe(tt.in); got != tt.want {
			t.Errorf("Safe(%q): got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// No two texts look the same.
func TestLiteralIsUnambiguous(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb": `a\nb`, `a\nb`: `a\\nb`, `a\\nb`: `a\\\\nb`, "\x1b\\x1b": `\x1b\\x1b`, "\xff": `\xff`, `\xff`: `\\xff`, "plain": "plain", "": "",
	} {
		if got := Literal([]byte(in)); got != want || Safe(got) != got {
			t.Errorf("Literal(%q): got %s, want %s", in, got, want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Safe(s)
		if !isSafe(got) {
			t.Errorf("Safe(%q) = %q is not safe", s, got)
		}
		if isSafe(s) && got != s {
			t.Errorf("Safe changed %q to %q", s, got)
		}
	})
}

func TestUseColor(t *testing.T) {
	tests := []struct {
		mode ColorMode
		tty  bool
		env  string
		want bool
	}{
		{"", true, "", true},
		{ColorAuto, true, "TERM=xterm", true},
		{ColorAuto, false, "", false},
		{ColorAuto, true, "NO_COLOR=1", false},
		{ColorAuto, true, "NO_COLOR=", true},
		{ColorAuto, true, "TERM=dumb", false},
		{ColorAuto, true, "CLICOLOR=0", false},
		{ColorAuto, false, "CLICOLOR_FORCE=1", true},
		{ColorAuto, false, "CLICOLOR_FORCE=0", false},
		{ColorAuto, false, "CLICOLOR_FORCE=1 NO_COLOR=1", false},
		{ColorAuto, false, "CLICOLOR_FORCE=1 TERM=dumb", true},
		{ColorAlways, false, "NO_COLOR=1 TERM=dumb", true},
		{ColorNever, true, "CLICOLOR_FORCE=1", false},
	}
	for _, tt := range tests {
		got, err := UseColor(tt.mode, tt.tty, func(name string) string {
			for pair := range strings.FieldsSeq(tt.env) {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if err != nil || got != tt.want {
			t.Errorf("%+v: got %v (%v)", tt, got, err)
		}
	}
	if _, err := UseColor("sometimes", true, func(string) string { return "" }); fail.CodeOf(err) != fail.Usage {
		t.Errorf("--color sometimes: got %v", err)
	}
}

func TestNewOnPipesIsPlain(t *testing.T) {
	var b bytes.Buffer
	p, err := New(&b, &b, Table, ColorAuto, func(string) string { return "" })
	if err != nil || p.TTY || p.ErrTTY || p.Color || p.Width != 0 {
		t.Errorf("got %+v (%v)", p, err)
	}
}

func TestExitCodes(t *testing.T) {
	wrapped := func(c fail.Code) error { return fmt.Errorf("produce: %w", fail.New(c, "x")) }
	want := map[int][]error{
		0:   {nil},
		1:   {errors.New("x"), wrapped(fail.Internal)},
		2:   {wrapped(fail.Usage), wrapped(fail.Rejected), event.Reject("bad key", "empty"), &event.UnknownOpError{Op: "GEOADD"}},
		3:   {wrapped(fail.NotFound)},
		4:   {wrapped(fail.NotAllowed), wrapped(fail.WrongType)},
		5:   {wrapped(fail.Unavailable), wrapped(fail.Rebuilding), wrapped(fail.Clock), wrapped(fail.Busy), wrapped(fail.Timeout), context.DeadlineExceeded},
		6:   {wrapped(fail.Diverged)},
		130: {context.Canceled, fmt.Errorf("tail: %w", context.Canceled)},
	}
	for code, errs := range want {
		for _, err := range errs {
			if got := ExitCode(err); got != code {
				t.Errorf("%v: got %d, want %d", err, got, code)
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	err := fmt.Errorf("produce: %w", fail.New(fail.Unavailable, "reach eu at \x1b[2J127.0.0.1:1").WithHint("start it with `geokv up`"))
	var table, colored, asJSON, stdout bytes.Buffer
	printers := []Printer{
		{Out: &stdout, Err: &table},
		{Out: &stdout, Err: &colored, Color: true, ErrTTY: true},
		{Out: &stdout, Err: &asJSON, Format: JSON},
	}
	for _, p := range printers {
		if code := p.Error(err); code != ExitUnavailable {
			t.Errorf("exit code %d", code)
		}
	}
	golden(t, "error.txt", table.String())
	golden(t, "error-color.txt", colored.String())
	golden(t, "error.json", asJSON.String())
	if stdout.Len() > 0 {
		t.Errorf("stdout is for results, got %q", stdout.String())
	}
	quiet := Printer{Err: &stdout}
	if code := quiet.Error(context.Canceled); code != ExitInterrupted || stdout.Len() > 0 {
		t.Errorf("interrupted: code %d, output %q", code, stdout.String())
	}
}

func TestHumanForms(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999 * time.Nanosecond: "0µs", 340 * time.Millisecond: "340ms", 1250 * time.Millisecond: "1.25s", 2 * time.Second: "2s",
		9999 * time.Millisecond: "9.99s", 59999 * time.Millisecond: "59.9s", 123 * time.Second: "2m03s", 3*time.Hour + 4*time.Minute: "3h04m",
		126 * time.Hour: "5d06h", -time.Second: "-1s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d): got %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 12 << 20: "12 MiB", 1<<20 - 1: "1 MiB", 1 << 62: "4 EiB", -2048: "-2 KiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d): got %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -100: "-100"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d): got %s, want %s", n, got, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	var tokens []Token
	for _, name := range strings.Fields("r k op o outcome p t topic ms lag") {
		tokens = append(tokens, Token{Name: name})
	}
	value := func(token string) string { return "<" + token + ">" }
	for format, want := range map[string]string{
		`%r %k %op %lag\n`:    "<r> <k> <op> <lag>\n",
		`%o%p`:                "<o><p>",
		`%{o}p%{p}`:           "<o>p<p>",
		`%op`:                 "<op>",
		`%outcome`:            "<outcome>",
		`100%%\t\\\x41\0`:     "100%\t\\A\x00",
		``:                    "",
		`plain é`:             "plain é",
		`%topic/%p@%o %t %ms`: "<topic>/<p>@<o> <t> <ms>",
	} {
		parsed, err := ParseTemplate(format, tokens)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got := parsed.Render(value); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
	for _, bad := range []string{"%", "%z", "%{", "%{r", "%{nope}", `\`, `\q`, `\x`, `\xzz`, "%é"} {
		if _, err := ParseTemplate(bad, tokens); fail.CodeOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%q: got %v, want a USAGE error with a hint", bad, err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	if f, err := ParseFormat("json", Table, JSON); f != JSON || err != nil {
		t.Errorf("got %s (%v)", f, err)
	}
	if _, err := ParseFormat("jsonl", Table, JSON); err == nil || !strings.Contains(err.Error(), "table, json") {
		t.Errorf("got %v, want the formats that are offered", err)
	}
}
