package app

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// Waiting for a write must not blame the region for the end of the wait itself.
func TestCutShort(t *testing.T) {
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	ahead, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	if err := ours.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	_, timeout := ours.Read(make([]byte, 1))
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want bool
	}{
		{"the wait is over", past, timeout, true},
		{"the wait is over and the region refuses", past, refused, false},
		{"a slow region while there is time", ahead, timeout, false},
		{"a wait without end", t.Context(), timeout, false},
		{"no failure", past, nil, false},
	} {
		if got := cutShort(c.ctx, c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
