package memredis

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
)

// databases is how many numbered databases there are, as in Redis.
const databases = 16

const loading = "LOADING Redis is loading the dataset in memory"

// refusal says why the client may not run the command, empty when it may: who
// has geokv's credentials may do everything, everyone else may read, and reads
// only once the view is complete.
func (c *session) refusal(name string, args []string) string {
	if c.full || needsNoData(name) {
		return ""
	}
	switch {
	case !c.known(name):
		return "" // miniredis words the error
	case !c.reads(name):
		return fmt.Sprintf("NOPERM User default has no permissions to run the '%s' command", wholeName(name, args))
	case !c.s.ready.Load():
		return loading
	}
	return ""
}

func (c *session) known(name string) bool {
	return name == "CONFIG" || name == "SCRIPT" || name == "PING" || c.s.dispatch.IsRegisteredCommand(name)
}

// needsNoData reports whether the command is about the connection or the
// server, so that it is answered while the view is incomplete.
func needsNoData(name string) bool {
	switch name {
	case "AUTH", "HELLO", "QUIT", "CLIENT", "SELECT", "COMMAND", "INFO", "TIME",
		"MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH",
		"SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "PUBSUB":
		return true
	}
	return false
}

// reads reports whether the command only reads.
func (c *session) reads(name string) bool {
	switch name {
	case "EVAL_RO", "EVALSHA_RO":
		return false // a script holds up everyone for as long as it likes
	case "PING", "ECHO", "XINFO", "OBJECT", "MEMORY":
		return true
	}
	return c.s.dispatch.IsReadOnlyCommand(name)
}

// wholeName is the name Redis gives a command in errors: config|get.
func wholeName(name string, args []string) string {
	switch name {
	case "CONFIG", "SCRIPT", "XGROUP":
		if len(args) > 1 {
			return strings.ToLower(name + "|" + args[1])
		}
	}
	return strings.ToLower(name)
}

// auth serves AUTH user password. Another form than that is miniredis' to
// refuse.
func (c *session) auth(args []string) bool {
	if len(args) != 3 || c.multi {
		return false
	}
	c.login(args[1], args[2])
	return true
}

// login sets the rights of the connection and answers.
func (c *session) login(user, password string) {
	if c.authorize(user, password) {
		c.peer.WriteOK()
		return
	}
	c.peer.WriteError("WRONGPASS invalid username-password pair or user is disabled.")
}

// authorize checks a password. The user default needs none and only reads.
func (c *session) authorize(user, password string) bool {
	if user == "default" {
		c.full = false
		return true
	}
	right := subtle.ConstantTimeCompare([]byte(password), []byte(c.s.secret)) == 1
	if user != User || !right {
		return false
	}
	c.full = true
	return true
}

// hello takes the credentials out of HELLO and lets miniredis answer the rest.
func (c *session) hello(args []string) {
	out := []string{"HELLO", "2"}
	if c.peer.Resp3 {
		out[1] = "3"
	}
	if len(args) > 1 {
		out[1] = args[1]
	}
	for i := 2; i < len(args); i++ {
		if strings.EqualFold(args[i], "AUTH") && i+2 < len(args) {
			if !c.authorize(args[i+1], args[i+2]) {
				c.peer.WriteError("WRONGPASS invalid username-password pair or user is disabled.")
				return
			}
			i += 2
			continue
		}
		out = append(out, args[i])
	}
	c.s.dispatch.Dispatch(c.peer, out)
}

func newRunID() string {
	var b [20]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
