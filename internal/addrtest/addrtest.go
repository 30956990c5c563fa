// Package addrtest hands tests an address that refuses connections, for as long
// as the test runs. A port that was merely closed may be another program's by
// then, and any fixed one may be taken.
package addrtest

import (
	"net"
	"testing"
)

// Refusing returns a loopback address (host:port) where nobody listens until the
// test ends: it is the near end of a connection, so nobody else can get it.
func Refusing(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}
