package containers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// docker is a stand-in for the tool: it writes down what it is asked and does
// what the test wants of each request.
type docker struct {
	t      *testing.T
	asked  []string
	answer func(line string) string // a shell script
}

func (d *docker) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	line := strings.Join(append([]string{name}, args...), " ")
	d.asked = append(d.asked, line)
	return exec.CommandContext(ctx, "sh", "-c", d.answer(line))
}

func (d *docker) config(ready func(context.Context) error) Config {
	return Config{
		Project: "geokv-test", Dir: filepath.Join(d.t.TempDir(), "compose"), Env: []string{"GEOKV_HTTP_TOKEN=secret"},
		Ready: ready, Say: d.t.Logf, Getenv: func(string) string { return "" }, Command: d.command,
	}
}

func at(dir string) string {
	return "docker compose -p geokv-test -f " + filepath.Join(dir, "compose.yaml")
}

func TestUpAndDown(t *testing.T) {
	d := &docker{t: t, answer: func(line string) string {
		if strings.Contains(line, " up ") {
			return `test "$GEOKV_HTTP_TOKEN" = secret`
		}
		return "true"
	}}
	tries := 0
	cfg := d.config(func(context.Context) error {
		if tries++; tries < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	cfg.Discard = true
	c, err := Up(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Down(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{
		"docker compose version", "docker image inspect --format {{.Id}} geokv:local",
		at(cfg.Dir) + " up -d --no-build", at(cfg.Dir) + " down --volumes",
	}
	if !slices.Equal(d.asked, want) {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(d.asked, "\n"), strings.Join(want, "\n"))
	}
}

func TestWriteReplacesOlderFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "compose")
	for _, want := range []string{"old", "new"} {
		if err := Write(dir, fstest.MapFS{"compose.yaml": {Data: []byte(want)}}); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "compose.yaml")); string(text) != want || err != nil {
			t.Errorf("got %q, %v, want %q", text, err, want)
		}
	}
}

func TestOlderCompose(t *testing.T) {
	d := &docker{t: t, answer: func(line string) string {
		if strings.HasPrefix(line, "docker compose") {
			return "echo unknown command >&2; exit 1"
		}
		return "true"
	}}
	c, err := Up(t.Context(), d.config(func(context.Context) error { return nil }))
	if err != nil || !strings.HasPrefix(c.CommandLine(), "docker-compose -p geokv-test ") {
		t.Errorf("%v, %v", c, err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		fails, says string // the request that fails, and what the tool says
		want, hint  string
		started     bool // containers, which must be ended again
	}{
		"no compose": {"version", "unknown command", "neither docker compose nor docker-compose", "install Docker", false},
		"no image":   {"image inspect", "Error: No such image: geokv:local", "no image geokv:local", "docker build -t geokv:local", false},
		"no daemon":  {"image inspect", "Cannot connect to the Docker daemon", "Cannot connect", "docker info", false},
		"port taken": {" up ", "Bind for 127.0.0.1:8080 failed: port is already allocated", "port is already allocated", " ps", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := &docker{t: t, answer: func(line string) string {
				if strings.Contains(line, c.fails) {
					return "echo '" + c.says + "' >&2; exit 1"
				}
				return "true"
			}}
			_, err := Up(t.Context(), d.config(func(context.Context) error { return nil }))
			if fail.CodeOf(err) != fail.Unavailable || !strings.Contains(err.Error(), c.want) || !strings.Contains(fail.HintOf(err), c.hint) {
				t.Errorf("%v\nhint %s", err, fail.HintOf(err))
			}
			asked := strings.Join(d.asked, "\n") + "\n"
			if strings.Contains(asked, " up ") != c.started || strings.Contains(asked, " down\n") != c.started {
				t.Errorf("asked\n%s", asked)
			}
		})
	}
}

func TestInterruptedBeforeAnythingRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &docker{t: t, answer: func(string) string { cancel(); return "exit 1" }}
	if _, err := Up(ctx, d.config(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A start that is given up takes its containers down.
func TestInterruptedStart(t *testing.T) {
	d := &docker{t: t, answer: func(string) string { return "true" }}
	ctx, cancel := context.WithCancel(t.Context())
	cfg := d.config(func(context.Context) error { cancel(); return errors.New("not yet") })
	if _, err := Up(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if last := d.asked[len(d.asked)-1]; last != at(cfg.Dir)+" down" {
		t.Errorf("the last request was %s", last)
	}
}

// The time that an end may take is a bound also for a tool that ignores interrupts.
func TestDownIsBounded(t *testing.T) {
	d := &docker{t: t, answer: func(line string) string {
		if strings.HasSuffix(line, " down") {
			return "trap '' INT; exec sleep 600"
		}
		return "true"
	}}
	cfg := d.config(func(context.Context) error { return nil })
	cfg.Grace = 10 * time.Millisecond
	c, err := Up(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Down(ctx); fail.CodeOf(err) != fail.Unavailable || !strings.HasSuffix(fail.HintOf(err), " down") {
		t.Errorf("got %v, hint %q", err, fail.HintOf(err))
	}
}
