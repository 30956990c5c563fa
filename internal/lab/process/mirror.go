package process

import (
	"context"
	"os/exec"
	"path/filepath"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
	"github.com/geokv/geokv/internal/mm2"
)

// mirror is the MirrorMaker 2 that writes into one region.
type mirror struct {
	target  string
	process *offspring.Process
}

// startMirrors starts one MirrorMaker per target and waits until every flow has
// carried a canary.
func (c *Cluster) startMirrors(ctx context.Context) error {
	c.canary = newCanary(c)
	if c.cfg.Topology.Len() < 2 {
		return nil
	}
	c.cfg.Say("starting MirrorMaker 2 into each region")
	for _, r := range c.regions {
		if err := c.startMirror(r.Name); err != nil {
			return err
		}
	}
	c.canary.start()
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	return c.canary.awaitAll(ctx)
}

func (c *Cluster) startMirror(target string) error {
	text, err := mm2.Generate(c.mirrorConfig(target))
	if err != nil {
		return fail.Wrap(fail.Internal, err, "write MirrorMaker's file for %s", target)
	}
	file := filepath.Join(c.dirs.root, "mirror-"+target+".properties")
	if err := writePart(file, text); err != nil {
		return err
	}
	process, err := c.child("mirror-"+target, offspring.Config{
		Command: func() *exec.Cmd {
			return c.java("mirror", target, "256m", "-cp", c.cfg.Parts.Libs, "org.apache.kafka.connect.mirror.MirrorMaker", file, "--clusters", target)
		},
	})
	if err != nil {
		return err
	}
	c.mirrors[target] = &mirror{target, process}
	return nil
}

// mirrorConfig lets the MirrorMaker of a region read the others through their
// proxies.
func (c *Cluster) mirrorConfig(target string) mm2.Config {
	cfg := mm2.Config{Topology: c.cfg.Topology, Replication: 1, Canary: true, Clusters: map[string]mm2.Cluster{}}
	for _, name := range c.cfg.Topology.Names() {
		cfg.Clusters[name] = mm2.Cluster{Brokers: []string{c.localAddr(name)}}
	}
	for _, f := range c.cfg.Topology.Flows() {
		if f.To == target {
			cfg.Clusters[f.From] = mm2.Cluster{Brokers: []string{loopback(c.ports.Link[f.String()])}}
		}
	}
	return cfg
}

// Mirror is the process that writes into a region, to be killed on purpose.
func (c *Cluster) Mirror(target string) (*offspring.Process, error) {
	m, ok := c.mirrors[target]
	if !ok {
		return nil, fail.New(fail.NotFound, "no mirror into %q", target)
	}
	return m.process, nil
}
