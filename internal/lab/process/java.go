package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/stack"
)

// java makes the command of one process. kind names the archive of classes it
// starts with, "" for none; of is what it belongs to. The heaps are small and
// the young generation smaller: seven of these share a laptop.
func (c *Cluster) java(kind, of, heap string, args ...string) *exec.Cmd {
	all := []string{
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Xmx" + heap, "-Xmn24m",
		"-XX:MinHeapFreeRatio=10", "-XX:MaxHeapFreeRatio=30",
		"-Dlog4j2.configurationFile=" + filepath.Join(c.dirs.root, "log4j2.properties"), c.marker(),
	}
	if kind != "" {
		all = append(all, c.archive(kind, of)...)
	}
	cmd := exec.Command(c.cfg.Parts.Java, append(all, args...)...)
	cmd.Dir = c.dirs.root
	cmd.Env = append(os.Environ(), "MALLOC_ARENA_MAX=2")
	return cmd
}

// archive lets a process start from the archive of its kind, or, while
// training, the first of each kind write one when it ends.
func (c *Cluster) archive(kind, of string) []string {
	path := c.cfg.Parts.Archive(kind)
	switch {
	case !c.training:
		if _, err := os.Stat(path); err != nil {
			return nil
		}
		return []string{"-XX:SharedArchiveFile=" + path, "-Xshare:auto"}
	case of == "" || of == c.regions[0].Name:
		return []string{"-XX:ArchiveClassesAtExit=" + path}
	}
	return nil
}

// Train makes the archives of classes by running a small cluster once in a
// directory that is removed afterwards. Clusters start without them too, only
// slower, so its error is no reason not to go on.
func Train(ctx context.Context, parts stack.Parts, cfg Config) (err error) {
	path, err := os.MkdirTemp("", "geokv-train-")
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "make a directory for the trial run")
	}
	defer os.RemoveAll(path)
	if err := os.MkdirAll(filepath.Dir(parts.Archive("kafka")), 0o755); err != nil {
		return fail.Wrap(fail.Unavailable, err, "make a directory for archives of classes")
	}
	if cfg.Dir, err = datadir.Open(path); err != nil {
		return err
	}
	defer cfg.Dir.Close()
	if cfg.Topology, err = geo.NewTopology(geo.Region{Name: "a", Index: 0}, geo.Region{Name: "b", Index: 1}); err != nil {
		return err
	}
	cfg.Parts = parts
	c, err := start(ctx, cfg, true)
	if err != nil {
		return err
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), trainGrace)
	defer cancel()
	return c.Close(closing)
}
