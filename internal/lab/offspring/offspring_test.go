//go:build unix

package offspring

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/polltest"
)

// child runs a shell command until the end of the test.
func child(t *testing.T, command string) (*Process, Config) {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{
		Name: "child", LogFile: filepath.Join(dir, "child.log"), PIDFile: filepath.Join(dir, "child.pid"),
		Logger: slog.New(slog.DiscardHandler), Command: func() *exec.Cmd { return exec.Command("/bin/sh", "-c", command) },
	}
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	return p, cfg
}

func TestEndedProcessComesBack(t *testing.T) {
	p, cfg := child(t, "echo started; exec sleep 60")
	first := p.PID()
	starts := func() int {
		text, _ := os.ReadFile(cfg.LogFile)
		return strings.Count(string(text), "started")
	}
	polltest.Until(t, "the first says so", func() bool { return starts() == 1 })
	p.Kill()
	polltest.Until(t, "a new process", func() bool { return p.PID() != first && p.Alive() })
	if p.Ends() != 1 {
		t.Errorf("ended %d times, want 1", p.Ends())
	}
	polltest.Until(t, "both are in the log", func() bool { return starts() == 2 })
	if text, _ := os.ReadFile(cfg.PIDFile); strings.TrimSpace(string(text)) != fmt.Sprint(p.PID()) {
		t.Errorf("pid file says %q, want %d", text, p.PID())
	}
}

func TestHeldProcessStaysAway(t *testing.T) {
	p, _ := child(t, "exec sleep 60")
	first := p.PID()
	p.Hold()
	p.Hold() // twice is no error
	if p.Alive() {
		t.Fatal("held and alive")
	}
	select {
	case <-time.After(firstWait + firstWait/2): // longer than the wait after an unwanted end
	case <-p.done:
		t.Fatal("held for good")
	}
	if p.PID() != first {
		t.Fatal("started again while held")
	}
	if err := p.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !p.Alive() || p.PID() == first {
		t.Error("released and not there")
	}
	if p.Ends() != 0 {
		t.Errorf("%d ends of its own, want none", p.Ends())
	}
}

func TestRestartIsPrompt(t *testing.T) {
	p, _ := child(t, "exec sleep 60")
	first := p.PID()
	p.Restart()
	polltest.Until(t, "a new process", func() bool { return p.PID() != first })
	if p.Ends() != 0 { // those of its own are what it waits after
		t.Errorf("%d ends of its own, want none", p.Ends())
	}
}

func TestStop(t *testing.T) {
	polite, cfg := child(t, "trap 'exit 0' TERM; while :; do sleep 0.01; done")
	if !polite.Stop(20 * time.Second) {
		t.Error("one that ends when asked was killed")
	}
	if _, err := os.Stat(cfg.PIDFile); err == nil {
		t.Error("its pid file stays")
	}
	stubborn, _ := child(t, "trap '' TERM; while :; do sleep 0.01; done")
	polltest.Until(t, "the trap is set", func() bool { return strings.Contains(CommandLine(stubborn.PID()), "trap") })
	if stubborn.Stop(50*time.Millisecond) && stubborn.Alive() {
		t.Error("one that does not end when asked lives on")
	}
}

func TestOrphans(t *testing.T) {
	dir := t.TempDir()
	marker := "marker-of-" + filepath.Base(dir)
	start := func(name, title string) *exec.Cmd {
		cmd := exec.Command("/bin/sh", "-c", "sleep 60; : "+title)
		Detach(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		if err := os.WriteFile(filepath.Join(dir, name+".pid"), fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
			t.Fatal(err)
		}
		go cmd.Wait()
		return cmd
	}
	ours, stranger := start("ours", marker), start("stranger", "somebody else")
	for name, text := range map[string]string{"empty": "", "letters": "xyz\n", "init": "1\n", "negative": "-1\n", "gone": "99999999\n"} {
		if err := os.WriteFile(filepath.Join(dir, name+".pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ended, err := EndOrphans(dir, marker)
	if err != nil || len(ended) != 1 || ended[0] != "ours" {
		t.Fatalf("ended %v, %v, want ours", ended, err)
	}
	if strings.Contains(CommandLine(ours.Process.Pid), marker) {
		t.Error("the orphan lives")
	}
	if CommandLine(stranger.Process.Pid) == "" {
		t.Error("a stranger was ended")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.pid")); len(left) > 0 {
		t.Errorf("pid files stay: %v", left)
	}
}
