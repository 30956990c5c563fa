package redistest

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"
)

// Door is a way to a server that may lie about what the server says.
type Door struct {
	Addr string // host:port

	lie atomic.Pointer[[2][]byte] // the truth, and what is said in its place
}

// OpenDoor forwards connections to the server at an address until the test ends.
func OpenDoor(t testing.TB, to string) *Door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &Door{Addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			go forward(out, in, func(b []byte) []byte { return b })
			go forward(in, out, d.say)
		}
	}()
	return d
}

// Lie replaces text in the server's answers, byte for byte: both must be of one
// length. Two empty texts end the lie.
func (d *Door) Lie(truth, lie string) { d.lie.Store(&[2][]byte{[]byte(truth), []byte(lie)}) }

func (d *Door) say(b []byte) []byte {
	if lie := d.lie.Load(); lie != nil && len(lie[0]) > 0 {
		return bytes.ReplaceAll(b, lie[0], lie[1])
	}
	return b
}

func forward(dst, src net.Conn, change func([]byte) []byte) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err == nil {
			_, err = dst.Write(change(buf[:n]))
		}
		if err != nil {
			dst.Close()
			src.Close()
			return
		}
	}
}
