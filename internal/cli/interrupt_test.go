package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// alone runs geokv with a home of its own: the user's files, and those above the
// checkout, do not tell it which cluster is meant.
func alone(home string, args ...string) *exec.Cmd {
	cmd := geokvCommand(filepath.Join(home, "cluster"), args...)
	cmd.Dir = home
	cmd.Env = append(cmd.Env, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "XDG_RUNTIME_DIR="+home,
		"GEOKV_CONFIG=", "GEOKV_TOKEN=")
	return cmd
}

// An interrupt ends produce - although its input stays open and silent, as a
// terminal's does, and tells what became of the lines before.
func TestInterruptEndsProduceAtAnOpenInput(t *testing.T) {
	home := t.TempDir()
	cluster := alone(home, "up", "-o", "json")
	if _, err := startAndWait(cluster); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cluster.Process.Signal(os.Interrupt)
		_ = cluster.Wait()
	}()

	produce := alone(home, "produce", "-", "-o", "jsonl")
	in, err := produce.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := produce.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	produce.Stderr = &said
	if err := produce.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(30*time.Second, func() { _ = produce.Process.Kill() })
	defer watchdog.Stop()
	if _, err := in.Write([]byte(`{"op":"INCR","key":"n"}` + "\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // the first line is through
		t.Fatal(err)
	}
	if err := produce.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = produce.Wait() // its status is checked below
	if code := produce.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit status %d, want 130; stderr %s", code, said.String())
	}
	if !strings.Contains(said.String(), "1 line: 1 durable, 0 unknown, 0 failed") {
		t.Errorf("stderr %q does not count the line", said.String())
	}
}
