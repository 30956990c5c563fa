package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/geokv/geokv/internal/fail"
)

// Default is where a cluster keeps its data when nobody names a place:
// $XDG_DATA_HOME/geokv or ~/.local/share/geokv, ~/Library/Application
// Support/geokv on macOS, %LocalAppData%\geokv on Windows. getenv is os.Getenv.
func Default(getenv func(string) string) (string, error) {
	base, err := userData(runtime.GOOS, getenv)
	if err != nil {
		return "", fail.Wrap(fail.Usage, err, "find the user's data directory").
			WithHint("name one with --data or GEOKV_DATA")
	}
	return filepath.Join(base, "geokv"), nil
}

func userData(goos string, getenv func(string) string) (string, error) {
	home := getenv("HOME")
	switch goos {
	case "windows":
		if dir := getenv("LocalAppData"); dir != "" {
			return dir, nil
		}
		return "", errors.New("%LocalAppData% is not set")
	case "darwin":
		if home == "" {
			return "", errors.New("$HOME is not set")
		}
		return filepath.Join(home, "Library", "Application Support"), nil
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if home == "" {
		return "", errors.New("neither $XDG_DATA_HOME nor $HOME is set")
	}
	return filepath.Join(home, ".local", "share"), nil
}

// Runtime is where a cluster that keeps everything in memory says where it is:
// $XDG_RUNTIME_DIR/geokv, else a directory of the user's own below the
// temporary one.
func Runtime(getenv func(string) string) string {
	return runtimeDir(runtime.GOOS, os.TempDir(), os.Getuid(), getenv)
}

func runtimeDir(goos, temp string, uid int, getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); goos != "windows" && filepath.IsAbs(dir) {
		return filepath.Join(dir, "geokv")
	}
	if uid < 0 { // Windows: the temporary directory is the user's own
		return filepath.Join(temp, "geokv")
	}
	return filepath.Join(temp, "geokv-"+strconv.Itoa(uid))
}
