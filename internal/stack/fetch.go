package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/pause"
)

// dependencyPlugin copies what the pom names. Newer ones (3.x) want the parent
// of the registry's own pom, which the Java registry does not have.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:2.8"

// Fetch makes the set in dir complete. It downloads into a directory beside it,
// compares every file with its pinned checksum and moves the whole into place
// in one step; a set that is complete already is left alone, and a fetch that runs
// beside this one is waited for. say gets one line per step. The error is a
// *fail.Error, or ctx's.
func Fetch(ctx context.Context, dir string, say func(format string, args ...any)) error {
	java, err := findJava(os.Getenv)
	if err != nil {
		return err
	}
	say("java %s: %s", java.version, java.path)
	if Examine(dir).Complete {
		say("everything is there: %s", dir)
		return nil
	}
	alone, err := lockFetch(ctx, dir, say)
	if err != nil {
		return err
	}
	defer alone.Close()
	if Examine(dir).Complete {
		say("everything is there now: %s", dir)
		return nil
	}
	staging, err := stagingDir(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(staging) // fails after the move
	if err := fill(ctx, staging, dir, say); err != nil {
		return err
	}
	return install(staging, dir)
}

// lockFetch waits until no other process fetches into dir.
func lockFetch(ctx context.Context, dir string, say func(string, ...any)) (io.Closer, error) {
	const hint = "name a directory of your own with GEOKV_STACK"
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "create %s", filepath.Dir(dir)).WithHint(hint)
	}
	for tries := 0; ; tries++ {
		lock, err := datadir.Lock(dir + ".lock")
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, datadir.ErrLocked) {
			return nil, fail.Wrap(fail.Unavailable, err, "lock %s", dir).WithHint(hint)
		}
		if tries == 0 {
			say("another process fetches into %s: waiting until it ends", dir)
		}
		if !pause.For(ctx, 200*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
}

// stagingDir makes an empty directory beside dir and removes what fetches that
// were killed have left there. No other fetch may run.
func stagingDir(dir string) (string, error) {
	left, _ := filepath.Glob(dir + ".partial-*") // the pattern is well-formed
	for _, path := range left {
		_ = os.RemoveAll(path) // worst case it stays
	}
	staging, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".partial-")
	if err != nil {
		return "", fail.Wrap(fail.Unavailable, err, "create a directory in %s", filepath.Dir(dir)).WithHint("is the disk full?")
	}
	return staging, nil
}

func fill(ctx context.Context, staging, dir string, say func(string, ...any)) error {
	if err := fetchJars(ctx, staging, say); err != nil {
		return err
	}
	say("unpacking the schema registry")
	tar := filepath.Join(staging, libsDir, registryTar)
	if err := unpack(tar, filepath.Join(staging, registryDir)); err != nil {
		return fail.Wrap(fail.Unavailable, err, "unpack %s", registryTar).WithHint("is the disk full?")
	}
	if err := os.Remove(tar); err != nil {
		return fmt.Errorf("remove %s: %w", tar, err)
	}
	if err := ensureRedis(ctx, staging, dir, say); err != nil {
		return err
	}
	r, err := takeReceipt(staging)
	if err == nil {
		err = r.write(staging)
	}
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "complete %s", staging).WithHint("is the disk full?")
	}
	return nil
}

// fetchJars lets Maven copy the pinned artifacts. A file that is not what it
// must be may come from a damaged local repository, so the second try has one
// of its own.
func fetchJars(ctx context.Context, staging string, say func(string, ...any)) error {
	mvn, err := findTool([]string{"mvn"}, "the Java parts come through it",
		"install Maven (Debian: apt-get install maven; macOS: brew install maven)")
	if err != nil {
		return err
	}
	say("fetching Kafka and MirrorMaker %s (%d files) and the schema registry %s with %s", KafkaVersion, len(pinned())-1, RegistryVersion, mvn)
	libs := filepath.Join(staging, libsDir)
	if err := runMaven(ctx, mvn, staging, libs); err != nil {
		return err
	}
	bad := wrongFiles(libs)
	if len(bad) == 0 {
		return nil
	}
	say("%s: not what was pinned; fetching again without Maven's local repository", bad[0])
	local := filepath.Join(staging, "m2")
	defer os.RemoveAll(local)
	if err := errors.Join(os.RemoveAll(libs), runMaven(ctx, mvn, staging, libs, "-Dmaven.repo.local="+local)); err != nil {
		return err
	}
	if bad = wrongFiles(libs); len(bad) > 0 {
		return fail.New(fail.Unavailable, "check the downloaded parts: %s", some(bad)).
			WithHint("the registry or a proxy on the way delivers other files than those geokv was tested with; try again or ask whoever runs it")
	}
	return os.RemoveAll(local)
}

func runMaven(ctx context.Context, mvn, staging, libs string, extra ...string) error {
	project := filepath.Join(staging, "pom.xml")
	if err := os.WriteFile(project, pom, 0o644); err != nil {
		return fail.Wrap(fail.Unavailable, err, "write %s", project).WithHint("is the disk full?")
	}
	defer os.Remove(project)
	args := append([]string{"-q", "-B", "-f", project,
		dependencyPlugin + ":copy-dependencies", "-DincludeScope=runtime",
		dependencyPlugin + ":copy", "-Dartifact=io.apicurio:apicurio-registry-app:" + RegistryVersion + ":tar.gz:all",
		"-DoutputDirectory=" + libs}, extra...)
	cmd := exec.CommandContext(ctx, mvn, args...)
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "fetch the Java parts: %s", firstError(text)).
			WithHint("can Maven reach its registry? Try: mvn -B org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dartifact=org.apache.kafka:kafka-clients:%s", KafkaVersion)
	}
	return nil
}

// firstError picks Maven's first complaint out of what it printed.
func firstError(text []byte) string {
	for line := range bytes.Lines(text) {
		if _, message, ok := bytes.Cut(line, []byte("[ERROR]")); ok {
			return string(bytes.TrimSpace(message))
		}
	}
	return "mvn failed"
}

// wrongFiles compares a directory with the pins and names what is missing,
// damaged or not pinned.
func wrongFiles(dir string) []string {
	var bad []string
	sums := pinned()
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		sum, size, err := hashFile(filepath.Join(dir, name))
		switch {
		case err != nil:
			bad = append(bad, name+" is missing")
		case sum != sums[name]:
			bad = append(bad, fmt.Sprintf("%s (%d bytes) has checksum %s, want %s", name, size, sum[:12], sums[name][:12]))
		}
	}
	entries, _ := os.ReadDir(dir) // an unreadable one misses every file
	for _, e := range entries {
		if sums[e.Name()] == "" {
			bad = append(bad, e.Name()+" is not among the pinned files")
		}
	}
	return bad
}

// some keeps a message readable: the first three, and how many more.
func some(all []string) string {
	const most = 3
	if len(all) <= most {
		return strings.Join(all, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(all[:most], "; "), len(all)-most)
}

// install moves a complete set into place. Readers see the old set or the new.
func install(staging, dir string) error {
	old := dir + ".partial-old"
	_ = os.RemoveAll(old)
	moved := os.Rename(dir, old) == nil
	if err := os.Rename(staging, dir); err != nil {
		if moved {
			_ = os.Rename(old, dir)
		}
		return fail.Wrap(fail.Unavailable, err, "move the parts to %s", dir).WithHint("remove %s and fetch again", dir)
	}
	_ = os.RemoveAll(old) // the next fetch removes what stays
	return nil
}
