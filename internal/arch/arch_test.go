// Package arch holds no code: its tests keep what belongs to no package. The import
// graph, the ownership of third-party libraries and the package documentation are
// as docs/architecture.md describes them; documents name files that exist; CI
// installs what it needs.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/geokv/geokv/"

// layers orders the packages bottom-up: a package imports its own layer and
// anything below, never anything above.
var layers = [][]string{
	{"internal/fail", "internal/geo", "internal/lane", "internal/hlc", "internal/event", "internal/crdt", "internal/api", "internal/filter", "internal/timeline"},
	{"internal/alarm", "internal/pause", "lua", "compose", "internal/wal", "internal/view", "internal/event/avro", "internal/client", "internal/config", "internal/out", "internal/mm2"},
	{"internal/bridge", "internal/materializer", "internal/mirror", "internal/watch", "internal/status", "internal/fold", "internal/sim"},
	{"internal/app", "internal/lab", "internal/stack"},
	{"internal/tui", "internal/web"},
	{"internal/cli"},
	{"cmd/geokv"},
}

// pure packages are L0: values and rules only, with the clock passed in.
const pureLayer = 0

// forbidden lists imports that the layers alone would allow.
var forbidden = []struct{ from, to, why string }{
	{"internal/view", "internal/wal", "a view knows nothing of logs: positions are plain numbers to it"},
	{"internal/wal", "internal/view", "a log knows nothing of views"},
	{"internal/mirror", "internal/event/avro", "a mirror that decodes can disagree with MirrorMaker 2; it moves bytes"},
	{"internal/tui", "internal/wal", "the TUI shows what the API tells it, on every stack alike"},
	{"internal/tui", "internal/view", "the TUI shows what the API tells it, on every stack alike"},
	{"internal/tui", "internal/web", "the two front ends never import each other"},
	{"internal/web", "internal/tui", "the two front ends never import each other"},
	{"internal/web", "internal/wal", "the API serves the application, it does not reach around it"},
	{"internal/web", "internal/view", "the API serves the application, it does not reach around it"},
	{"internal/sim", "internal/wal", "simulated traffic goes through the bridge like any other"},
	{"internal/sim", "internal/view", "simulated traffic goes through the bridge like any other"},
}

// owners names the only packages (with their subfolders' own entries) that may
// import a library in product code.
var owners = map[string][]string{
	"github.com/twmb/franz-go/pkg/kgo":    {"internal/wal"},
	"github.com/twmb/franz-go/pkg/kadm":   {"internal/wal"},
	"github.com/twmb/franz-go/pkg/kmsg":   {"internal/wal", "internal/lab"},
	"github.com/twmb/franz-go/pkg/kerr":   {"internal/wal", "internal/lab"},
	"github.com/twmb/franz-go/pkg/kfake":  {"internal/lab"},
	"github.com/twmb/franz-go/pkg/sr":     {"internal/event/avro", "internal/lab"},
	"github.com/hamba/avro":               {"internal/event/avro"},
	"github.com/redis/go-redis":           {"internal/view"},
	"github.com/alicebob/miniredis":       {"internal/lab"},
	"github.com/yuin/gopher-lua":          {"internal/lab"},
	"github.com/Shopify/toxiproxy":        {"internal/lab"},
	"github.com/spf13/cobra":              {"internal/cli"},
	"github.com/spf13/pflag":              {"internal/cli"},
	"github.com/knadh/koanf":              {"internal/config"},
	"github.com/oklog/ulid":               {"internal/bridge"},
	"github.com/prometheus/client_golang": {"internal/web"},
	"github.com/charmbracelet":            {"internal/tui"},
}

// testOnly packages exist for tests and may not be linked into the binary.
var testOnly = []string{"internal/labtest", "internal/polltest", "internal/addrtest", "internal/crdt/crdttest", "internal/view/redistest", "internal/tui/ttytest", "internal/arch", "internal/proof", "internal/mutants"}

type source struct {
	pkg     string // folder below the module root
	file    string
	test    bool
	imports []string
	doc     string
	lines   int
}

func TestImportsPointDownwards(t *testing.T) {
	for _, s := range sources(t) {
		from, known := layerOf(s.pkg)
		if isTestOnly(s.pkg) || s.test {
			continue
		}
		if !known {
			t.Errorf("%s: package is in no layer; add it to layers in arch_test.go and to docs/architecture.md", s.pkg)
			continue
		}
		for _, imp := range s.imports {
			own, ours := strings.CutPrefix(imp, module)
			if !ours {
				if from == pureLayer && strings.Contains(strings.Split(imp, "/")[0], ".") {
					t.Errorf("%s imports %s: the pure core uses the standard library only", s.file, imp)
				}
				if from == pureLayer && (imp == "net" || imp == "context" || imp == "net/http") {
					t.Errorf("%s imports %s: the pure core does no I/O", s.file, imp)
				}
				continue
			}
			if isTestOnly(own) {
				t.Errorf("%s imports %s: it exists for tests only", s.file, own)
			}
			if to, ok := layerOf(own); ok && to > from {
				t.Errorf("%s (layer %d) imports %s (layer %d): imports point downwards", s.file, from, own, to)
			}
			for _, rule := range forbidden {
				if within(s.pkg, rule.from) && within(own, rule.to) {
					t.Errorf("%s imports %s: %s", s.file, own, rule.why)
				}
			}
		}
	}
}

func TestEveryLibraryHasOneOwner(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || isTestOnly(s.pkg) {
			continue
		}
		for _, imp := range s.imports {
			for library, allowed := range owners {
				if !within(imp, library) {
					continue
				}
				if !slices.ContainsFunc(allowed, func(o string) bool { return within(s.pkg, o) }) {
					t.Errorf("%s imports %s: only %s may, so that replacing it touches one package", s.file, imp, strings.Join(allowed, ", "))
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		documented[s.pkg] = documented[s.pkg] || s.doc != ""
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

// A rule about a package that is gone guards nothing.
func TestRulesNamePackagesThatExist(t *testing.T) {
	named := slices.Concat(append(layers, testOnly)...)
	for _, rule := range forbidden {
		named = append(named, rule.from, rule.to)
	}
	all := sources(t)
	for _, pkg := range named {
		if !slices.ContainsFunc(all, func(s source) bool { return within(s.pkg, pkg) }) {
			t.Errorf("%s is named in a rule and does not exist", pkg)
		}
	}
}

func TestFilesStayReadable(t *testing.T) {
	const limit = 450
	for _, s := range sources(t) {
		if !s.test && s.lines > limit {
			t.Errorf("%s has %d lines, more than %d: split it by what its parts are for", s.file, s.lines, limit)
		}
	}
}

func TestModuleInstallsFromAnywhere(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if strings.HasPrefix(line, "replace") || strings.HasPrefix(line, "exclude") {
			t.Errorf("go.mod: %q breaks `go install ...@latest`", strings.TrimSpace(line))
		}
	}
}

// layerOf finds the layer of the closest enclosing package that has one.
func layerOf(pkg string) (int, bool) {
	best, layer := "", -1
	for i, packages := range layers {
		for _, p := range packages {
			if within(pkg, p) && len(p) > len(best) {
				best, layer = p, i
			}
		}
	}
	return layer, layer >= 0
}

func isTestOnly(pkg string) bool {
	return slices.ContainsFunc(testOnly, func(p string) bool { return within(pkg, p) })
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func sources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		s := source{
			pkg: filepath.ToSlash(filepath.Dir(rel)), file: filepath.ToSlash(rel),
			test: strings.HasSuffix(path, "_test.go"), doc: file.Doc.Text(),
			lines: strings.Count(string(text), "\n"),
		}
		for _, imp := range file.Imports {
			s.imports = append(s.imports, strings.Trim(imp.Path.Value, `"`))
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
