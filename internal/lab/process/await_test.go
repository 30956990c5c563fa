//go:build unix

package process

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
)

func TestAwait(t *testing.T) {
	c := &Cluster{dirs: dirs{run: t.TempDir(), logs: t.TempDir()}}
	c.cfg.Logger = slog.New(slog.DiscardHandler)
	start := func(name, script string) *offspring.Process {
		p, err := c.child(name, offspring.Config{Command: func() *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop(0) })
		return p
	}
	silent := errors.New("no answer")

	// One that ends is not waited for, whatever its port did before.
	p := start("broken", "echo the disk is full")
	err := c.await(t.Context(), p, "broken", func(context.Context) error { return silent })
	if fail.CodeOf(err) != fail.Unavailable || !strings.Contains(err.Error(), "the disk is full") || !strings.Contains(fail.HintOf(err), "broken.log") {
		t.Errorf("one that ended: %v, hint %q", err, fail.HintOf(err))
	}

	p = start("slow", "exec sleep 60")
	tries := 0
	if err := c.await(t.Context(), p, "slow", func(context.Context) error {
		if tries++; tries < 3 {
			return silent
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("the third try: %v after %d", err, tries)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = c.await(ctx, p, "slow", func(context.Context) error { cancel(); return silent })
	if !errors.Is(err, context.Canceled) || !strings.Contains(fail.HintOf(err), "slow.log") {
		t.Errorf("given up: %v, hint %q", err, fail.HintOf(err))
	}
}
