package tui

import (
	"slices"
	"strings"
)

// scope is where keys mean something: a pane, an overlay, or everywhere.
type scope string

const (
	scopeGlobal    scope = "everywhere"
	scopeRegions   scope = "regions"
	scopeEvents    scope = "events"
	scopeMirrors   scope = "mirrors"
	scopeSim       scope = "simulator"
	scopeInput     scope = "filter and find"
	scopeDetail    scope = "event"
	scopeInspector scope = "key"
	scopeForm      scope = "write"
	scopePalette   scope = "palette"
	scopeConfirm   scope = "question"
	scopeHelp      scope = "help"
	scopeCommand   scope = "command"
)

func scopes() []scope {
	return []scope{scopeGlobal, scopeRegions, scopeEvents, scopeMirrors, scopeSim, scopeInput, scopeDetail,
		scopeInspector, scopeForm, scopePalette, scopeConfirm, scopeHelp, scopeCommand}
}

// modal reports a scope in which the keys of everywhere do not work: an overlay.
func (s scope) modal() bool {
	return !slices.Contains([]scope{scopeGlobal, scopeRegions, scopeEvents, scopeMirrors, scopeSim}, s)
}

// typing reports a scope in which a key that is bound to nothing is text.
func (s scope) typing() bool { return s == scopeInput || s == scopeForm || s == scopePalette }

// action is what a key does.
type action string

const (
	actQuit      action = "quit"
	actSuspend   action = "suspend"
	actHelp      action = "help"
	actPalette   action = "palette"
	actNextPane  action = "next-pane"
	actPrevPane  action = "previous-pane"
	actRegions   action = "regions"
	actEvents    action = "events"
	actMirrors   action = "mirrors"
	actSim       action = "simulator"
	actZoom      action = "zoom"
	actWrite     action = "write"
	actInspect   action = "inspect"
	actFilter    action = "filter"
	actPause     action = "pause"
	actCopy      action = "command"
	actSimToggle action = "sim-toggle"
	actFaster    action = "sim-faster"
	actSlower    action = "sim-slower"
	actMouse     action = "mouse"
	actTheme     action = "theme"
	actBack      action = "back"

	actUp       action = "up"
	actDown     action = "down"
	actLeft     action = "left"
	actRight    action = "right"
	actPageUp   action = "page-up"
	actPageDown action = "page-down"
	actFirst    action = "first"
	actLast     action = "last"
	actOpen     action = "open"

	actCut     action = "cut"
	actHeal    action = "heal"
	actHealAll action = "heal-all"
	actDelay   action = "delay"
	actStop    action = "stop"
	actStart   action = "start"

	actFind     action = "find"
	actNextHit  action = "next-match"
	actPrevHit  action = "previous-match"
	actSend     action = "send"
	actPlan     action = "dry-run"
	actNext     action = "next-field"
	actPrev     action = "previous-field"
	actYes      action = "yes"
	actNo       action = "no"
	actMore     action = "next-page"
	actLess     action = "first-page"
	actRefresh  action = "refresh"
	actOtherKey action = "other-key"
	actComplete action = "complete"
)

// binding is one line of the keymap. Every key that does anything is in it:
// dispatch, help, footer and docs/tui.md are made from the same table.
type binding struct {
	scope  scope
	action action
	keys   []string // as bubbletea names them
	help   string
	short  string // in the footer; "" keeps it out
}

// key is a line of the keymap; in says where it holds.
func key(a action, help, short string, keys ...string) binding {
	return binding{action: a, keys: keys, help: help, short: short}
}

// in is what keys do in a scope. An overlay hides the keys of everywhere, but for
// those that always end or suspend a program.
func in(s scope, bindings ...binding) []binding {
	if s.modal() {
		bindings = append(bindings, key(actQuit, "quit", "", "ctrl+c"), key(actSuspend, "suspend", "", "ctrl+z"))
	}
	for i := range bindings {
		bindings[i].scope = s
	}
	return bindings
}

func keymap() []binding {
	return slices.Concat(globalKeys(), paneKeys(), overlayKeys())
}

func globalKeys() []binding {
	return in(scopeGlobal,
		key(actQuit, "quit; the terminal is left as it was", "quit", "q", "ctrl+c"),
		key(actSuspend, "suspend; fg in the shell goes on", "", "ctrl+z"),
		key(actHelp, "this help", "help", "?"),
		key(actPalette, "command palette: every action, by name", "commands", ":"),
		key(actNextPane, "next pane", "", "tab"),
		key(actPrevPane, "previous pane", "", "shift+tab"),
		key(actRegions, "the regions", "", "1"),
		key(actEvents, "the event log", "", "2"),
		key(actMirrors, "the mirror matrix", "", "3"),
		key(actSim, "the simulator", "", "4"),
		key(actZoom, "give the pane the whole screen, or take it back", "zoom", "z"),
		key(actWrite, "write: any operation, in any region", "write", "w"),
		key(actInspect, "inspect a key over all regions", "inspect", "i"),
		key(actFilter, "filter the event log", "filter", "/"),
		key(actPause, "pause or resume the event log", "pause", " "),
		key(actCopy, "show and copy the equivalent command line", "command", "y"),
		key(actSimToggle, "start or stop the simulator", "simulator", "s"),
		key(actFaster, "more simulated traffic", "faster", "+", "="),
		key(actSlower, "less simulated traffic", "slower", "-"),
		key(actMouse, "mouse on or off (off: the terminal selects text)", "", "m"),
		key(actTheme, "next theme: dark, light, high contrast", "", "T"),
		key(actBack, "back: leave zoom, drop find, drop filter", "", "esc"),
	)
}

func paneKeys() []binding {
	return slices.Concat(
		in(scopeRegions,
			key(actUp, "key above", "", "up", "k"),
			key(actDown, "key below", "", "down", "j"),
			key(actLeft, "region to the left", "", "left"),
			key(actRight, "region to the right", "", "right"),
			key(actOpen, "inspect the selected key over all regions", "inspect", "enter"),
			key(actCut, "cut the region off: all its mirror links", "cut off", "c"),
			key(actHeal, "heal all links of the region", "heal", "h"),
			key(actStop, "stop the region's Kafka", "stop", "x"),
			key(actStart, "start the region's Kafka", "start", "r"),
		),
		in(scopeEvents,
			key(actUp, "event above; pauses the log", "", "up", "k"),
			key(actDown, "event below", "", "down", "j"),
			key(actPageUp, "page up; pauses the log", "", "pgup", "ctrl+u"),
			key(actPageDown, "page down", "", "pgdown", "ctrl+d"),
			key(actFirst, "oldest event; pauses the log", "", "home", "g"),
			key(actLast, "newest event; resumes the log", "newest", "end", "G"),
			key(actOpen, "everything about the event", "detail", "enter"),
			key(actFind, "find in the log: marks what matches, hides nothing", "", "f"),
			key(actNextHit, "next match", "", "n"),
			key(actPrevHit, "previous match", "", "N"),
		),
		in(scopeMirrors,
			key(actUp, "link above", "", "up", "k"),
			key(actDown, "link below", "", "down", "j"),
			key(actCut, "cut the link", "cut", "c"),
			key(actHeal, "heal the link", "heal", "h"),
			key(actHealAll, "heal every link and take away delays", "heal all", "H"),
			key(actDelay, "delay the link: 100 ms, 500 ms, 2 s, none", "delay", "d"),
		),
		in(scopeSim,
			key(actOpen, "start or stop the simulator", "start/stop", "enter"),
			key(actUp, "more traffic", "", "up", "k"),
			key(actDown, "less traffic", "", "down", "j"),
		),
	)
}

func overlayKeys() []binding {
	return slices.Concat(
		in(scopeInput,
			key(actOpen, "apply", "apply", "enter"),
			key(actBack, "leave it as it was", "cancel", "esc"),
		),
		in(scopeDetail,
			key(actUp, "scroll up", "", "up", "k"),
			key(actDown, "scroll down", "", "down", "j"),
			key(actPageUp, "page up", "", "pgup"),
			key(actPageDown, "page down", "", "pgdown"),
			key(actLeft, "event before", "before", "left"),
			key(actRight, "event after", "after", "right"),
			key(actInspect, "inspect its key", "inspect key", "i"),
			key(actCopy, "the command that writes it again", "command", "y"),
			key(actBack, "close", "close", "esc", "enter", "q"),
		),
		in(scopeInspector,
			key(actUp, "scroll up", "", "up", "k"),
			key(actDown, "scroll down", "", "down", "j"),
			key(actPageUp, "page up", "", "pgup"),
			key(actPageDown, "page down", "", "pgdown"),
			key(actLeft, "regions to the left", "", "left"),
			key(actRight, "regions to the right", "", "right"),
			key(actMore, "next page of a large value", "more", "]"),
			key(actLess, "first page", "", "["),
			key(actOtherKey, "another key", "other key", "e", "/"),
			key(actWrite, "write to this key", "write", "w"),
			key(actRefresh, "read again now", "", "r"),
			key(actCopy, "the command that reads it", "command", "y"),
			key(actBack, "close", "close", "esc", "q"),
		),
		in(scopeForm,
			key(actNext, "next field", "next", "tab", "down"),
			key(actPrev, "field before", "", "shift+tab", "up"),
			key(actLeft, "choice before, or cursor left", "", "left"),
			key(actRight, "next choice, or cursor right", "", "right"),
			key(actSend, "send", "send", "enter"),
			key(actPlan, "show what would be written, write nothing", "dry run", "ctrl+t"),
			key(actCopy, "the equivalent command line", "command", "ctrl+y"),
			key(actBack, "close", "close", "esc"),
		),
		in(scopePalette,
			key(actUp, "command above", "", "up"),
			key(actDown, "command below", "", "down"),
			key(actComplete, "complete the name", "complete", "tab"),
			key(actOpen, "run it", "run", "enter"),
			key(actBack, "close", "close", "esc"),
		),
		in(scopeConfirm,
			key(actYes, "yes, do it", "yes", "y"),
			key(actNo, "no", "no", "n", "esc", "q"),
		),
		in(scopeHelp,
			key(actUp, "scroll up", "", "up", "k"),
			key(actDown, "scroll down", "scroll", "down", "j"),
			key(actPageUp, "page up", "", "pgup"),
			key(actPageDown, "page down", "page", "pgdown", " "),
			key(actBack, "close", "close", "esc", "q", "?"),
		),
		in(scopeCommand,
			key(actBack, "close", "close", "esc", "enter", "q", "y"),
		),
	)
}

// lookup finds what a key does in a scope. In a pane the keys of everywhere
// work too.
func lookup(bindings []binding, s scope, key string) (action, bool) {
	for _, b := range bindings {
		if b.scope == s && slices.Contains(b.keys, key) {
			return b.action, true
		}
	}
	if s.modal() {
		return "", false
	}
	for _, b := range bindings {
		if b.scope == scopeGlobal && slices.Contains(b.keys, key) {
			return b.action, true
		}
	}
	return "", false
}

// keyName is how a key is written for people.
func keyName(key string, ascii bool) string {
	arrows := map[string]string{"up": "↑", "down": "↓", "left": "←", "right": "→"}
	if arrow := arrows[key]; arrow != "" && !ascii {
		return arrow
	}
	switch key {
	case " ":
		return "Space"
	case "pgup":
		return "PgUp"
	case "pgdown":
		return "PgDn"
	case "home", "end", "enter", "esc", "tab", "up", "down", "left", "right":
		return strings.ToUpper(key[:1]) + key[1:]
	case "shift+tab":
		return "Shift-Tab"
	}
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "Ctrl-" + strings.ToUpper(rest)
	}
	return key
}

func keyNames(keys []string, ascii bool) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = keyName(k, ascii)
	}
	return strings.Join(names, " ")
}
