package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/geokv/geokv/compose"
	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab"
	"github.com/geokv/geokv/internal/lab/containers"
)

// containersGrace is how long the end of the containers may take.
const containersGrace = 90 * time.Second

// upContainers runs the cluster of compose/ until ctx ends. Bridges, API and
// materializers are in containers too: this process starts them, tells the other
// commands where they are, and ends them.
func (s *session) upContainers(ctx context.Context, o upOptions) (err error) {
	if o.http != "" || o.lab.redis != lab.RedisEmbedded {
		return fail.New(fail.Usage, "--stack compose: the compose file has the API's address and runs Redis: leave --http and --redis out")
	}
	began := time.Now()
	h, topology, err := s.openHome()
	defer func() { err = errors.Join(err, h.close()) }()
	if err != nil {
		return err
	}
	if there := geo.Default().Regions(); !slices.Equal(topology.Regions(), there) {
		return fail.New(fail.Usage, "--stack compose: the configuration names the regions %v, the compose file has %v", topology.Regions(), there)
	}
	files := filepath.Join(h.dir.Path(), "compose")
	if err := containers.Write(files, compose.Files); err != nil {
		return err
	}
	env := []string{"GEOKV_HTTP_TOKEN=" + h.token, "GEOKV_REDIS_PASSWORD=" + s.redisPassword()}
	cfg, err := config.Load(config.Options{Path: filepath.Join(files, "local.yaml"), Environ: env, Others: otherVariables()})
	if err != nil {
		return err
	}
	remote, err := client.New(client.Config{URL: cfg.HTTP.Listen, Token: h.token})
	if err != nil {
		return err
	}
	cluster, err := containers.Up(ctx, containers.Config{
		Project: projectOf(h), Dir: files, Env: env, Ready: remote.Ready, Say: s.printer.Note, Getenv: s.getenv, Discard: s.memory,
	})
	if err != nil {
		return err
	}
	defer func() {
		s.printer.Note("ending the containers")
		end, cancel := context.WithTimeout(context.Background(), containersGrace)
		defer cancel()
		err = errors.Join(err, h.dir.Retract(), cluster.Down(end))
	}()
	url := "http://" + cfg.HTTP.Listen
	if err := h.publish(cfg.Cluster, url); err != nil {
		return err
	}
	if o.sim > 0 {
		if _, err := remote.StartSim(ctx, api.SimStart{Rate: o.sim, Seed: o.seed}); err != nil {
			return err
		}
	}
	if err := s.announce(h, h.describe(cfg.Cluster, url, time.Since(began))); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// projectOf keeps the containers and volumes of one data directory apart from
// those of others; its lock guards them too.
func projectOf(h home) string {
	digest := sha256.Sum256([]byte(h.dir.Path()))
	return fmt.Sprintf("geokv-%x", digest[:4])
}

// redisPassword is geokv's at the containers' Redis, which only this machine
// reaches.
func (s *session) redisPassword() string {
	if password := s.getenv("GEOKV_REDIS_PASSWORD"); password != "" {
		return password
	}
	return "geokv-lab"
}
