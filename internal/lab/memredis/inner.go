package memredis

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// inner runs commands while miniredis' lock is held, as a script's redis.call
// does. miniredis marks such a caller in the connection's context, whose type
// it does not export; so one script calls a command of ours once, and we keep
// the context that it came with.
//
// Every method needs the lock of mini, which makes whatever is done between
// Lock and Unlock atomic for all clients.
type inner struct {
	mini *miniredis.Miniredis
	peer *server.Peer
	out  bytes.Buffer
	w    *bufio.Writer
	db   int // -1: not known
}

const captureCommand = "GEOKV.CAPTURE"

func newInner(mini *miniredis.Miniredis) (*inner, error) {
	in := &inner{mini: mini, db: -1}
	in.w = bufio.NewWriter(&in.out)
	in.peer = server.NewPeer(in.w)
	if err := in.capture(); err != nil {
		return nil, err
	}
	mini.Lock()
	defer mini.Unlock()
	if reply := in.do("SET", "probe", "1"); string(reply) != "+OK\r\n" {
		return nil, fmt.Errorf("miniredis answers %q to a nested SET", reply)
	}
	in.do("DEL", "probe")
	return in, in.use(0)
}

func (in *inner) capture() error {
	srv := in.mini.Server()
	err := srv.Register(captureCommand, func(c *server.Peer, _ string, _ []string) {
		if in.peer.Ctx == nil {
			in.peer.Ctx = c.Ctx
		}
		c.WriteOK()
	})
	if err != nil {
		return err
	}
	caller := server.NewPeer(bufio.NewWriter(&bytes.Buffer{}))
	srv.Dispatch(caller, []string{"EVAL", "return redis.call('" + captureCommand + "')", "0"})
	if in.peer.Ctx == nil {
		return errors.New("miniredis gave scripts no context")
	}
	return nil
}

// use selects the database that the next commands work on.
func (in *inner) use(db int) error {
	if in.db == db {
		return nil
	}
	if reply := in.do("SELECT", strconv.Itoa(db)); string(reply) != "+OK\r\n" {
		return fmt.Errorf("select %d: %s", db, reply)
	}
	in.db = db
	return nil
}

// do runs one command and returns its reply as RESP2 bytes, valid until the
// next call.
func (in *inner) do(args ...string) []byte {
	in.out.Reset()
	in.mini.Server().Dispatch(in.peer, args)
	in.w.Flush()
	return in.out.Bytes()
}

// integer runs a command that answers a number.
func (in *inner) integer(args ...string) (int64, bool) {
	reply := in.do(args...)
	if len(reply) < 4 || reply[0] != ':' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(reply[1:len(reply)-2]), 10, 64)
	return n, err == nil
}
