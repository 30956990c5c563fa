//go:build realstack

package stack

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestFetch fetches the pinned parts, ruins them in the ways an interrupted
// download or a full disk does, and fetches again.
func TestFetch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	fetch := func() {
		t.Helper()
		if err := Fetch(context.Background(), dir, t.Logf); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err != nil {
			t.Fatalf("open after fetch: %v", err)
		}
		if r := Examine(dir); !r.Complete {
			t.Fatalf("examined after fetch: %+v", r)
		}
	}
	fetch()
	jar := filepath.Join(dir, libsDir, "kafka-clients-"+KafkaVersion+".jar")
	if err := os.Truncate(jar, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Fatal("a jar that was cut short is used")
	}
	fetch()
	if left, _ := filepath.Glob(dir + ".partial-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
