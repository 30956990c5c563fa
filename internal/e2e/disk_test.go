//go:build linux

package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/polltest"
)

// TestFullDiskRefusesAndHeals runs a cluster whose files cannot grow beyond a
// limit, as on a full disk, and writes until it is reached. No write may be
// acknowledged that is not in the log; the reason is said; and when there is
// room again the same process goes on.
func TestFullDiskRefusesAndHeals(t *testing.T) {
	ctx, h := bounded(t), newHome(t)
	const limit = 256 << 10
	h.env = append(h.env, fileLimitVariable+"="+strconv.Itoa(limit))
	c := h.up()
	value := make([]byte, 20_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(value) // records are compressed: this cannot be
	acknowledged := map[identity]string{}
	write := func(key string) (event.Receipt, error) {
		receipt, err := c.api.Produce(ctx, event.Operation{Region: "us", Key: []byte(key), Args: event.Set{Value: value}})
		if err == nil && receipt.Outcome == event.Durable {
			acknowledged[identityOf(receipt)] = receipt.EventID
		}
		return receipt, err
	}
	full := ""
	for i := range 100 { // one key, so one partition's file
		receipt, err := write("k")
		if err != nil || receipt.Outcome != event.Durable {
			full = fmt.Sprintf("write %d: outcome %q, error %v", i, receipt.Outcome, err)
			break
		}
	}
	if full == "" || len(acknowledged) == 0 || len(acknowledged) > limit/len(value) {
		t.Fatalf("%d writes of %d bytes acknowledged with room for %d: %s", len(acknowledged), len(value), limit, full)
	}
	t.Logf("%d writes acknowledged, then %s", len(acknowledged), full)
	polltest.Until(t, "stderr says why", func() bool { return strings.Contains(c.stderr.String(), "file too large") }, c.stderr.String)
	r := h.run("produce", "set", "k", "short of room", "--region", "us")
	if r.code == 0 {
		t.Log("a small write still found room")
	} else if r.code != 5 || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("geokv produce on the full disk: exit code %d\n%s", r.code, r.stderr)
	}
	if _, err := write("another"); err != nil {
		t.Errorf("a partition with room: %v", err)
	}

	setFileLimit(t, c.cmd.Process.Pid, 1<<40)
	began := time.Now()
	polltest.Until(t, "writes after there was room again", func() bool {
		receipt, err := write("k")
		return err == nil && receipt.Outcome == event.Durable
	})
	t.Logf("wrote again %v after there was room", time.Since(began).Round(time.Millisecond))
	hasAll(t, c.viewsEqualFold(ctx), acknowledged)
	c.kill()
	hasAll(t, h.up().viewsEqualFold(ctx), acknowledged)
}

func hasAll(t *testing.T, union map[identity]event.Event, acknowledged map[identity]string) {
	t.Helper()
	for id, eventID := range acknowledged {
		if union[id].ID != eventID {
			t.Errorf("acknowledged write %v is not in the logs", id)
		}
	}
}

// setFileLimit changes how large the files of a running process may become.
func setFileLimit(t *testing.T, pid int, limit uint64) {
	t.Helper()
	l := syscall.Rlimit{Cur: limit, Max: math.MaxInt64}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&l)), 0, 0, 0)
	if errno != 0 {
		t.Fatalf("raise the file size limit of process %d: %v", pid, errno)
	}
}
