package memredis

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	luajson "github.com/alicebob/miniredis/v2/gopher-json"
	lua "github.com/yuin/gopher-lua"
)

// Stack sizes of the machine, in values: scripts unpack up to 7,900 arguments
// (Redis' own limit is 8,000) and more than one such list may be on the stack.
const (
	stackStart = 1 << 15
	stackMax   = 1 << 20
	stackStep  = 1 << 14
)

// machine is a Lua state with Redis' library and the functions made from
// scripts. It is used by one script at a time, under miniredis' lock.
type machine struct {
	state *lua.LState
	inner *inner
	clock *clock
	funcs map[string]*lua.LFunction
	call  call
	last  string // error that redis.call raised last, to tell it from the script's own
}

// call is one run of a script.
type call struct {
	sha        string
	proto      *lua.FunctionProto
	keys, argv []string
	readOnly   bool
}

func newMachine(in *inner, clock *clock) *machine {
	m := &machine{
		state: lua.NewState(lua.Options{
			SkipOpenLibs: true, CallStackSize: 512,
			RegistrySize: stackStart, RegistryMaxSize: stackMax, RegistryGrowStep: stackStep,
		}),
		inner: in, clock: clock, funcs: map[string]*lua.LFunction{},
	}
	m.openLibraries()
	m.openRedis()
	m.protectGlobals()
	return m
}

// openLibraries opens what a Redis script has, and nothing that reaches files.
func (m *machine) openLibraries() {
	l := m.state
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
		lua.MathLibName: lua.OpenMath, lua.CoroutineLibName: lua.OpenCoroutine,
	} {
		l.Push(l.NewFunction(open))
		l.Push(lua.LString(name))
		l.Call(1, 0)
	}
	l.Push(l.NewFunction(luajson.Loader))
	l.Call(0, 1)
	l.SetGlobal("cjson", l.Get(-1))
	l.Pop(1)
	for _, name := range []string{"dofile", "loadfile", "print", "require", "module", "newproxy", "_printregs"} {
		l.SetGlobal(name, lua.LNil)
	}
}

// protectGlobals makes a misspelt variable an error, as Redis does, and keeps
// one script's variables from the next.
func (m *machine) protectGlobals() {
	l := m.state
	meta := l.NewTable()
	meta.RawSetString("__index", l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("Script attempted to access nonexistent global variable '%s'", l.Get(2).String())
		return 0
	}))
	meta.RawSetString("__newindex", l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("Script attempted to create global variable '%s'", l.Get(2).String())
		return 0
	}))
	l.SetMetatable(l.G.Global, meta)
}

// run executes a script and returns its value, or the error line to answer.
func (m *machine) run(c call) (value lua.LValue, failure string) {
	m.call, m.last = c, ""
	l := m.state
	l.G.Global.RawSetString("KEYS", m.list(c.keys))
	l.G.Global.RawSetString("ARGV", m.list(c.argv))
	fn := m.funcs[c.sha]
	if fn == nil {
		fn = l.NewFunctionFromProto(c.proto)
		m.funcs[c.sha] = fn
	}
	l.Push(fn)
	if err := l.PCall(0, 1, nil); err != nil {
		return nil, m.failure(err)
	}
	value = l.Get(-1)
	l.SetTop(0)
	return value, ""
}

func (m *machine) list(items []string) *lua.LTable {
	t := m.state.CreateTable(len(items), 0)
	for _, item := range items {
		t.Append(lua.LString(item))
	}
	return t
}

// failure words an error that left the script as Redis does.
func (m *machine) failure(err error) string {
	var api *lua.ApiError
	if !errors.As(err, &api) {
		return "ERR " + err.Error()
	}
	text := ""
	switch object := api.Object.(type) {
	case *lua.LTable:
		text = lua.LVAsString(object.RawGetString("err"))
	case lua.LString:
		text = string(object)
		if text != m.last {
			text = "ERR " + text
		}
	default:
		text = "ERR " + strings.SplitN(err.Error(), "\n", 2)[0]
	}
	return fmt.Sprintf("%s script: %s, on @user_script.", text, m.call.sha)
}

// number writes a number as Redis passes it to a command: 17 digits, no
// trailing zeros.
func number(n lua.LNumber) string {
	f := float64(n)
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	return strconv.FormatFloat(f, 'g', 17, 64)
}
