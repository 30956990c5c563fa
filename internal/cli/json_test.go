package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEveryJSONFieldIsDocumented reads the json tags of every type that commands
// and the API print, and looks for each in docs/json.md.
func TestEveryJSONFieldIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, span := range regexp.MustCompile("`[^`]+`").FindAllString(string(text), -1) {
		for _, word := range regexp.MustCompile(`[a-z][a-z0-9_]*`).FindAllString(span, -1) {
			documented[word] = true
		}
	}
	checked := 0
	for _, dir := range []string{"../api", "../event", "../crdt", "../lab/datadir", "../config", "../mm2", "../app", "../wal", "."} {
		for where, tag := range jsonTags(t, dir) {
			checked++
			if !documented[tag] {
				t.Errorf("%s: field %q is not in docs/json.md", where, tag)
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d fields found: the test reads the wrong place", checked)
	}
}

// jsonTags returns the names that a package's types have in JSON, by place.
func jsonTags(t *testing.T, dir string) map[string]string {
	t.Helper()
	tags := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			literal, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				return true
			}
			name, _, _ := strings.Cut(reflect.StructTag(literal).Get("json"), ",")
			if name != "" && name != "-" {
				tags[files.Position(field.Pos()).String()] = name
			}
			return true
		})
	}
	return tags
}
