// Command mutants plants known bugs in a copy of this module, one at a time, and
// runs the tests that are meant to notice: a suite that lets one of them pass
// proves less than it says. The bugs are those that the merge rules were
// designed against (docs/testing-proof.md shows which test catches each).
//
//	go run ./internal/mutants              all of them
//	go run ./internal/mutants -n 3 -pick COMMIT   three, chosen by the commit
//	go run ./internal/mutants -run max-seq
//
// The exit status is 0 when every mutant was caught.
package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

//go:embed list/*.txtar
var list embed.FS

// mutant is one planted bug. Its file holds a description, one or more lines
// "test: PACKAGE PATTERN", and per change a section named after the file with
// the text to find, a line of equals signs, and the text to put there.
type mutant struct {
	name    string
	about   string
	tests   []testRun
	changes []change
}

type testRun struct{ pkg, pattern string }

type change struct{ file, find, replace string }

func main() {
	var o options
	flag.StringVar(&o.pattern, "run", "", "only mutants whose name matches")
	flag.IntVar(&o.n, "n", 0, "only so many, chosen by -pick; 0 all")
	flag.StringVar(&o.pick, "pick", "", "text that chooses, such as a commit hash")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type options struct {
	pattern, pick string
	n             int
}

func run(ctx context.Context, o options) error {
	all, err := load()
	if err != nil {
		return err
	}
	chosen, err := choose(all, o)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "geokv-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir, root); err != nil {
		return err
	}
	survivors := 0
	for _, m := range chosen {
		started := time.Now()
		verdict, err := m.try(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if !strings.HasPrefix(verdict, "caught") {
			survivors++
		}
		fmt.Printf("%-36s %5.1f s  %s\n", m.name, time.Since(started).Seconds(), verdict)
	}
	if survivors > 0 {
		return fmt.Errorf("%d of %d mutants were not caught", survivors, len(chosen))
	}
	fmt.Printf("all %d caught\n", len(chosen))
	return nil
}

// load reads the list in order of name.
func load() ([]mutant, error) {
	names, err := fs.Glob(list, "list/*.txtar")
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, name := range names {
		text, err := list.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(filepath.Base(name), ".txtar"), text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func parse(name string, text []byte) (mutant, error) {
	m := mutant{name: name}
	archive := txtar.Parse(text)
	for line := range strings.Lines(string(archive.Comment)) {
		line = strings.TrimSpace(line)
		rest, isTest := strings.CutPrefix(line, "test: ")
		pkg, pattern, ok := strings.Cut(rest, " ")
		switch {
		case isTest && ok:
			m.tests = append(m.tests, testRun{pkg, pattern})
		case isTest:
			return m, fmt.Errorf("%q, want test: PACKAGE PATTERN", line)
		case line != "":
			m.about = strings.TrimSpace(m.about + " " + line)
		}
	}
	for _, f := range archive.Files {
		find, replace, ok := strings.Cut(string(f.Data), "=======\n")
		if !ok || find == "" {
			return m, fmt.Errorf("%s: no text to find and replace", f.Name)
		}
		m.changes = append(m.changes, change{f.Name, find, replace})
	}
	if m.about == "" || len(m.tests) == 0 || len(m.changes) == 0 {
		return m, errors.New("a mutant needs a description, a test and a change")
	}
	return m, nil
}

// choose filters by name and picks n, the same ones for the same text.
func choose(all []mutant, o options) ([]mutant, error) {
	pattern, err := regexp.Compile(o.pattern)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !pattern.MatchString(m.name) })
	if o.n <= 0 || o.n >= len(all) {
		return all, nil
	}
	h := fnv.New64a()
	h.Write([]byte(o.pick))
	seed := h.Sum64()
	var chosen []mutant
	for range o.n {
		i := int(seed % uint64(len(all)))
		seed /= uint64(len(all))
		chosen = append(chosen, all[i])
		all = slices.Delete(all, i, i+1)
	}
	return chosen, nil
}

// try plants the bug, runs its tests and takes it out again.
func (m mutant) try(ctx context.Context, dir string) (verdict string, err error) {
	undo, err := m.plant(dir)
	defer func() { err = errors.Join(err, undo()) }()
	if err != nil {
		return "", err
	}
	for _, t := range m.tests {
		out, failed, err := goTest(ctx, dir, t)
		switch {
		case err != nil:
			return "", err
		case failed && broken.Match(out):
			return "", fmt.Errorf("the mutant does not run at all:\n%s", tail(out))
		case failed:
			return "caught by " + t.pkg + " " + firstFailure(out), nil
		}
	}
	return "NOT CAUGHT: " + m.about, nil
}

// broken is what no test says: code that does not compile.
var broken = regexp.MustCompile(`\[build failed\]|\[setup failed\]|no tests to run`)

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// firstFailure names the innermost failing test that was reported first.
func firstFailure(out []byte) string {
	if all := failure.FindAllSubmatch(out, -1); len(all) > 0 {
		best := all[0][1]
		for _, f := range all {
			if bytes.HasPrefix(f[1], best) {
				best = f[1]
			}
		}
		return string(best)
	}
	return "(the test process died)"
}

// plant changes the files and returns how to undo it.
func (m mutant) plant(dir string) (undo func() error, err error) {
	before := map[string][]byte{}
	undo = func() (err error) {
		for path, text := range before {
			err = errors.Join(err, os.WriteFile(path, text, 0o600))
		}
		return err
	}
	for _, c := range m.changes {
		path := filepath.Join(dir, filepath.FromSlash(c.file))
		text, err := os.ReadFile(path)
		if err != nil {
			return undo, err
		}
		changed, err := c.apply(string(text))
		if err != nil {
			return undo, err
		}
		if _, known := before[path]; !known {
			before[path] = text
		}
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// apply changes a text in which find must stand exactly once.
func (c change) apply(text string) (string, error) {
	if n := strings.Count(text, c.find); n != 1 {
		return "", fmt.Errorf("%s: the text to replace stands there %d times, want once:\n%s", c.file, n, c.find)
	}
	return strings.Replace(text, c.find, c.replace, 1), nil
}

// goTest runs tests in dir. failed says that they ran and failed, or died.
func goTest(ctx context.Context, dir string, t testRun) (out []byte, failed bool, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "synctests", "-count=1", "-failfast", "-timeout", "150s", "-run", t.pattern, t.pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CI=true", "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err = cmd.CombinedOutput()
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return out, false, ctx.Err()
	}
	if errors.As(err, &exit) {
		return out, true, nil
	}
	if err == nil && bytes.Contains(out, []byte("no tests to run")) {
		return out, false, fmt.Errorf("no test of %s matches %s", t.pkg, t.pattern)
	}
	return out, false, err
}

func tail(out []byte) []byte { return out[max(0, len(out)-3000):] }

// moduleRoot is the directory of go.mod, from the working directory upwards.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

const copyMost = 8 << 20 // larger files are products, not sources

// copyModule copies the sources of a module.
func copyModule(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == "node_modules" || name == "fuzz" {
				return filepath.SkipDir
			}
			return os.MkdirAll(target, 0o700)
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > copyMost {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}
