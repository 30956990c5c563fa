package fail_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

// codes reads the codes that the source declares, with the exit status that
// their comment promises.
func codes(t *testing.T) map[fail.Code]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "fail.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := map[fail.Code]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || spec.Comment == nil {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		promised, err := strconv.Atoi(strings.TrimSpace(strings.FieldsFunc(spec.Comment.Text()+":", func(r rune) bool { return r == ':' })[0]))
		if err != nil {
			t.Fatalf("%s: its comment does not begin with the exit status", code)
		}
		found[fail.Code(code)] = promised
		return true
	})
	if len(found) < 10 {
		t.Fatalf("only %d codes found: the test reads the wrong thing", len(found))
	}
	return found
}

// The source, the command line and the document tell the same exit status of
// every code.
func TestExitStatusOfEveryCode(t *testing.T) {
	doc, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[fail.Code]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z_, ]+)(?::[^|]*)? \| [^|]* \| (\d) \|$`).FindAllStringSubmatch(string(doc), -1) {
		for code := range strings.SplitSeq(row[1], ", ") {
			documented[fail.Code(code)], _ = strconv.Atoi(row[2])
		}
	}
	for code, promised := range codes(t) {
		err := fmt.Errorf("do it: %w", fail.New(code, "m"))
		if got := out.ExitCode(err); got != promised {
			t.Errorf("%s ends with %d, its comment says %d", code, got, promised)
		}
		if got, ok := documented[code]; !ok || got != promised {
			t.Errorf("%s: docs/http.md says %d (%v), the source %d", code, got, ok, promised)
		}
		delete(documented, code)
	}
	for code := range documented {
		t.Errorf("docs/http.md has %s, which does not exist", code)
	}
}

func TestCodesSurviveTheWire(t *testing.T) {
	for code := range codes(t) {
		sent := fail.Wrap(code, io.EOF, "read %s", "it").WithHint("do %s", "that")
		got := api.ErrorOf(fmt.Errorf("get: %w", sent)).Error.Fail()
		if got.Code != code || got.Error() != "get: read it: EOF" || got.Hint != "do that" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fail.New(fail.Usage, "read %q", "x"), `read "x"`},
		{fail.Wrap(fail.Timeout, context.DeadlineExceeded, "wait for %s", "eu"), "wait for eu: context deadline exceeded"},
		{fail.Wrap(fail.Busy, fail.New(fail.Internal, "inner"), "outer"), "outer: inner"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestCodeAndHintInAChain(t *testing.T) {
	inner := fail.New(fail.Clock, "inner").WithHint("inner hint")
	for _, tt := range []struct {
		name string
		err  error
		code fail.Code
		hint string
	}{
		{"none", nil, fail.Internal, ""},
		{"plain", io.EOF, fail.Internal, ""},
		{"itself", inner, fail.Clock, "inner hint"},
		{"wrapped by fmt", fmt.Errorf("x: %w", inner), fail.Clock, "inner hint"},
		{"the outer code wins, its missing hint does not", fail.Wrap(fail.Busy, inner, "outer"), fail.Busy, "inner hint"},
		{"the outer hint wins", fail.Wrap(fail.Busy, inner, "outer").WithHint("outer hint"), fail.Busy, "outer hint"},
		{"fmt between the two", fail.Wrap(fail.Busy, fmt.Errorf("x: %w", inner), "outer"), fail.Busy, "inner hint"},
		{"joined", errors.Join(io.EOF, inner), fail.Clock, "inner hint"},
		{"around a plain error", fail.Wrap(fail.Usage, io.EOF, "outer"), fail.Usage, ""},
	} {
		if code, hint := fail.CodeOf(tt.err), fail.HintOf(tt.err); code != tt.code || hint != tt.hint {
			t.Errorf("%s: got %s with hint %q, want %s with %q", tt.name, code, hint, tt.code, tt.hint)
		}
	}
	if !errors.Is(fail.Wrap(fail.Usage, io.EOF, "outer"), io.EOF) {
		t.Error("the cause cannot be found")
	}
}

func TestHintIsPrintedUnderTheMessage(t *testing.T) {
	var text strings.Builder
	p := out.Printer{Err: &text}
	status := p.Error(fail.Wrap(fail.Unavailable, io.EOF, "reach it").WithHint("start %s", "it"))
	if want := "geokv: reach it: EOF\n  hint: start it\n"; text.String() != want || status != 5 {
		t.Errorf("status %d, got %q, want %q", status, text.String(), want)
	}
	text.Reset()
	if p.Error(fail.New(fail.NotFound, "nothing")); text.String() != "geokv: nothing\n" {
		t.Errorf("without a hint: %q", text.String())
	}
}
