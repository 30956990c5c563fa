package datadir

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/fail"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func wantFailure(t *testing.T, err error, code fail.Code, parts ...string) {
	t.Helper()
	if err == nil || fail.CodeOf(err) != code || fail.HintOf(err) == "" {
		t.Fatalf("got %v (code %s, hint %q), want %s with a hint", err, fail.CodeOf(err), fail.HintOf(err), code)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("message %q does not name %q", err, part)
		}
	}
}

func TestOneOwnerAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	first := open(t, path)
	_, err := Open(path)
	wantFailure(t, err, fail.Unavailable, path, "process "+strconv.Itoa(os.Getpid()), "since 20")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

// holderEnv makes the test binary a process that holds a directory until killed.
const holderEnv = "GEOKV_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holderEnv); path != "" {
		d, err := Open(path)
		if err == nil {
			err = d.Publish(Cluster{API: "http://127.0.0.1:1"})
		}
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString("held\n")
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0) // without Close: a crash
	}
	os.Exit(m.Run())
}

func TestKilledOwnerLeavesNothingInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holderEnv+"="+path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(holder.Process.Pid)
	_, err = Open(path)
	wantFailure(t, err, fail.Unavailable, "process "+pid)
	if c, _, err := Find(path); err != nil || c.PID != holder.Process.Pid || c.API != "http://127.0.0.1:1" {
		t.Errorf("Find while it runs: %+v, %v", c, err)
	}
	holder.Process.Kill()
	holder.Wait()

	if _, err := os.Stat(filepath.Join(path, clusterFile)); err != nil {
		t.Fatalf("the killed owner left no cluster.json to be mistaken for a running one: %v", err)
	}
	_, _, err = Find(path)
	wantFailure(t, err, fail.Unavailable, "none runs there")
	open(t, path)
	_, _, err = Find(path)
	wantFailure(t, err, fail.Unavailable, "still starting")
}

func TestPublishAndFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	_, _, err := Find(path)
	wantFailure(t, err, fail.Unavailable, path)
	if !strings.Contains(fail.HintOf(err), "geokv up") {
		t.Errorf("hint %q does not name geokv up", fail.HintOf(err))
	}

	d := open(t, path)
	want := Cluster{
		API: "http://127.0.0.1:7420", Registry: "http://127.0.0.1:7421",
		Regions: []Region{{"us", 0, []string{"127.0.0.1:9092"}, "127.0.0.1:6379", "redis://geokv:x@127.0.0.1:6379/0"}},
	}
	if err := d.Publish(want); err != nil {
		t.Fatal(err)
	}
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	got, gotToken, err := Find(path)
	if err != nil || gotToken != token || got.PID != os.Getpid() || got.Started.IsZero() {
		t.Fatalf("Find: %+v, token %v, %v", got, gotToken == token, err)
	}
	got.Owner = Owner{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if runtime.GOOS != "windows" {
		for _, name := range []string{clusterFile, tokenFile, ownerFile, lockFile} {
			info, err := os.Stat(filepath.Join(path, name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, %v, want 0600", name, info.Mode(), err)
			}
		}
	}
	d.Close()
	_, _, err = Find(path)
	wantFailure(t, err, fail.Unavailable)
}

func TestTokenIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := open(t, path)
	first, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := hex.DecodeString(first); err != nil || len(b) != 32 {
		t.Errorf("token %q is not 32 bytes in hex", first)
	}
	d.Close()
	d = open(t, path)
	if again, err := d.Token(); err != nil || again != first {
		t.Errorf("token changed over a restart: %v", err)
	}
	name := filepath.Join(path, tokenFile)
	if runtime.GOOS != "windows" {
		os.Chmod(name, 0o644)
		_, err = d.Token()
		wantFailure(t, err, fail.NotAllowed, "others may read it")
		os.Chmod(name, 0o600)
	}
	os.WriteFile(name, []byte("short"), 0o600)
	_, err = d.Token()
	wantFailure(t, err, fail.Rejected, name)
	if strings.Contains(err.Error(), "short") {
		t.Error("the error shows the token")
	}
}

func TestDirectoriesThatAreNotOurs(t *testing.T) {
	for _, test := range []struct {
		name, file, text string
		code             fail.Code
		part             string
	}{
		{"somebody's files", "thesis.tex", "x", fail.Rejected, "not geokv's"},
		{"newer format", versionFile, "2\n", fail.Rejected, "format 2"},
		{"damaged version", versionFile, "\x00\x00", fail.Rejected, "version file"},
	} {
		path := t.TempDir()
		os.Chmod(path, 0o700)
		os.WriteFile(filepath.Join(path, test.file), []byte(test.text), 0o600)
		_, err := Open(path)
		wantFailure(t, err, test.code, path, test.part)
		if entries, _ := os.ReadDir(path); len(entries) != 1 {
			t.Errorf("%s: files were added: %v", test.name, entries)
		}
	}
	_, err := Open(filepath.Join(os.Args[0], "x")) // below a file
	wantFailure(t, err, fail.Unavailable)
	if runtime.GOOS != "windows" {
		path := t.TempDir()
		os.Chmod(path, 0o777)
		_, err := Open(path)
		wantFailure(t, err, fail.NotAllowed, "others may write")
	}
}

// Whoever can write a cluster.json that is believed gets tokens and values.
func TestClustersOfOthersAreNotFound(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("access lists decide there")
	}
	path := filepath.Join(t.TempDir(), "data")
	if err := open(t, path).Publish(Cluster{API: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	find := func(part string) {
		t.Helper()
		_, _, err := Find(path)
		wantFailure(t, err, fail.NotAllowed, path, part)
		if !strings.Contains(fail.HintOf(err), "--data") {
			t.Errorf("hint %q", fail.HintOf(err))
		}
	}
	os.Chmod(path, 0o777)
	find("others may write")
	os.Chmod(path, 0o700)
	if os.Getuid() == 0 {
		os.Chown(path, 1, 1)
	} else {
		path = "/"
	}
	find("belongs to user")
}

func TestDamagedClusterFile(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "data"))
	os.WriteFile(filepath.Join(d.Path(), clusterFile), []byte(`{"pid":`), 0o600)
	_, _, err := Find(d.Path())
	wantFailure(t, err, fail.Rejected, clusterFile)
}

func TestSub(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "data"))
	path, err := d.Sub("us", "kafka")
	if err != nil || path != filepath.Join(d.Path(), "us", "kafka") {
		t.Errorf("Sub = %s, %v", path, err)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		t.Errorf("Sub made no directory: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, test := range []struct {
		goos string
		env  func(string) string
		want string
	}{
		{"linux", env("HOME", "/h"), "/h/.local/share"},
		{"linux", env("HOME", "/h", "XDG_DATA_HOME", "/d"), "/d"},
		{"linux", env("HOME", "/h", "XDG_DATA_HOME", "relative"), "/h/.local/share"},
		{"linux", env(), ""},
		{"darwin", env("HOME", "/h"), "/h/Library/Application Support"},
		{"windows", env("LocalAppData", `C:\l`), `C:\l`},
		{"windows", env(), ""},
	} {
		got, err := userData(test.goos, test.env)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s: %q, %v, want %q", test.goos, got, err, test.want)
		}
	}
	for want, got := range map[string]string{
		"/run/1/geokv": runtimeDir("linux", "/tmp", 1, env("XDG_RUNTIME_DIR", "/run/1")),
		"/tmp/geokv-7": runtimeDir("linux", "/tmp", 7, env()),
		"/tmp/geokv":   runtimeDir("windows", "/tmp", -1, env("XDG_RUNTIME_DIR", "/run/1")),
	} {
		if got != want {
			t.Errorf("runtime directory %q, want %q", got, want)
		}
	}
}
