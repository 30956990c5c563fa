// Package datadir is the directory of a local cluster: it keeps two processes
// from opening the same logs, and lets every other command find the one that
// runs.
//
//	version        format of the directory
//	lock           held by the process that runs the cluster; owner.json names it
//	token          secret for the API and the views; kept over restarts
//	cluster.json   pid and every address, while the cluster runs
//	<part>/...     what the parts of the cluster store, see Sub
//
// Everything is readable by its owner only.
package datadir

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// format is the version of the directory's layout. A process refuses a
// directory of another one.
const format = 1

// Names inside the directory.
const (
	versionFile = "version"
	lockFile    = "lock"
	ownerFile   = "owner.json"
	tokenFile   = "token"
	clusterFile = "cluster.json"
)

// ErrLocked says that another process has the lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes a lock that all processes of this machine see: on a file, which is
// made if needed and stays. It ends with Close or with the process. The error is
// ErrLocked, or the file cannot be opened.
func Lock(name string) (*os.File, error) { return lock(name, true) }

// startGrace is how long Open waits for a lock: who looks whether a cluster
// runs holds it for an instant.
const startGrace = 200 * time.Millisecond

// Dir is a data directory that this process holds the lock of.
type Dir struct {
	path string
	lock *os.File
}

// Owner is the process that holds a directory.
type Owner struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// Open creates the directory if needed, checks it and takes its lock. Errors
// are *fail.Error: UNAVAILABLE when another process runs a cluster in it (the
// message names its pid and start) or the disk fails, REJECTED when the directory
// is not geokv's, has another format or is damaged, NOT_ALLOWED when others could
// write to it.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "open data directory %s", path)
	}
	if err := prepare(path); err != nil {
		return nil, err
	}
	lock, err := acquire(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path, lock}
	if err := d.begin(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// prepare makes the directory and checks that it is ours to write to.
func prepare(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fail.Wrap(fail.Unavailable, err, "create data directory %s", path).
			WithHint("name another one with --data or GEOKV_DATA")
	}
	if err := checkOurs(path); err != nil {
		return err
	}
	return checkVersion(path)
}

// checkOurs refuses a directory in which others could choose the addresses that
// tokens and values are sent to.
func checkOurs(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		err = checkOwner(info)
	}
	if err != nil {
		return fail.Wrap(fail.NotAllowed, err, "use data directory %s", path).
			WithHint("name a directory of your own with --data or GEOKV_DATA")
	}
	return nil
}

// checkVersion accepts a directory of this format and an empty one.
func checkVersion(path string) error {
	text, err := os.ReadFile(filepath.Join(path, versionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkEmpty(path)
	case err != nil:
		return fail.Wrap(fail.Unavailable, err, "read data directory %s", path).
			WithHint("name another one with --data or GEOKV_DATA")
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	switch {
	case err != nil:
		return fail.New(fail.Rejected, "open data directory %s: its version file says %.20q, want a number", path, text).
			WithHint("the directory is damaged: restore it from a copy, or move it away to begin anew")
	case n != format:
		return fail.New(fail.Rejected, "open data directory %s: it has format %d, this geokv knows %d", path, n, format).
			WithHint("use the geokv that wrote it, or another directory with --data")
	}
	return nil
}

// checkEmpty keeps geokv from mixing its files into somebody's own directory.
func checkEmpty(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "read data directory %s", path).
			WithHint("name another one with --data or GEOKV_DATA")
	}
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != ownerFile { // left by a start that was interrupted
			return fail.New(fail.Rejected, "open data directory %s: it is not empty (%s) and not geokv's", path, e.Name()).
				WithHint("name another directory with --data or GEOKV_DATA")
		}
	}
	return nil
}

// acquire takes the lock or says who has it.
func acquire(path string) (*os.File, error) {
	name := filepath.Join(path, lockFile)
	for deadline := time.Now().Add(startGrace); ; time.Sleep(10 * time.Millisecond) {
		f, err := lock(name, true)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, ErrLocked):
			return nil, fail.Wrap(fail.Unavailable, err, "lock data directory %s", path).
				WithHint("is the disk full, or the directory read-only?")
		case time.Now().After(deadline):
			return nil, taken(path)
		}
	}
}

func taken(path string) error {
	hint := "stop it, attach to it (geokv tui, geokv status), or use another directory with --data"
	owner, err := readOwner(path)
	if err != nil {
		return fail.New(fail.Unavailable, "open data directory %s: another process runs a cluster in it", path).WithHint("%s", hint)
	}
	return fail.New(fail.Unavailable, "open data directory %s: process %d runs a cluster in it since %s",
		path, owner.PID, owner.Started.Local().Format(time.DateTime)).WithHint("%s", hint)
}

func readOwner(path string) (Owner, error) {
	var owner Owner
	text, err := os.ReadFile(filepath.Join(path, ownerFile))
	if err == nil {
		err = json.Unmarshal(text, &owner)
	}
	return owner, err
}

// begin writes what the holder of the lock writes, and removes what the one
// before could not.
func (d *Dir) begin() error {
	owner, err := json.Marshal(Owner{os.Getpid(), time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return fmt.Errorf("describe this process: %w", err)
	}
	if err := d.write(ownerFile, owner); err != nil {
		return err
	}
	if err := d.write(versionFile, fmt.Appendln(nil, format)); err != nil {
		return err
	}
	return d.Retract()
}

// Path is the directory, absolute.
func (d *Dir) Path() string { return d.path }

// Sub makes a directory below it and returns its path.
func (d *Dir) Sub(elem ...string) (string, error) {
	path := filepath.Join(append([]string{d.path}, elem...)...)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fail.Wrap(fail.Unavailable, err, "create %s", path).
			WithHint("the directory is damaged, read-only or full: restore it from a copy, or name another with --data")
	}
	return path, nil
}

// Close takes back cluster.json and gives the lock up.
func (d *Dir) Close() error {
	err := d.Retract()
	os.Remove(filepath.Join(d.path, ownerFile))
	return errors.Join(err, d.lock.Close())
}

// Token returns the secret of the directory: 32 random bytes in hex, made at
// the first call and kept. Errors are *fail.Error.
func (d *Dir) Token() (string, error) {
	token, err := readToken(d.path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	token = NewSecret()
	return token, d.write(tokenFile, []byte(token+"\n"))
}

// NewSecret makes a secret of a local cluster: 32 random bytes in hex.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// TokenFile is where the data directory at path keeps its secret.
func TokenFile(path string) string { return filepath.Join(path, tokenFile) }

func readToken(path string) (string, error) {
	name := TokenFile(path)
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fail.New(fail.NotAllowed, "read token %s: others may read it (mode %04o)", name, info.Mode().Perm()).
			WithHint("chmod 600 %s, or remove it if others may have seen it: the next start makes a new one", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fail.Wrap(fail.NotAllowed, err, "read token")
	}
	token := strings.TrimSpace(string(text))
	if b, err := hex.DecodeString(token); err != nil || len(b) != 32 {
		return "", fail.New(fail.Rejected, "read token %s: it is not 64 hexadecimal digits", name).
			WithHint("remove it: the next start makes a new one")
	}
	return token, nil
}

// write replaces a file so that readers see the old text or the new, never a
// part, even after a crash.
func (d *Dir) write(name string, text []byte) error {
	path := filepath.Join(d.path, name)
	err := func() error {
		f, err := os.CreateTemp(d.path, "."+name+"-*") // mode 0600
		if err != nil {
			return err
		}
		defer os.Remove(f.Name()) // fails after the rename
		_, err = f.Write(text)
		if err == nil {
			err = f.Sync()
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}()
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "write %s", path).WithHint("is the disk full, or the directory read-only?")
	}
	return nil
}

// HasToken reports whether the directory already has its secret.
func (d *Dir) HasToken() bool {
	_, err := readToken(d.path)
	return err == nil
}
