package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/out"
)

// everyCommand calls f for each command that a user can run or list.
func everyCommand(f func(*cobra.Command)) {
	root := newRoot(&session{printer: &out.Printer{}})
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		f(cmd)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// isTopic tells pages of help, which are not commands.
func isTopic(cmd *cobra.Command) bool {
	return cmd.IsAdditionalHelpTopicCommand() || cmd.Name() == "help" || strings.HasPrefix(cmd.Name(), "__")
}

func TestEveryCommandSaysWhatItDoesWithExamples(t *testing.T) {
	everyCommand(func(cmd *cobra.Command) {
		if isTopic(cmd) {
			return
		}
		if cmd.Short == "" {
			t.Errorf("%s has no short description", cmd.CommandPath())
		}
		examples := 0
		for line := range strings.Lines(cmd.Example) {
			if strings.Contains(line, "geokv ") {
				examples++
			}
		}
		if examples < 2 {
			t.Errorf("%s has %d examples, want at least 2", cmd.CommandPath(), examples)
		}
		if cmd.HasParent() && !cmd.Parent().HasParent() && cmd.GroupID == "" {
			t.Errorf("%s is under no heading of geokv help", cmd.CommandPath())
		}
	})
}

// withoutResults are the commands that print no result that a program could
// read, and the words by which their help says so.
var withoutResults = map[string]string{
	"geokv completion":  "completion script",
	"geokv serve":       "HTTP API",
	"geokv materialize": "until interrupted",
	"geokv tui":         "terminal",
}

// arguments are what commands need before they look for a cluster.
var arguments = map[string]string{
	"geokv produce": "incr k 1", "geokv get": "k", "geokv mm2 check": "-",
}

// notRun are commands that would not stop at the missing cluster; their JSON is
// tested where they are.
var notRun = []string{"geokv up", "geokv stack fetch"}

// TestEveryCommandTakesJSON runs each command without a cluster: whatever else
// it complains about, it may not be the format.
func TestEveryCommandTakesJSON(t *testing.T) {
	everyCommand(func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if isTopic(cmd) || !cmd.Runnable() || cmd.HasSubCommands() || slices.Contains(notRun, path) {
			return
		}
		if says, ok := withoutResults[path]; ok {
			if text := strings.ReplaceAll(cmd.Short+"\n"+cmd.Long, "\n", " "); !strings.Contains(text, says) {
				t.Errorf("%s prints no result and its help does not say %q", path, says)
			}
			return
		}
		stdout, stderr := runAlone(t, strings.Fields(path + " " + arguments[path] + " -o json")[1:])
		if strings.Contains(stderr, "this command offers") {
			t.Errorf("%s takes no -o json: %s", path, stderr)
		}
		for name, text := range map[string]string{"stdout": stdout, "stderr": lastObject(stderr)} {
			if text != "" && !json.Valid([]byte(text)) {
				t.Errorf("%s -o json: no JSON on %s: %s", path, name, text)
			}
		}
	})
}

// runAlone runs a command line where there is no cluster and nobody's files.
func runAlone(t *testing.T, args []string) (stdout, stderr string) {
	t.Helper()
	home := t.TempDir()
	var out, err bytes.Buffer
	Main(t.Context(), Env{
		Args: args, In: strings.NewReader(""), Out: &out, Err: &err, Dir: home,
		Environ: []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "XDG_DATA_HOME=" + home, "XDG_CACHE_HOME=" + home},
	})
	return out.String(), err.String()
}

// lastObject is the error among the notes on stderr.
func lastObject(stderr string) string {
	_, after, found := strings.Cut(stderr, `{"error"`)
	if !found {
		return ""
	}
	return `{"error"` + after
}

// proseAfterName are words that follow the product's name in a sentence. A word
// that is no command and is not among them looks like advice to run something
// that does not exist.
var proseAfterName = strings.Fields(`a add an and answers are as at be by can cannot command counts creates decides derives
	did does ends for from gives had has have in is it itself keeps knows listens makes may must need needs never
	of on or orders process reads relies ran refuses runs says serves session sets ships shows stack stamps takes that the this
	to uses version was when which will wrote with without write writes`)

var mention = regexp.MustCompile("(?:^|[^/._a-zA-Z0-9-])geokv ([a-z][a-z0-9-]*)((?: +[a-z0-9-]+| --[a-z-]+)*)")

// TestAdviceNamesWhatExists reads every text in the source and the documents for
// "geokv <command>": the command, its subcommand and its flags have to exist.
func TestAdviceNamesWhatExists(t *testing.T) {
	root := newRoot(&session{printer: &out.Printer{}})
	root.InitDefaultHelpCmd()
	checked := 0
	check := func(where, text string) {
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			checked++
			if problem := advice(root, m[1], strings.Fields(m[2])); problem != "" {
				t.Errorf("%s: %q: %s", where, m[0], problem)
			}
		}
	}
	eachText(t, check)
	if checked < 100 {
		t.Errorf("only %d mentions found: the test reads the wrong place", checked)
	}
}

// advice returns what does not exist, "" when all does.
func advice(root *cobra.Command, word string, rest []string) string {
	cmd := child(root, word)
	if cmd == nil {
		if slices.Contains(proseAfterName, word) {
			return ""
		}
		return "there is no such command"
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		if sub := child(cmd, rest[0]); sub != nil {
			cmd = sub
		}
	}
	for _, flag := range rest {
		name, isFlag := strings.CutPrefix(flag, "--")
		if isFlag && name != "help" && cmd.Flag(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
			return cmd.CommandPath() + " has no flag --" + name
		}
	}
	return ""
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name || sub.HasAlias(name) {
			return sub
		}
	}
	return nil
}

var codeSpan = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")

// eachText calls f for every string in the product's source, and for the code in
// its documents. Documents named in strings have to exist.
func eachText(t *testing.T, f func(where, text string)) {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		where, _ := filepath.Rel(top, path)
		switch {
		case d.IsDir():
			if name := d.Name(); path != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "adr") {
				return fs.SkipDir
			}
		case strings.HasSuffix(path, "_test.go"):
		case strings.HasSuffix(path, ".go"):
			return eachString(path, func(line int, text string) {
				at := fmt.Sprintf("%s:%d", where, line)
				f(at, text)
				for _, doc := range regexp.MustCompile(`docs/[a-z-]+\.md`).FindAllString(text, -1) {
					if _, err := os.Stat(filepath.Join(top, doc)); err != nil {
						t.Errorf("%s names %s, which does not exist", at, doc)
					}
				}
			})
		case strings.HasSuffix(path, ".md") && d.Name() != "CHANGELOG.md":
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, span := range codeSpan.FindAllString(string(text), -1) {
				f(where, span)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func eachString(path string, f func(line int, text string)) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				f(files.Position(literal.Pos()).Line, text)
			}
		}
		return true
	})
	return nil
}
