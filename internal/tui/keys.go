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

func bind(s scope, a action, help, short string, keys ...string) binding {
	return binding{s, a, keys, help, short}
}

func keymap() []binding {
	return slices.Concat(globalKeys(), paneKeys(), overlayKeys())
}

func globalKeys() []binding {
	g := func(a action, help, short string, keys ...string) binding {
		return bind(scopeGlobal, a, help, short, keys...)
	}
	return []binding{
		g(actQuit, "quit; the terminal is left as it was", "quit", "q", "ctrl+c"),
		g(actHelp, "this help", "help", "?"),
		g(actPalette, "command palette: every action, by name", "commands", ":"),
		g(actNextPane, "next pane", "", "tab"),
		g(actPrevPane, "previous pane", "", "shift+tab"),
		g(actRegions, "the regions", "", "1"),
		g(actEvents, "the event log", "", "2"),
		g(actMirrors, "the mirror matrix", "", "3"),
		g(actSim, "the simulator", "", "4"),
		g(actZoom, "give the pane the whole screen, or take it back", "zoom", "z"),
		g(actWrite, "write: any operation, in any region", "write", "w"),
		g(actInspect, "inspect a key over all regions", "inspect", "i"),
		g(actFilter, "filter the event log", "filter", "/"),
		g(actPause, "pause or resume the event log", "pause", " "),
		g(actCopy, "show and copy the equivalent command line", "command", "y"),
		g(actSimToggle, "start or stop the simulator", "simulator", "s"),
		g(actFaster, "more simulated traffic", "faster", "+", "="),
		g(actSlower, "less simulated traffic", "slower", "-"),
		g(actMouse, "mouse on or off (off: the terminal selects text)", "", "m"),
		g(actTheme, "next theme: dark, light, high contrast", "", "T"),
		g(actBack, "back: leave zoom, drop find, drop filter", "", "esc"),
	}
}

func paneKeys() []binding {
	return []binding{
		bind(scopeRegions, actUp, "key above", "", "up", "k"),
		bind(scopeRegions, actDown, "key below", "", "down", "j"),
		bind(scopeRegions, actLeft, "region to the left", "", "left"),
		bind(scopeRegions, actRight, "region to the right", "", "right"),
		bind(scopeRegions, actOpen, "inspect the selected key over all regions", "inspect", "enter"),
		bind(scopeRegions, actCut, "cut the region off: all its mirror links", "cut off", "c"),
		bind(scopeRegions, actHeal, "heal all links of the region", "heal", "h"),
		bind(scopeRegions, actStop, "stop the region's Kafka", "stop", "x"),
		bind(scopeRegions, actStart, "start the region's Kafka", "start", "r"),

		bind(scopeEvents, actUp, "event above; pauses the log", "", "up", "k"),
		bind(scopeEvents, actDown, "event below", "", "down", "j"),
		bind(scopeEvents, actPageUp, "page up; pauses the log", "", "pgup", "ctrl+u"),
		bind(scopeEvents, actPageDown, "page down", "", "pgdown", "ctrl+d"),
		bind(scopeEvents, actFirst, "oldest event; pauses the log", "", "home", "g"),
		bind(scopeEvents, actLast, "newest event; resumes the log", "newest", "end", "G"),
		bind(scopeEvents, actOpen, "everything about the event", "detail", "enter"),
		bind(scopeEvents, actFind, "find in the log: marks what matches, hides nothing", "", "f"),
		bind(scopeEvents, actNextHit, "next match", "", "n"),
		bind(scopeEvents, actPrevHit, "previous match", "", "N"),

		bind(scopeMirrors, actUp, "link above", "", "up", "k"),
		bind(scopeMirrors, actDown, "link below", "", "down", "j"),
		bind(scopeMirrors, actCut, "cut the link", "cut", "c"),
		bind(scopeMirrors, actHeal, "heal the link", "heal", "h"),
		bind(scopeMirrors, actHealAll, "heal every link and take away delays", "heal all", "H"),
		bind(scopeMirrors, actDelay, "delay the link: 100 ms, 500 ms, 2 s, none", "delay", "d"),

		bind(scopeSim, actOpen, "start or stop the simulator", "start/stop", "enter"),
		bind(scopeSim, actUp, "more traffic", "", "up", "k"),
		bind(scopeSim, actDown, "less traffic", "", "down", "j"),
	}
}

func overlayKeys() []binding {
	return []binding{
		bind(scopeInput, actOpen, "apply", "apply", "enter"),
		bind(scopeInput, actBack, "leave it as it was", "cancel", "esc"),
		bind(scopeInput, actQuit, "quit", "", "ctrl+c"),

		bind(scopeDetail, actUp, "scroll up", "", "up", "k"),
		bind(scopeDetail, actDown, "scroll down", "", "down", "j"),
		bind(scopeDetail, actPageUp, "page up", "", "pgup"),
		bind(scopeDetail, actPageDown, "page down", "", "pgdown"),
		bind(scopeDetail, actLeft, "event before", "before", "left"),
		bind(scopeDetail, actRight, "event after", "after", "right"),
		bind(scopeDetail, actInspect, "inspect its key", "inspect key", "i"),
		bind(scopeDetail, actCopy, "the command that writes it again", "command", "y"),
		bind(scopeDetail, actBack, "close", "close", "esc", "enter", "q"),
		bind(scopeDetail, actQuit, "quit", "", "ctrl+c"),

		bind(scopeInspector, actUp, "scroll up", "", "up", "k"),
		bind(scopeInspector, actDown, "scroll down", "", "down", "j"),
		bind(scopeInspector, actPageUp, "page up", "", "pgup"),
		bind(scopeInspector, actPageDown, "page down", "", "pgdown"),
		bind(scopeInspector, actLeft, "regions to the left", "", "left"),
		bind(scopeInspector, actRight, "regions to the right", "", "right"),
		bind(scopeInspector, actMore, "next page of a large value", "more", "]"),
		bind(scopeInspector, actLess, "first page", "", "["),
		bind(scopeInspector, actOtherKey, "another key", "other key", "e", "/"),
		bind(scopeInspector, actWrite, "write to this key", "write", "w"),
		bind(scopeInspector, actRefresh, "read again now", "", "r"),
		bind(scopeInspector, actCopy, "the command that reads it", "command", "y"),
		bind(scopeInspector, actBack, "close", "close", "esc", "q"),
		bind(scopeInspector, actQuit, "quit", "", "ctrl+c"),

		bind(scopeForm, actNext, "next field", "next", "tab", "down"),
		bind(scopeForm, actPrev, "field before", "", "shift+tab", "up"),
		bind(scopeForm, actLeft, "choice before, or cursor left", "", "left"),
		bind(scopeForm, actRight, "next choice, or cursor right", "", "right"),
		bind(scopeForm, actSend, "send", "send", "enter"),
		bind(scopeForm, actPlan, "show what would be written, write nothing", "dry run", "ctrl+t"),
		bind(scopeForm, actCopy, "the equivalent command line", "command", "ctrl+y"),
		bind(scopeForm, actBack, "close", "close", "esc"),
		bind(scopeForm, actQuit, "quit", "", "ctrl+c"),

		bind(scopePalette, actUp, "command above", "", "up"),
		bind(scopePalette, actDown, "command below", "", "down"),
		bind(scopePalette, actComplete, "complete the name", "complete", "tab"),
		bind(scopePalette, actOpen, "run it", "run", "enter"),
		bind(scopePalette, actBack, "close", "close", "esc"),
		bind(scopePalette, actQuit, "quit", "", "ctrl+c"),

		bind(scopeConfirm, actYes, "yes, do it", "yes", "y"),
		bind(scopeConfirm, actNo, "no", "no", "n", "esc", "q"),
		bind(scopeConfirm, actQuit, "quit", "", "ctrl+c"),

		bind(scopeHelp, actUp, "scroll up", "", "up", "k"),
		bind(scopeHelp, actDown, "scroll down", "scroll", "down", "j"),
		bind(scopeHelp, actPageUp, "page up", "", "pgup"),
		bind(scopeHelp, actPageDown, "page down", "page", "pgdown", " "),
		bind(scopeHelp, actBack, "close", "close", "esc", "q", "?"),
		bind(scopeHelp, actQuit, "quit", "", "ctrl+c"),

		bind(scopeCommand, actBack, "close", "close", "esc", "enter", "q", "y"),
		bind(scopeCommand, actQuit, "quit", "", "ctrl+c"),
	}
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
