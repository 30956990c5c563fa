// Package lua holds the merge rules as they run inside Redis. One file per
// family, each with a contract of its keys, arguments and replies at its top;
// this file puts them together into the scripts that are sent.
//
// The same text runs on real Redis (Lua 5.1) and on the embedded server
// (gopher-lua), so it uses no struct, bit or cmsgpack, orders no strings with
// `<`, and passes integers as decimal strings.
package lua

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"regexp"
	"strings"
)

//go:embed *.lua
var files embed.FS

// Script is one assembled script.
type Script struct {
	Name   string
	Source string
	SHA    string // hexadecimal SHA-1 of Source, as EVALSHA wants it
}

// Apply returns APPLY: one batch in one atomic step. See apply.lua.
func Apply() Script { return assemble("apply", rules("apply.lua")...) }

// Sweep returns the script that continues work too long for one batch. See sweep.lua.
func Sweep() Script { return assemble("sweep", rules("sweep.lua")...) }

// Read returns the script that reads one key. See read.lua.
func Read() Script { return assemble("read", "num.lua", "key.lua", "read.lua") }

// Head returns the script behind the bridge's type guard. See head.lua.
func Head() Script { return assemble("head", "num.lua", "key.lua", "head.lua") }

// Inspect returns the script that reads a key, its sidecars and positions in one
// step. See read.lua, facts.lua and inspect.lua.
func Inspect() Script {
	text := source(rules()...) + asFunction("read_key", "read.lua") + asFunction("key_facts", "facts.lua") + source("inspect.lua")
	return named("inspect", text)
}

// CompareAndDelete returns the script that gives a lease back. See cad.lua.
func CompareAndDelete() Script { return assemble("cad", "cad.lua") }

// CompareAndSet returns the script that renews a lease. See cas.lua.
func CompareAndSet() Script { return assemble("cas", "cas.lua") }

// Wipe returns one step of removing a torn partition. See wipe.lua.
func Wipe() Script { return assemble("wipe", "wipe.lua") }

func rules(main ...string) []string {
	return append([]string{"num.lua", "key.lua", "counter.lua", "element.lua", "stream.lua"}, main...)
}

var commentLine = regexp.MustCompile(`(?m)^\s*--.*\n|^\s*\n|^[ \t]+`)

func assemble(name string, parts ...string) Script { return named(name, source(parts...)) }

func named(name, text string) Script {
	sum := sha1.Sum([]byte(text))
	return Script{Name: name, Source: text, SHA: hex.EncodeToString(sum[:])}
}

// asFunction makes a whole script, which ends in a return, callable by name.
func asFunction(name, file string) string {
	return "local function " + name + "()\n" + source(file) + "end\n"
}

func source(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		text, err := files.ReadFile(part)
		if err != nil {
			panic("lua: " + err.Error()) // a file named above is not embedded: a build that cannot work
		}
		b.WriteString(commentLine.ReplaceAllString(string(text), ""))
	}
	return b.String()
}
