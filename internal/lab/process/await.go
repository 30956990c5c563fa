package process

import (
	"context"
	"path/filepath"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
)

const (
	startWait = 2 * time.Minute // for a part to answer; a busy machine is slow
	tryWait   = 5 * time.Second // for one try
)

// await tries until a process does what it is for. It gives up when the process
// ends: then what it wrote last says why, and another one may not do better.
func (c *Cluster) await(ctx context.Context, p *offspring.Process, name string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	exited := p.Exited()
	log := filepath.Join(c.dirs.logs, name+".log")
	for {
		trying, done := context.WithTimeout(ctx, tryWait)
		err := try(trying)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fail.New(fail.Unavailable, "start %s: it ended: %s", name, offspring.LastLine(log)).WithHint("see %s", log)
		case <-ctx.Done():
			return fail.Wrap(fail.Timeout, context.Cause(ctx), "wait for %s (%v)", name, err).WithHint("see %s", log)
		case <-time.After(25 * time.Millisecond):
		}
	}
}
