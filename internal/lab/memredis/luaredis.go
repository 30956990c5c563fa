package memredis

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
	lua "github.com/yuin/gopher-lua"
)

// openRedis gives scripts the table redis.
func (m *machine) openRedis() {
	l := m.state
	redis := l.NewTable()
	for name, fn := range map[string]lua.LGFunction{
		"call":               func(l *lua.LState) int { return m.redisCall(l, true) },
		"pcall":              func(l *lua.LState) int { return m.redisCall(l, false) },
		"error_reply":        errorReply,
		"status_reply":       statusReply,
		"sha1hex":            sha1hex,
		"log":                func(*lua.LState) int { return 0 },
		"set_repl":           func(*lua.LState) int { return 0 },
		"replicate_commands": func(l *lua.LState) int { l.Push(lua.LTrue); return 1 },
		"setresp":            func(*lua.LState) int { return 0 }, // replies stay as in RESP2
	} {
		redis.RawSetString(name, l.NewFunction(fn))
	}
	for level, name := range []string{"LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"} {
		redis.RawSetString(name, lua.LNumber(level))
	}
	redis.RawSetString("REDIS_VERSION", lua.LString(version))
	l.SetGlobal("redis", redis)
	l.SetGlobal("server", redis)
}

// redisCall is redis.call (raise: errors stop the script) and redis.pcall.
func (m *machine) redisCall(l *lua.LState, raise bool) int {
	args, problem := arguments(l)
	if problem == "" {
		problem = m.forbidden(args)
	}
	var value lua.LValue
	if problem == "" {
		value, problem = m.execute(args)
	}
	switch {
	case problem == "":
		l.Push(value)
	case raise:
		m.last = problem
		l.Error(lua.LString(problem), 0)
	default:
		l.Push(field("err", problem))
	}
	return 1
}

// execute runs one command and converts its reply.
func (m *machine) execute(args []string) (lua.LValue, string) {
	name := strings.ToUpper(args[0])
	switch name {
	case "TIME":
		now := m.clock.wall()
		return m.list([]string{strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond() / 1000)}), ""
	case "TTL", "PTTL":
		if len(args) == 2 {
			if left, ok := m.clock.left(m.inner, name, args[1]); ok {
				return lua.LNumber(left), ""
			}
		}
	case "SELECT":
		m.inner.db = -1 // for this script only: the next one selects its own
	}
	if setsExpiry(name) {
		args = m.clock.absolute(args)
	}
	value, rest := readLua(m.state, m.inner.do(args...))
	if rest == nil {
		return nil, "ERR unreadable reply to " + name
	}
	if t, ok := value.(*lua.LTable); ok {
		if problem := t.RawGetString("err"); problem != lua.LNil {
			return nil, wording(problem.String())
		}
	}
	return value, ""
}

// wording turns miniredis' texts into those that Redis uses inside scripts.
func wording(problem string) string {
	switch {
	case strings.HasPrefix(problem, "ERR unknown command"):
		return "ERR Unknown Redis command called from script"
	case strings.HasPrefix(problem, "ERR wrong number of arguments"):
		return "ERR Wrong number of args calling Redis command from script"
	}
	return problem
}

func arguments(l *lua.LState) ([]string, string) {
	n := l.GetTop()
	if n == 0 {
		return nil, "ERR Please specify at least one argument for this redis lib call"
	}
	args := make([]string, n)
	for i := range args {
		switch v := l.Get(i + 1).(type) {
		case lua.LString:
			args[i] = string(v)
		case lua.LNumber:
			args[i] = number(v)
		default:
			return nil, "ERR Lua redis lib command arguments must be strings or integers"
		}
	}
	return args, ""
}

// forbidden names commands that a script may not run: those of the connection,
// and those that wait, since waiting gives up the lock in the middle of a script.
func (m *machine) forbidden(args []string) string {
	const refused = "ERR This Redis command is not allowed from script"
	name := strings.ToUpper(args[0])
	switch name {
	case "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "AUTH", "HELLO", "QUIT", "CLIENT",
		"SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE",
		"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "SCRIPT", captureCommand,
		"BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZMPOP", "BZPOPMIN", "BZPOPMAX", "WAIT",
		"RESTORE", "HEXPIRE", "HSETEX":
		return refused
	case "XREAD", "XREADGROUP":
		for _, arg := range args[1:] {
			if strings.EqualFold(arg, "BLOCK") {
				return refused
			}
			if strings.EqualFold(arg, "STREAMS") {
				break
			}
		}
	}
	if m.call.readOnly && !m.inner.mini.Server().IsReadOnlyCommand(name) {
		return "ERR Write commands are not allowed from read-only scripts."
	}
	return ""
}

func errorReply(l *lua.LState) int {
	text := strings.TrimPrefix(l.CheckString(1), "-")
	if !strings.Contains(text, " ") {
		text = "ERR " + text
	}
	l.Push(field("err", text))
	return 1
}

func statusReply(l *lua.LState) int {
	l.Push(field("ok", l.CheckString(1)))
	return 1
}

func sha1hex(l *lua.LState) int {
	sum := sha1.Sum([]byte(lua.LVAsString(l.Get(1))))
	l.Push(lua.LString(hex.EncodeToString(sum[:])))
	return 1
}

func field(name, text string) *lua.LTable {
	t := &lua.LTable{Metatable: lua.LNil}
	t.RawSetString(name, lua.LString(text))
	return t
}

// readLua converts a RESP2 reply and returns what follows it; nil when the
// bytes are no reply. nil becomes false, a status {ok=}, an error {err=}.
func readLua(l *lua.LState, b []byte) (lua.LValue, []byte) {
	kind, line, rest := cutLine(b)
	switch kind {
	case '+':
		return field("ok", line), rest
	case '-':
		return field("err", line), rest
	case ':':
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return nil, nil
		}
		return lua.LNumber(n), rest
	case '_':
		return lua.LFalse, rest
	}
	n, err := strconv.Atoi(line)
	if err != nil {
		return nil, nil
	}
	switch {
	case (kind == '$' || kind == '*') && n < 0:
		return lua.LFalse, rest
	case kind == '$':
		return lua.LString(rest[:n]), rest[n+2:]
	case kind == '*':
		list := l.CreateTable(n, 0)
		for range n {
			var item lua.LValue
			if item, rest = readLua(l, rest); rest == nil {
				return nil, nil
			}
			list.Append(item)
		}
		return list, rest
	}
	return nil, nil
}

func cutLine(b []byte) (kind byte, line string, rest []byte) {
	for i := 1; i+1 < len(b); i++ {
		if b[i] == '\r' && b[i+1] == '\n' {
			return b[0], string(b[1:i]), b[i+2:]
		}
	}
	return 0, "", nil
}

// writeLua answers with a script's value: numbers lose their fraction, a list
// ends at its first nil, true is 1, false and nil are null.
func writeLua(c *server.Peer, value lua.LValue) {
	switch v := value.(type) {
	case lua.LString:
		c.WriteBulk(string(v))
	case lua.LNumber:
		c.WriteInt(int(v))
	case lua.LBool:
		if v {
			c.WriteInt(1)
		} else {
			c.WriteNull()
		}
	case *lua.LTable:
		writeTable(c, v)
	default:
		c.WriteNull()
	}
}

func writeTable(c *server.Peer, t *lua.LTable) {
	if text := t.RawGetString("err"); text != lua.LNil {
		c.WriteError(text.String())
		return
	}
	if text := t.RawGetString("ok"); text != lua.LNil {
		c.WriteInline(text.String())
		return
	}
	n := 0
	for t.RawGetInt(n+1) != lua.LNil {
		n++
	}
	c.WriteLen(n)
	for i := range n {
		writeLua(c, t.RawGetInt(i+1))
	}
}
