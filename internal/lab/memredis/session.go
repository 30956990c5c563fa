package memredis

import (
	"bufio"
	"net"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// session is one client connection: it reads requests, decides whether the
// client may make them, and hands them to whoever answers them.
type session struct {
	s      *Server
	conn   net.Conn
	out    *outbox
	w      *bufio.Writer
	peer   *server.Peer
	full   bool // has geokv's credentials
	db     int
	multi  bool // between MULTI and EXEC
	dirty  bool // a queued command was refused
	closed chan struct{}
}

func newSession(s *Server, conn net.Conn) *session {
	out := newOutbox(conn)
	w := bufio.NewWriter(out)
	return &session{s: s, conn: conn, out: out, w: w, peer: server.NewPeer(w), closed: make(chan struct{})}
}

// run serves the connection until it ends.
func (c *session) run() {
	defer c.conn.Close()
	defer c.leave()
	for args := range c.requests() {
		if len(args.words) > 0 {
			c.answer(args.words)
		}
		if args.more {
			continue // answer a pipeline with one write
		}
		c.peer.Flush()
		if c.out.drain() != nil || c.peer.Closed() {
			c.conn.Close()
		}
	}
	c.peer.Flush() // why the connection ends, if it was the client's fault
	c.out.drain()
}

type request struct {
	words []string
	more  bool // another request was already here
}

// requests reads ahead, so that a client that goes away ends its blocking
// command. The channel is closed when the connection is.
func (c *session) requests() <-chan request {
	requests := make(chan request, 16)
	c.s.wg.Go(func() {
		defer close(requests)
		defer close(c.closed)
		r := bufio.NewReaderSize(c.conn, maxInline)
		for {
			words, err := readCommand(r)
			if err != nil {
				if err == errProtocol {
					c.peer.WriteError("ERR Protocol error")
				}
				c.peer.Close()
				c.s.wakeBlocked()
				return
			}
			requests <- request{words, r.Buffered() > 0}
		}
	})
	return requests
}

// wakeBlocked lets commands that wait for data see that their client is gone:
// every command ends by waking them.
func (s *Server) wakeBlocked() {
	s.dispatch.Dispatch(server.NewPeer(bufio.NewWriter(new(discard))), []string{"PING"})
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }

// leave ends the subscriptions of a client that went away.
func (c *session) leave() {
	c.out.silence(true)
	if c.out.startAsync() {
		return // it never had any
	}
	c.s.dispatch.Dispatch(c.peer, []string{"UNSUBSCRIBE"})
	c.s.dispatch.Dispatch(c.peer, []string{"PUNSUBSCRIBE"})
}

// answer serves one request.
func (c *session) answer(args []string) {
	name := strings.ToUpper(args[0])
	if refusal := c.refusal(name, args); refusal != "" {
		c.refuse(refusal)
		return
	}
	if c.own(name, args) {
		return
	}
	c.forward(name, args)
}

// refuse answers an error; inside MULTI it also spoils the transaction, as
// Redis does.
func (c *session) refuse(message string) {
	c.dirty = c.dirty || c.multi
	c.peer.WriteError(message)
}

// own answers the commands that miniredis does not have, or has otherwise.
func (c *session) own(name string, args []string) bool {
	switch name {
	case "AUTH":
		return c.auth(args)
	case "HELLO":
		c.hello(args)
	case "CLIENT":
		return c.client(args)
	case "SELECT":
		c.selectDB(args)
	case "MULTI", "EXEC", "DISCARD":
		c.transaction(name, args)
	case "EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "SCRIPT":
		c.script(name, args)
	case "RESTORE", "HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT", "HSETEX":
		c.refuse("ERR " + name + " is not available in the embedded Redis")
	case "INFO", "CONFIG":
		c.report(name, args)
	case "COMMAND":
		c.command(args)
	case "TIME", "TTL", "PTTL":
		return c.timeQuery(name, args)
	case "SUBSCRIBE", "PSUBSCRIBE":
		if c.out.startAsync() {
			c.s.wg.Go(func() { c.out.push(c.closed) })
		}
		return false
	default:
		return false
	}
	return true
}

// forward hands the request to miniredis.
func (c *session) forward(name string, args []string) {
	if setsExpiry(name) {
		leave := c.s.clock.enter()
		defer leave()
		args = c.s.clock.absolute(args)
	}
	c.s.dispatch.Dispatch(c.peer, args)
}

func setsExpiry(name string) bool {
	switch name {
	case "SET", "SETEX", "PSETEX", "GETEX", "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT":
		return true
	}
	return false
}

func (c *session) selectDB(args []string) {
	if c.multi {
		c.refuse("ERR SELECT inside MULTI is not available in the embedded Redis")
		return
	}
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 0 || n >= databases {
			c.peer.WriteError("ERR DB index is out of range")
			return
		}
		c.db = n
	}
	c.s.dispatch.Dispatch(c.peer, args)
}

// transaction follows MULTI so that a refused command aborts the EXEC.
func (c *session) transaction(name string, args []string) {
	if len(args) != 1 {
		c.s.dispatch.Dispatch(c.peer, args)
		return
	}
	spoilt := c.dirty || (c.multi && !c.full && !c.s.ready.Load())
	if name == "EXEC" && c.multi && spoilt {
		c.quiet("DISCARD")
		c.peer.WriteError("EXECABORT Transaction discarded because of previous errors.")
	} else {
		leave := c.s.clock.enter()
		c.s.dispatch.Dispatch(c.peer, args)
		leave()
	}
	c.multi, c.dirty = name == "MULTI", c.dirty && name == "MULTI"
}

// quiet runs a command without letting the client see its answer.
func (c *session) quiet(args ...string) {
	c.peer.Flush()
	c.out.silence(true)
	c.s.dispatch.Dispatch(c.peer, args)
	c.peer.Flush()
	c.out.silence(false)
}

// client answers what connection pools say of themselves.
func (c *session) client(args []string) bool {
	if c.multi || len(args) < 2 {
		return false
	}
	switch strings.ToUpper(args[1]) {
	case "SETINFO", "NO-EVICT", "NO-TOUCH":
		c.peer.WriteOK()
		return true
	}
	return false
}

// timeQuery answers by the clock of the server; inside MULTI miniredis answers,
// by its last tick.
func (c *session) timeQuery(name string, args []string) bool {
	if c.multi {
		return false
	}
	if name == "TIME" {
		if len(args) != 1 {
			return false
		}
		now := c.s.wall()
		c.peer.WriteStrings([]string{strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond() / 1000)})
		return true
	}
	if len(args) != 2 {
		return false
	}
	c.s.mini.Lock()
	defer c.s.mini.Unlock()
	if err := c.s.inner.use(c.db); err != nil {
		c.peer.WriteError("ERR " + err.Error())
		return true
	}
	left, ok := c.s.clock.left(c.s.inner, name, args[1])
	if !ok {
		c.peer.WriteError("ERR no answer from PEXPIRETIME")
		return true
	}
	c.peer.WriteInt(int(left))
	return true
}
