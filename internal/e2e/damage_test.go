package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/polltest"
)

// TestDamagedDataDirectories starts on copies of one data directory that were
// damaged in different ways: each is refused with an error that says what to
// do, or starts, says what it found, and loses nothing that another region has.
func TestDamagedDataDirectories(t *testing.T) {
	ctx, h := bounded(t), newHome(t)
	c := h.up()
	for i := range 30 {
		c.produce(ctx, event.Operation{Region: c.regions()[i%3], Key: fmt.Appendf(nil, "k%d", i%7), Args: event.Incr{Delta: 1}})
	}
	before := len(c.viewsEqualFold(ctx))
	if code, _ := c.interrupt(); code != 130 && code != 0 {
		t.Fatalf("exit code %d\n%s", code, c.stderr)
	}

	for name, damage := range map[string]struct {
		do      func(t *testing.T, dir string)
		refused string // what the error says; "" when the cluster has to start
		warns   string // what stderr says when it starts
		lost    string // region whose own log lost records
	}{
		"garbage in cluster.json":      {do: replace("cluster.json", "{garbage")},
		"a stale cluster.json":         {do: replace("cluster.json", `{"pid":1,"api":"http://127.0.0.1:1"}`)},
		"garbage in owner.json":        {do: replace("owner.json", "{garbage")},
		"another version":              {do: replace("version", "99\n"), refused: "format 99"},
		"garbage in version":           {do: replace("version", "garbage"), refused: "version file"},
		"no version but files":         {do: remove("version"), refused: "not geokv's"},
		"garbage in the token":         {do: replace("token", "garbage"), refused: "token"},
		"a token others may read":      {do: chmod("token", 0o644), refused: "others may read it"},
		"garbage in the topic list":    {do: replace("us/kafka/topics.json", "{garbage"), refused: "us.events"},
		"a file in place of a log":     {do: inPlaceOf("us/kafka"), refused: "us"},
		"a truncated segment":          {do: truncate("us/kafka", 7), warns: "damaged", lost: "us"},
		"flipped bits in records":      {do: flip("eu/kafka", -1), warns: "damaged", lost: "eu"},
		"flipped bits in offsets":      {do: flip("ap/kafka", 0), refused: "says offset"},
		"garbage in mirror positions":  {do: overwrite("mirror")},
		"no mirror positions":          {do: remove("mirror")},
		"no group offsets":             {do: remove("us/kafka/groups.log")},
		"foreign files beside its own": {do: replace("notes.txt", "mine")},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, broken := bounded(t), newHome(t)
			if err := os.CopyFS(broken.data, os.DirFS(h.data)); err != nil {
				t.Fatal(err)
			}
			secure(t, broken.data)
			damage.do(t, broken.data)
			c, err := broken.tryUp()
			switch {
			case damage.refused != "" && err == nil:
				t.Fatal("it started")
			case damage.refused != "":
				code := c.cmd.ProcessState.ExitCode()
				if code < 1 || code > 5 || !strings.Contains(c.stderr.String(), damage.refused) || !strings.Contains(c.stderr.String(), `"hint":`) {
					t.Errorf("exit code %d, want an error that says %q with a hint:\n%s", code, damage.refused, c.stderr)
				}
				return
			case err != nil:
				t.Fatalf("%v\n%s", err, c.stderr)
			}
			polltest.Until(t, "stderr says "+damage.warns, func() bool { return strings.Contains(c.stderr.String(), damage.warns) }, c.stderr.String)
			if damage.lost != "" {
				lossIsReported(ctx, t, c, damage.lost)
				return
			}
			receipt := c.produce(ctx, event.Operation{Region: "us", Key: []byte("after"), Args: event.Incr{Delta: 1}})
			c.mustAwait(ctx, receipt, c.regions()...)
			if after := len(c.viewsEqualFold(ctx)); after != before+1 {
				t.Errorf("%d events, want the %d from before and one more", after, before)
			}
		})
	}
}

// lossIsReported waits until status says that the region's own log lost events,
// and until everything else that was cut off has been mirrored again.
func lossIsReported(ctx context.Context, t *testing.T, c *cluster, region string) {
	t.Helper()
	var report api.Report
	polltest.Until(t, "the loss in the status, and only that", func() bool {
		var err error
		if report, err = c.api.Status(ctx); err != nil {
			t.Fatal(err)
		}
		reported, gap := false, int64(0)
		for _, r := range report.Regions {
			for _, a := range r.Alarms {
				reported = reported || a.Code == "LOST_AT_ORIGIN" && r.Name == region
			}
			for _, o := range r.Origins {
				gap += o.MirrorGap + o.LagEvents
			}
		}
		return reported && gap == 0
	})
	if report.Converged {
		t.Error("status says converged although events are missing in a region")
	}
}

// secure gives copied files the modes that geokv gave them.
func secure(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

type damage = func(t *testing.T, dir string)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func replace(name, text string) damage {
	return func(t *testing.T, dir string) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

func remove(name string) damage {
	return func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, name))) }
}

func chmod(name string, mode os.FileMode) damage {
	return func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, name), mode)) }
}

func inPlaceOf(name string) damage {
	return func(t *testing.T, dir string) {
		remove(name)(t, dir)
		replace(name, "a file")(t, dir)
	}
}

// segments are the files of a Kafka that hold records.
func segments(t *testing.T, dir string) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".dat" {
			if info, err := d.Info(); err == nil && info.Size() > 100 {
				found = append(found, path)
			}
		}
		return err
	}))
	if len(found) == 0 {
		t.Fatalf("no segments in %s", dir)
	}
	return found
}

func truncate(name string, bytes int64) damage {
	return func(t *testing.T, dir string) {
		for _, path := range segments(t, filepath.Join(dir, name)) {
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.Truncate(path, info.Size()-bytes))
		}
	}
}

// flip flips the bits of a byte of each segment, counted from its end when
// negative.
func flip(name string, at int) damage {
	return func(t *testing.T, dir string) {
		for _, path := range segments(t, filepath.Join(dir, name)) {
			text, err := os.ReadFile(path)
			must(t, err)
			text[(len(text)+at)%len(text)] ^= 0xff
			must(t, os.WriteFile(path, text, 0o600))
		}
	}
}

// overwrite puts garbage into every file below a directory.
func overwrite(name string) damage {
	return func(t *testing.T, dir string) {
		must(t, filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return os.WriteFile(path, []byte("garbage"), 0o600)
		}))
	}
}
