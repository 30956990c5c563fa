package process

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
)

func (c *Cluster) registryURL() string {
	return "http://" + loopback(c.ports.Registry) + "/apis/ccompat/v7"
}

// startRegistry starts the schema registry on a database file: the logs are
// kept and name their schemas by id, so the ids must be kept too.
func (c *Cluster) startRegistry(ctx context.Context) error {
	dir, err := c.cfg.Dir.Sub("process", "registry")
	if err != nil {
		return err
	}
	c.registry, err = c.child("registry", offspring.Config{Command: func() *exec.Cmd {
		cmd := c.java("registry", "", "160m",
			"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port="+strconv.Itoa(c.ports.Registry),
			"-Dquarkus.log.level=WARN", "-Dquarkus.log.console.level=WARN",
			"-Dapicurio.storage.kind=sql", "-Dapicurio.storage.sql.kind=h2",
			"-Dapicurio.datasource.url=jdbc:h2:file:"+filepath.Join(dir, "schemas"),
			"-jar", c.cfg.Parts.Runner)
		cmd.Dir = dir
		return cmd
	}})
	if err != nil {
		return err
	}
	return c.awaitRegistry(ctx)
}

// awaitRegistry waits until the registry answers.
func (c *Cluster) awaitRegistry(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := c.awaitPort(ctx, c.registry, "registry", loopback(c.ports.Registry)); err != nil {
		return err
	}
	for {
		if answers(ctx, c.registryURL()+"/subjects") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fail.Wrap(fail.Timeout, context.Cause(ctx), "wait for the schema registry").
				WithHint("see %s", filepath.Join(c.dirs.logs, "registry.log"))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Registry is the registry's process, to be killed on purpose.
func (c *Cluster) Registry() *offspring.Process { return c.registry }
