package arch

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	codeSpan = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
	fileName = regexp.MustCompile(`(?:^|[\s"'(=])(?:\./)?((?:\.?[a-z][a-z0-9_-]*/)+[A-Za-z0-9_.-]*)`)
	testName = regexp.MustCompile(`\.(Test|Fuzz|Benchmark).*`)
)

// Documents send readers to files: links, and paths in code that begin with a
// folder of the repository or, as packages are called, of internal.
func TestDocumentsNameFilesThatExist(t *testing.T) {
	repository := os.DirFS("../..")
	checked := 0
	check := func(document, named, file string) {
		checked++
		if _, err := fs.Stat(repository, path.Clean(file)); err != nil {
			t.Errorf("%s names %s, which does not exist", document, named)
		}
	}
	eachDocument(t, repository, func(document, text string) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "://") {
				check(document, m[1], path.Join(path.Dir(document), m[1]))
			}
		}
		for _, span := range codeSpan.FindAllString(text, -1) {
			for _, m := range fileName.FindAllStringSubmatch(strings.Trim(span, "`"), -1) {
				named := strings.TrimSuffix(testName.ReplaceAllString(m[1], ""), "...")
				for _, root := range []string{".", "internal"} {
					first, _, _ := strings.Cut(named, "/")
					if info, err := fs.Stat(repository, path.Join(root, first)); err == nil && info.IsDir() {
						check(document, named, path.Join(root, named))
						break
					}
				}
			}
		}
	})
	if checked < 50 {
		t.Errorf("only %d names found: the test reads the wrong place", checked)
	}
}

func eachDocument(t *testing.T, repository fs.FS, f func(document, text string)) {
	t.Helper()
	documents, err := fs.Glob(repository, "*.md")
	if err == nil {
		err = fs.WalkDir(repository, "docs", func(name string, _ fs.DirEntry, err error) error {
			if filepath.Ext(name) == ".md" {
				documents = append(documents, name)
			}
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents {
		text, err := fs.ReadFile(repository, document)
		if err != nil {
			t.Fatal(err)
		}
		f(document, string(text))
	}
}
