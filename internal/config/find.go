package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/geokv/geokv/internal/fail"
)

// FileName is the name looked for in the working directory and above it, and in
// the user's configuration directory.
const FileName = "geokv.yaml"

// Find returns the configuration file to read: --config, then GEOKV_CONFIG, then
// geokv.yaml in dir or the closest directory above it, then in userDir. The path
// is "" when there is none; a file that was named but is missing is an error.
func Find(flag, env, dir, userDir string) (string, error) {
	if path, source := named(flag, env); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fail.Wrap(fail.Usage, err, "read the configuration that %s names", source).
				WithHint("create %s or correct %s", path, source)
		}
		return path, nil
	}
	for _, path := range candidates(dir, userDir) {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode().IsRegular():
			return path, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fail.Wrap(fail.Usage, err, "look for %s", FileName).WithHint("name another file with --config")
		}
	}
	return "", nil
}

func named(flag, env string) (path, source string) {
	if flag != "" {
		return flag, "--config"
	}
	return env, "GEOKV_CONFIG"
}

func candidates(dir, userDir string) []string {
	var paths []string
	for d := dir; d != ""; {
		paths = append(paths, filepath.Join(d, FileName))
		up := filepath.Dir(d)
		if up == d {
			break
		}
		d = up
	}
	if userDir != "" {
		paths = append(paths, filepath.Join(userDir, "geokv", FileName))
	}
	return paths
}
