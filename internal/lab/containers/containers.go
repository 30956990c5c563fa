// Package containers runs the cluster that compose/ describes, with Docker
// Compose: real Kafka, MirrorMaker 2, registry and Redis, geokv's materializers
// and its API, each in a container. It only calls the tool: what runs, and what
// survives its end, is the compose file's business.
package containers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
	"github.com/geokv/geokv/internal/pause"
)

const (
	file    = "compose.yaml"
	image   = "geokv:local" // what the compose file runs when GEOKV_IMAGE names no other
	patient = 4 * time.Minute
	grace   = 10 * time.Second
)

// Config says what to run. All fields but Env, Command and Grace are required.
type Config struct {
	Project string                                                           // names containers, networks and volumes; those of a parent that was killed are taken over
	Dir     string                                                           // has compose.yaml and everything it mounts, see Write
	Env     []string                                                         // NAME=value, beside the environment of this process
	Ready   func(ctx context.Context) error                                  // nil once the cluster takes reads and writes
	Say     func(format string, arguments ...any)                            // tells progress
	Getenv  func(name string) string                                         // of this process
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd // default exec.CommandContext
	Grace   time.Duration                                                    // what an interrupted tool may still take; default 10 s
	Discard bool                                                             // data ends with the containers
}

// Cluster is a running set of containers.
type Cluster struct {
	cfg     Config
	compose []string // the tool and what selects the project
}

// Up starts the containers and returns when the cluster is ready. Errors are
// *fail.Error with code UNAVAILABLE; containers that were started are taken down
// again.
func Up(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Command == nil {
		cfg.Command = exec.CommandContext
	}
	cfg.Grace = cmp.Or(cfg.Grace, grace)
	c := &Cluster{cfg: cfg}
	if err := c.findTool(ctx); err != nil {
		return nil, err
	}
	if err := c.checkImage(ctx); err != nil {
		return nil, err
	}
	cfg.Say("starting the containers; their logs: %s logs", c.CommandLine())
	if err := c.start(ctx); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, c.Down(end))
	}
	return c, nil
}

// CommandLine is how a person calls Compose about this cluster.
func (c *Cluster) CommandLine() string { return strings.Join(c.compose, " ") }

// Down ends and removes the containers; their data stays in named volumes unless
// it is to be discarded.
func (c *Cluster) Down(ctx context.Context) error {
	args := []string{"down"}
	if c.cfg.Discard {
		args = append(args, "--volumes")
	}
	if _, err := c.run(ctx, append(c.compose, args...)...); err != nil {
		return fail.Wrap(fail.Unavailable, err, "end the containers").WithHint("%s down", c.CommandLine())
	}
	return nil
}

// findTool takes Compose as a plugin of Docker, else the older program.
func (c *Cluster) findTool(ctx context.Context) error {
	project := []string{"-p", c.cfg.Project, "-f", filepath.Join(c.cfg.Dir, file)}
	for _, tool := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if _, err := c.run(ctx, append(tool, "version")...); err == nil {
			c.compose = append(tool, project...)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fail.New(fail.Unavailable, "run containers: neither docker compose nor docker-compose works here").
		WithHint("install Docker with its Compose plugin, or use geokv up --stack process")
}

// checkImage looks for geokv's own image: no registry has it under the name that
// a checkout gives it.
func (c *Cluster) checkImage(ctx context.Context) error {
	name := c.cfg.Getenv("GEOKV_IMAGE")
	if name == "" {
		name = image
	}
	_, err := c.run(ctx, "docker", "image", "inspect", "--format", "{{.Id}}", name)
	switch {
	case err == nil:
		return nil
	case strings.Contains(strings.ToLower(err.Error()), "no such image"):
		if name != image {
			return nil // Compose pulls it
		}
		return fail.New(fail.Unavailable, "run containers: there is no image %s", name).
			WithHint("in a checkout: docker build -t %s -f compose/Dockerfile . ; or name one with GEOKV_IMAGE", name)
	}
	return fail.Wrap(fail.Unavailable, err, "ask docker for its images").
		WithHint("is the Docker daemon running, and may you use it? docker info")
}

// Write puts the files that Compose needs into a directory, over older ones. The
// error is a *fail.Error.
func Write(dir string, files fs.FS) error {
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644) // containers read them as other users
	})
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "write the compose file")
	}
	return nil
}

func (c *Cluster) start(ctx context.Context) error {
	if _, err := c.run(ctx, append(c.compose, "up", "-d", "--no-build")...); err != nil {
		return fail.Wrap(fail.Unavailable, err, "start the containers").WithHint("%s ps", c.CommandLine())
	}
	waiting, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	for {
		err := c.cfg.Ready(waiting)
		if err == nil {
			return nil
		}
		if !pause.For(waiting, 500*time.Millisecond) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fail.Wrap(fail.Unavailable, err, "wait for the containers: not ready after %s", patient).
				WithHint("%s logs --tail 20", c.CommandLine())
		}
	}
}

// run calls a program and returns what it printed; the error has its last words.
// When ctx ends the program is interrupted, and killed if that does not end it.
func (c *Cluster) run(ctx context.Context, words ...string) (string, error) {
	cmd := c.cfg.Command(ctx, words[0], words[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = c.cfg.Grace
	cmd.Env = append(os.Environ(), c.cfg.Env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%s: %w: %s", words[0], err, offspring.LastLineOf(stderr.String()))
	}
	return stdout.String(), nil
}
