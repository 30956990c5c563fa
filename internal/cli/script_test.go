package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/geokv/geokv/internal/cli"
)

// TestMain lets the test binary be the geokv binary, for scripts and for the
// tests that kill it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"geokv": runGeokv})
}

func runGeokv() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, cli.DefaultEnv(cli.Build{Version: "test"})))
}

// TestScripts runs the command line as a user would: one file per subject, a
// cluster of its own where it needs one.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(env *testscript.Env) error { return isolate(env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up":     startCluster,
			"status": expectStatus,
			"repeat": repeatLine,

			"longline": longLine,
		},
	})
}

// isolate keeps a script away from the user's own files and clusters.
func isolate(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	for name, dir := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_CACHE_HOME": filepath.Join(home, "cache"),
		"XDG_DATA_HOME": filepath.Join(home, "data"), "XDG_RUNTIME_DIR": filepath.Join(home, "run"),
	} {
		env.Setenv(name, dir)
	}
	env.Setenv("GEOKV_DATA", filepath.Join(env.WorkDir, "cluster"))
	return os.MkdirAll(filepath.Join(home, "run"), 0o700)
}

// startCluster runs `geokv up` with the given flags until the script ends and
// waits until it says that it is ready.
func startCluster(ts *testscript.TestScript, neg bool, args []string) {
	cmd := geokvCommand(ts.Getenv("GEOKV_DATA"), append([]string{"up", "-o", "json"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_DATA_HOME="+ts.Getenv("XDG_DATA_HOME"),
		"XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"), "XDG_RUNTIME_DIR="+ts.Getenv("XDG_RUNTIME_DIR"), "GEOKV_DATA="+ts.Getenv("GEOKV_DATA"))
	cmd.Dir = ts.MkAbs(".")
	ready, err := startAndWait(cmd)
	ts.Check(err)
	ts.Setenv("API", ready.API)
	ts.Setenv("APIADDR", strings.TrimPrefix(ready.API, "http://"))
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // its status is not this script's subject
	})
}

// repeatLine writes a line many times: repeat 1200 FILE LINE.
func repeatLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: repeat TIMES FILE LINE")
	}
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Repeat(args[2]+"\n", times)), 0o600))
}

// longLine writes a file of one line that no operation can have: longline FILE.
func longLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: longline FILE")
	}
	line := `{"op":"SET","key":"k","value":"` + strings.Repeat("v", 3<<20) + `"}` + "\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(line), 0o600))
}

// expectStatus runs a command and compares its exit status: status 3 geokv get k.
func expectStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.String()[len("exit status "):]
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

type readyLine struct {
	API  string
	Data string
}

func geokvCommand(data string, args ...string) *exec.Cmd {
	path, err := exec.LookPath("geokv") // put on PATH by testscript.Main
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "GEOKV_DATA="+data)
	return cmd
}

// startAndWait starts `geokv up -o json` and reads the line it prints when it is
// ready.
func startAndWait(cmd *exec.Cmd) (readyLine, error) {
	var ready readyLine
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return ready, err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return ready, err
	}
	watchdog := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return ready, &exec.Error{Name: "geokv up", Err: &startError{stderr.String(), err}}
	}
	return ready, nil
}

type startError struct {
	stderr string
	err    error
}

func (e *startError) Error() string { return e.err.Error() + "\n" + e.stderr }
