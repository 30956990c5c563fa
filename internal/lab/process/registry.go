package process

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"

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
	return c.await(ctx, c.registry, "registry", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.registryURL()+"/subjects", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it says %s", resp.Status)
		}
		return nil
	})
}

// Registry is the registry's process, to be killed on purpose.
func (c *Cluster) Registry() *offspring.Process { return c.registry }
