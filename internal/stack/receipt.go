package stack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names inside the directory of a set.
const (
	libsDir        = "libs"
	registryDir    = "registry"
	archiveDir     = "classes"
	redisFile      = "redis/redis-server"
	receiptFile    = "complete.json"
	registryRunner = "apicurio-registry-app-" + RegistryVersion + "-runner.jar"
	registryTar    = "apicurio-registry-app-" + RegistryVersion + "-all.tar.gz"
)

//go:embed pom.xml
var pom []byte

//go:embed checksums.txt
var checksums []byte

// pinned returns the expected checksum of every downloaded file.
func pinned() map[string]string {
	sums := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(checksums))
	for lines.Scan() {
		if sum, name, ok := strings.Cut(lines.Text(), "  "); ok {
			sums[name] = sum
		}
	}
	return sums
}

// receipt lists every file of a complete set. It is written last, so a set
// without one, or with one for other pins, is not used.
type receipt struct {
	Pins  string          `json:"pins"`  // checksum of checksums.txt
	Files map[string]file `json:"files"` // by path below the set's directory
}

type file struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func pins() string {
	sum := sha256.Sum256(checksums)
	return hex.EncodeToString(sum[:])
}

// readReceipt returns an empty receipt when there is none that can be read.
func readReceipt(dir string) receipt {
	var r receipt
	text, err := os.ReadFile(filepath.Join(dir, receiptFile))
	if err != nil || json.Unmarshal(text, &r) != nil {
		return receipt{}
	}
	return r
}

// takeReceipt hashes every file below dir.
func takeReceipt(dir string) (receipt, error) {
	r := receipt{Pins: pins(), Files: map[string]file{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, size, err := hashFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		r.Files[filepath.ToSlash(rel)] = file{size, sum}
		return err
	})
	return r, err
}

func (r receipt) write(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, receiptFile), text, 0o644)
}

func (r receipt) checkPins() error {
	switch r.Pins {
	case "":
		return errors.New("nothing complete is there")
	case pins():
		return nil
	}
	return errors.New("the set was fetched for other versions")
}

// checkSizes is the quick look before every start.
func (r receipt) checkSizes(dir string) error {
	if err := r.checkPins(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		info, err := os.Stat(filepath.Join(dir, name))
		switch {
		case err != nil:
			return fmt.Errorf("%s is gone", name)
		case info.Size() != r.Files[name].Size:
			return fmt.Errorf("%s has %d bytes, want %d", name, info.Size(), r.Files[name].Size)
		}
	}
	return nil
}

// checkSums reads every file below one sub-directory.
func (r receipt) checkSums(dir, sub string) error {
	if err := r.checkPins(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		if !strings.HasPrefix(name, sub+"/") {
			continue
		}
		sum, _, err := hashFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%s is gone", name)
		}
		if sum != r.Files[name].SHA256 {
			return fmt.Errorf("%s is not what was fetched", name)
		}
	}
	return nil
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}
