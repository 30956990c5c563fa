//go:build unix

package stack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/datadir"
)

// script puts a shell script into a directory and returns its path.
func script(t *testing.T, path, body string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPinsCoverTheParts(t *testing.T) {
	sums := pinned()
	for _, name := range []string{"kafka-clients-" + KafkaVersion + ".jar", "connect-mirror-" + KafkaVersion + ".jar", "kafka-tools-" + KafkaVersion + ".jar", registryTar} {
		if len(sums[name]) != 64 {
			t.Errorf("%s is not pinned", name)
		}
	}
	if len(sums) != 95 {
		t.Errorf("%d files are pinned, want 95", len(sums))
	}
	if !bytes.Contains(pom, []byte("<version>"+KafkaVersion+"</version>")) {
		t.Error("the pom is of another version")
	}
}

func TestJava(t *testing.T) {
	home := t.TempDir()
	env := func(name string) string { return map[string]string{"JAVA_HOME": home}[name] }
	for _, test := range []struct{ says, version, problem string }{
		{`echo 'openjdk version "17.0.15" 2025-04-15' >&2`, "17", ""},
		{`echo 'openjdk version "21" 2023-09-19' >&2`, "21", ""},
		{`echo 'java version "25-ea"' >&2`, "25", ""},
		{`echo 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g' >&2; echo 'openjdk version "17.0.1"' >&2`, "17", ""},
		{`echo 'java version "1.8.0_402"' >&2`, "8", "it is Java 8"},
		{`echo 'openjdk version "11.0.2"' >&2`, "11", "it is Java 11"},
		{`echo 'no such thing'`, "", "no version"},
		{`exit 3`, "", "exit status 3"},
	} {
		script(t, filepath.Join(home, "bin", "java"), test.says)
		found, err := findJava(env)
		if found.version != test.version {
			t.Errorf("%s: version %q, want %q", test.says, found.version, test.version)
		}
		if test.problem == "" {
			if err != nil {
				t.Errorf("%s: %v", test.says, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.problem) || !strings.Contains(fail.HintOf(err), "openjdk-17-jre-headless") {
			t.Errorf("%s: %v, hint %q; want %q and a package to install", test.says, err, fail.HintOf(err), test.problem)
		}
	}
	os.RemoveAll(filepath.Join(home, "bin"))
	if _, err := findJava(env); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("missing java: %v", err)
	}
}

func TestRedis(t *testing.T) {
	path, dir := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path)
	if _, err := findRedis(dir); err == nil || !strings.Contains(fail.HintOf(err), "apt-get install redis-server") {
		t.Errorf("missing redis-server: %v, hint %q", err, fail.HintOf(err))
	}
	server := filepath.Join(path, "redis-server")
	script(t, server, `echo 'Redis server v=6.2.7 sha=0:0 malloc=jemalloc bits=64'`)
	found, err := findRedis(dir)
	if err == nil || found.version != "6.2.7" || !strings.Contains(err.Error(), "it is Redis 6.2.7") {
		t.Errorf("old redis-server: %+v, %v", found, err)
	}
	fetched := script(t, filepath.Join(dir, redisFile), `echo 'Redis server v=8.2.3 sha=0:0'`)
	if found, err := findRedis(dir); err != nil || found.path != fetched {
		t.Errorf("with a fetched one beside an old one: %+v, %v", found, err)
	}
	script(t, server, `echo 'Redis server v=7.0.15 sha=0:0'`)
	if found, err := findRedis(dir); err != nil || found.path != server {
		t.Errorf("PATH's is new enough: %+v, %v", found, err)
	}
}

// complete writes a set that is whole.
func complete(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{libsDir + "/a.jar", registryDir + "/r.jar"} {
		script(t, filepath.Join(dir, name), name)
	}
	r, err := takeReceipt(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReceipt(t *testing.T) {
	dir := complete(t)
	if err := readReceipt(dir).checkSizes(dir); err != nil {
		t.Fatal(err)
	}
	if err := readReceipt(dir).checkSums(dir, libsDir); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(string) error{
		"cut short":  func(p string) error { return os.Truncate(p, 3) },
		"gone":       os.Remove,
		"no receipt": func(p string) error { return os.Remove(filepath.Join(filepath.Dir(filepath.Dir(p)), receiptFile)) },
		"half a note": func(p string) error {
			return os.Truncate(filepath.Join(filepath.Dir(filepath.Dir(p)), receiptFile), 20)
		},
	} {
		dir := complete(t)
		if err := damage(filepath.Join(dir, libsDir, "a.jar")); err != nil {
			t.Fatal(err)
		}
		if err := readReceipt(dir).checkSizes(dir); err == nil {
			t.Errorf("%s: the set passes for complete", name)
		}
	}
	jar := filepath.Join(dir, libsDir, "a.jar")
	text, err := os.ReadFile(jar)
	if err != nil {
		t.Fatal(err)
	}
	text[5] ^= 1
	if err := os.WriteFile(jar, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := readReceipt(dir).checkSums(dir, libsDir); err == nil || !strings.Contains(err.Error(), "libs/a.jar") {
		t.Errorf("a flipped bit: %v", err)
	}
	if err := readReceipt(dir).checkSums(dir, registryDir); err != nil {
		t.Errorf("damage elsewhere counts: %v", err)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.tar.gz")
	for _, name := range []string{"../out", "/abs", "a/../../out"} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1, Mode: 0o644})
		w.Write([]byte("x"))
		w.Close()
		z.Close()
		if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unpack(archive, filepath.Join(t.TempDir(), "in")); err == nil {
			t.Errorf("%s was unpacked", name)
		}
	}
	if err := os.WriteFile(archive, []byte("half a downlo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unpack(archive, t.TempDir()); err == nil {
		t.Error("garbage was unpacked")
	}
}

func TestNoMaven(t *testing.T) {
	home := t.TempDir()
	script(t, filepath.Join(home, "bin", "java"), `echo 'openjdk version "17.0.15"' >&2`)
	t.Setenv("JAVA_HOME", home)
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "parts", "set")
	err := Fetch(t.Context(), dir, t.Logf)
	if err == nil || !strings.Contains(fail.HintOf(err), "apt-get install maven") {
		t.Errorf("without Maven: %v, hint %q", err, fail.HintOf(err))
	}
	if left, _ := filepath.Glob(dir + "*"); len(left) != 1 || left[0] != dir+".lock" {
		t.Errorf("left behind: %v, want the lock", left)
	}
}

// What lies beside the set may be of a fetch that was killed, or of one that runs.
func TestFetchWaitsForAnother(t *testing.T) {
	home, dir := t.TempDir(), filepath.Join(t.TempDir(), "set")
	script(t, filepath.Join(home, "bin", "java"), `echo 'openjdk version "17.0.15" 2025-04-15' >&2`)
	t.Setenv("JAVA_HOME", home)
	t.Setenv("PATH", home) // no Maven: nothing is fetched
	half := dir + ".partial-1"
	if err := os.Mkdir(half, 0o755); err != nil {
		t.Fatal(err)
	}
	running, err := datadir.Lock(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = Fetch(ctx, dir, func(format string, args ...any) {
		if strings.Contains(format, "another process") {
			cancel()
		}
	})
	if _, gone := os.Stat(half); gone != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("beside another fetch: %v, and what it has: %v", err, gone)
	}
	running.Close()
	err = Fetch(t.Context(), dir, t.Logf)
	if _, gone := os.Stat(half); gone == nil || !strings.Contains(fail.HintOf(err), "install Maven") {
		t.Errorf("after it was killed: %v, and what it left: %v", err, gone)
	}
}
