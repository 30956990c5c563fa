package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/lab/datadir"
)

// patience bounds everything that a test waits for.
const patience = 60 * time.Second

// home is a user's place of their own: directories and environment, so that no
// test meets the user's real clusters or another test's.
type home struct {
	t    *testing.T
	dir  string
	data string
	env  []string
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{t: t, dir: dir, data: filepath.Join(dir, "data")}
	h.env = append(os.Environ(),
		"HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_RUNTIME_DIR="+dir,
		"GEOKV_DATA="+h.data, "GEOKV_CONFIG=", "GEOKV_TOKEN=")
	return h
}

// command is a geokv process that has not started.
func (h *home) command(args ...string) *exec.Cmd {
	h.t.Helper()
	path, err := exec.LookPath("geokv") // put on PATH by TestMain
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	return cmd
}

// result is what a command that ended left behind.
type result struct {
	code           int
	stdout, stderr string
}

func (h *home) run(args ...string) result { return h.runWith("", args...) }

func (h *home) runWith(input string, args ...string) result {
	h.t.Helper()
	cmd := h.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// fails runs a command that has to end with the exit code and say each of the
// texts on stderr.
func (h *home) fails(code int, texts []string, args ...string) {
	h.t.Helper()
	r := h.run(args...)
	if r.code != code {
		h.t.Errorf("geokv %s: exit code %d, want %d\n%s", strings.Join(args, " "), r.code, code, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			h.t.Errorf("geokv %s: no %q on stderr:\n%s", strings.Join(args, " "), text, r.stderr)
		}
	}
}

// cluster is a running `geokv up`.
type cluster struct {
	*home
	cmd    *exec.Cmd
	stderr *safeBuffer
	took   time.Duration // from the start of the process to its ready line
	ready  readyLine
	info   datadir.Cluster // with geokv's own credentials
	api    *client.Client
	token  string
	ended  chan struct{}
}

// readyLine is what `geokv up -o json` prints when everything answers.
type readyLine struct {
	API      string           `json:"api"`
	Registry string           `json:"registry"`
	Regions  []datadir.Region `json:"regions"`
	Data     string           `json:"data"`
	ReadyMS  int64            `json:"ready_ms"`
}

// up starts a cluster in the home's data directory and waits until it is ready.
func (h *home) up(args ...string) *cluster {
	h.t.Helper()
	c, err := h.tryUp(args...)
	if err != nil {
		h.t.Fatalf("geokv up: %v\n%s", err, c.stderr)
	}
	return c
}

func (h *home) tryUp(args ...string) (*cluster, error) {
	h.t.Helper()
	c := &cluster{home: h, cmd: h.command(append([]string{"up", "-o", "json"}, args...)...), stderr: &safeBuffer{}, ended: make(chan struct{})}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return c, err
	}
	c.cmd.Stderr = c.stderr
	began := time.Now()
	if err := c.cmd.Start(); err != nil {
		return c, err
	}
	lines := make(chan error, 1)
	go func() {
		defer close(c.ended)
		lines <- json.NewDecoder(stdout).Decode(&c.ready)
		_, _ = io.Copy(io.Discard, stdout)
		_ = c.cmd.Wait() // what it ended with is in ProcessState
	}()
	h.t.Cleanup(func() {
		c.kill()
		if h.t.Failed() {
			said := strings.SplitAfter(c.stderr.String(), "\n")
			h.t.Logf("the last that geokv up said:\n%s", strings.Join(said[max(0, len(said)-20):], ""))
		}
	})
	select {
	case err = <-lines:
	case <-time.After(patience):
		err = errors.New("not ready in time")
	}
	c.took = time.Since(began)
	if err != nil {
		c.kill()
		return c, err
	}
	return c, c.connect()
}

func (c *cluster) connect() (err error) {
	if c.info, c.token, err = datadir.Find(c.ready.Data); err != nil {
		return err
	}
	c.api, err = client.New(client.Config{URL: c.ready.API, Token: c.token})
	return err
}

// kill is kill -9; it returns when the process is gone.
func (c *cluster) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// interrupt is Ctrl-C; it returns the exit code and how long the end took.
func (c *cluster) interrupt() (int, time.Duration) {
	c.t.Helper()
	began := time.Now()
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.kill()
		c.t.Fatal("geokv up did not end after an interrupt")
	}
	return c.cmd.ProcessState.ExitCode(), time.Since(began)
}

// produce writes through the API and fails the test when the write is not
// durable.
func (c *cluster) produce(ctx context.Context, op event.Operation) event.Receipt {
	c.t.Helper()
	receipt, err := c.api.Produce(ctx, op)
	if err != nil || receipt.Outcome != event.Durable {
		c.t.Fatalf("%s %q in %q: %s %v", op.Op(), op.Key, op.Region, receipt.Outcome, err)
	}
	return receipt
}

// region is the region's addresses, with geokv's credentials.
func (c *cluster) region(name string) datadir.Region {
	c.t.Helper()
	for _, r := range c.info.Regions {
		if r.Name == name {
			return r
		}
	}
	c.t.Fatalf("no region %q", name)
	return datadir.Region{}
}

func (c *cluster) regions() []string {
	var names []string
	for _, r := range c.info.Regions {
		names = append(names, r.Name)
	}
	return names
}

// bounded is the test's context with an end of its own.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// safeBuffer is written by a process's copier and read by the test.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
