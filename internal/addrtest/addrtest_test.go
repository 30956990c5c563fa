package addrtest

import (
	"net"
	"testing"
)

func TestRefusing(t *testing.T) {
	addr := Refusing(t)
	for range 3 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Fatalf("%s takes connections", addr)
		}
	}
	if l, err := net.Listen("tcp", addr); err == nil {
		l.Close()
		t.Fatalf("somebody else can listen at %s", addr)
	}
}
