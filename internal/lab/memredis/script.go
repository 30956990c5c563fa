package memredis

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// scripts knows the loaded scripts and owns the Lua machine. A script runs
// under miniredis' lock, so one machine serves all clients.
type scripts struct {
	mini  *miniredis.Miniredis
	inner *inner
	clock *clock
	vm    *machine // nil: made at the next run; needs the lock of mini

	mu     sync.Mutex
	loaded map[string]*lua.FunctionProto // by SHA-1 of the source
}

func newScripts(mini *miniredis.Miniredis, in *inner, clock *clock) *scripts {
	return &scripts{mini: mini, inner: in, clock: clock, loaded: map[string]*lua.FunctionProto{}}
}

// close frees the machine once nothing runs any more.
func (s *scripts) close() {
	s.mini.Lock()
	defer s.mini.Unlock()
	if s.vm != nil {
		s.vm.state.Close()
		s.vm = nil
	}
}

// load compiles a source once and returns its SHA-1.
func (s *scripts) load(source string) (string, error) {
	sum := sha1.Sum([]byte(source))
	sha := hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.loaded[sha]; ok {
		return sha, nil
	}
	chunk, err := parse.Parse(strings.NewReader(source), "user_script")
	if err != nil {
		return "", fmt.Errorf("ERR Error compiling script (new function): %w", err)
	}
	proto, err := lua.Compile(chunk, "user_script")
	if err != nil {
		return "", fmt.Errorf("ERR Error compiling script (new function): %w", err)
	}
	s.loaded[sha] = proto
	return sha, nil
}

func (s *scripts) find(sha string) *lua.FunctionProto {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded[strings.ToLower(sha)]
}

func (s *scripts) flush() {
	s.mu.Lock()
	clear(s.loaded)
	s.mu.Unlock()
	s.close()
}

// script serves EVAL, EVALSHA, their read-only forms, and SCRIPT.
func (c *session) script(name string, args []string) {
	switch {
	case c.multi:
		c.refuse("ERR scripts inside MULTI are not available in the embedded Redis")
	case name == "SCRIPT":
		c.scriptAdmin(args)
	case len(args) < 3:
		c.refuse("ERR wrong number of arguments for '" + strings.ToLower(name) + "' command")
	default:
		c.eval(name, args)
	}
}

func (c *session) eval(name string, args []string) {
	sha := args[1]
	if strings.HasPrefix(name, "EVALSHA") {
		sha = strings.ToLower(sha)
	} else {
		var err error
		if sha, err = c.s.scripts.load(args[1]); err != nil {
			c.peer.WriteError(err.Error())
			return
		}
	}
	keys, argv, problem := splitKeys(args[2:])
	proto := c.s.scripts.find(sha)
	switch {
	case proto == nil:
		c.peer.WriteError("NOSCRIPT No matching script. Please use EVAL.")
	case problem != "":
		c.peer.WriteError(problem)
	default:
		c.runScript(call{sha: sha, proto: proto, keys: keys, argv: argv, readOnly: strings.HasSuffix(name, "_RO")})
	}
}

func splitKeys(args []string) (keys, argv []string, problem string) {
	n, err := strconv.Atoi(args[0])
	switch {
	case err != nil:
		return nil, nil, "ERR value is not an integer or out of range"
	case n < 0:
		return nil, nil, "ERR Number of keys can't be negative"
	case n > len(args)-1:
		return nil, nil, "ERR Number of keys can't be greater than number of args"
	}
	return args[1 : 1+n], args[1+n:], ""
}

// runScript runs one call, atomically for all clients.
func (c *session) runScript(call call) {
	leave := c.s.clock.enter()
	defer leave()
	s := c.s.scripts
	s.mini.Lock()
	defer s.mini.Unlock()
	if err := s.inner.use(c.db); err != nil {
		c.peer.WriteError("ERR " + err.Error())
		return
	}
	if s.vm == nil {
		s.vm = newMachine(s.inner, s.clock)
	}
	value, failure := s.vm.run(call)
	if failure != "" {
		s.vm.state.Close() // its stack may be in any state
		s.vm = nil
		c.peer.WriteError(failure)
		return
	}
	writeLua(c.peer, value)
}

func (c *session) scriptAdmin(args []string) {
	sub := ""
	if len(args) > 1 {
		sub = strings.ToUpper(args[1])
	}
	switch {
	case sub == "LOAD" && len(args) == 3:
		sha, err := c.s.scripts.load(args[2])
		if err != nil {
			c.peer.WriteError(err.Error())
			return
		}
		c.peer.WriteBulk(sha)
	case sub == "EXISTS" && len(args) > 2:
		c.peer.WriteLen(len(args) - 2)
		for _, sha := range args[2:] {
			found := 0
			if c.s.scripts.find(sha) != nil {
				found = 1
			}
			c.peer.WriteInt(found)
		}
	case sub == "FLUSH" && len(args) <= 3:
		c.s.scripts.flush()
		c.peer.WriteOK()
	case sub == "KILL":
		c.peer.WriteError("NOTBUSY No scripts in execution right now.")
	default:
		c.peer.WriteError("ERR unknown subcommand or wrong number of arguments for '" + strings.ToLower(sub) + "'. Try SCRIPT HELP.")
	}
}
