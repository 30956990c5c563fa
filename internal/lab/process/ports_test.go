package process

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/geokv/geokv/internal/geo"
)

// A port that another program took is replaced, and no other one moves.
func TestTakenPortIsReplaced(t *testing.T) {
	dir := t.TempDir()
	first, err := choosePorts(dir, geo.Default())
	if err != nil {
		t.Fatal(err)
	}
	taken := first.Local["eu"]
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(taken))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	second, err := choosePorts(dir, geo.Default())
	if err != nil {
		t.Fatal(err)
	}
	if second.Local["eu"] == taken || second.Local["eu"] == 0 {
		t.Errorf("the taken port %d became %d", taken, second.Local["eu"])
	}
	if second.Registry != first.Registry || second.Local["us"] != first.Local["us"] || second.Link["us->eu"] != first.Link["us->eu"] {
		t.Errorf("free ports moved: %+v, then %+v", first, second)
	}
}

func TestDamagedPortsFileIsNoHindrance(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, portsFile), []byte(`{"registry": 1, "loc`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := choosePorts(dir, geo.Default()); err != nil || p.Registry == 0 || len(p.Link) != 6 {
		t.Errorf("ports %+v, %v", p, err)
	}
}

// A port from which systems serve outgoing connections may be gone when the
// server that was to have it starts.
func TestPortsAreBelowThoseOfOutgoingConnections(t *testing.T) {
	addrs, err := FreeAddrs(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if n, _ := strconv.Atoi(port); err != nil || n < 20000 || n >= 32000 || seen[port] {
			t.Errorf("address %s, %v", addr, err)
		}
		seen[port] = true
	}
}
