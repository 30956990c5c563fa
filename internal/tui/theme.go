package tui

import (
	"github.com/charmbracelet/lipgloss"

	"github.com/geokv/geokv/internal/fail"
)

// Theme names a set of colours.
type Theme string

// The themes. ThemeAuto asks the terminal for its background once, before
// anything is drawn.
const (
	ThemeAuto     Theme = "auto"
	ThemeDark     Theme = "dark"
	ThemeLight    Theme = "light"
	ThemeContrast Theme = "contrast"
)

// ParseTheme reads a theme's name.
func ParseTheme(text string) (Theme, error) {
	switch t := Theme(text); t {
	case "", ThemeAuto:
		return ThemeAuto, nil
	case ThemeDark, ThemeLight, ThemeContrast:
		return t, nil
	}
	return "", fail.New(fail.Usage, "theme %q: want auto, dark, light or contrast", text)
}

// next is the theme after t when the user cycles.
func (t Theme) next() Theme {
	switch t {
	case ThemeDark:
		return ThemeLight
	case ThemeLight:
		return ThemeContrast
	}
	return ThemeDark
}

// tokens are the colours by what they mean. No component names a colour, and
// no state is told by its colour alone: glyph or word say it too.
type tokens struct {
	text, dim, title, accent lipgloss.Style
	border, focus            lipgloss.Style // frames
	good, warn, bad, info    lipgloss.Style
	changed                  lipgloss.Style // a value that has just changed
	match                    lipgloss.Style // found by a search
	key                      lipgloss.Style // a key on the keyboard
	header                   lipgloss.Style // the first line
	selected                 lipgloss.Style // background of the selected line

	seen, applied, superseded, duplicate, rejected lipgloss.Style
	origins                                        []lipgloss.Style // by region index
}

// palette is what a theme says; empty means the terminal's own colour.
type palette struct {
	text, dim, title, accent, border, focus string
	good, warn, bad, info, changed          string
	selectedBg, headerFg, headerBg          string
	applied, seen, superseded               string
	origins                                 []string
}

var darkPalette = palette{
	dim: "#8b93a1", title: "#e6e9ef", accent: "#7cc4ff", border: "#485063", focus: "#7cc4ff",
	good: "#8fd18a", warn: "#f0c674", bad: "#ff7b85", info: "#9db8ff", changed: "#ffffff",
	selectedBg: "#2b3448", headerFg: "#dfe5ef", headerBg: "#253047",
	applied: "#5fbf6a", seen: "#e5b454", superseded: "#9d86e9",
	origins: []string{"#7cc4ff", "#f5a97f", "#8bd5ca", "#f5bde6", "#eed49f", "#a6da95", "#c6a0f6", "#f0c6c6", "#91d7e3", "#b7bdf8"},
}

var lightPalette = palette{
	dim: "#667085", title: "#101828", accent: "#0b63c5", border: "#b6bdc9", focus: "#0b63c5",
	good: "#16803c", warn: "#a15c00", bad: "#c01f2e", info: "#3b50c6", changed: "#000000",
	selectedBg: "#d5e6fb", headerFg: "#10243e", headerBg: "#d9e4f3",
	applied: "#1a9a4b", seen: "#c98a00", superseded: "#7447d1",
	origins: []string{"#0b63c5", "#b4540a", "#0f766e", "#a21c7f", "#8a6a00", "#3f7d20", "#6d3fc0", "#9f3a3a", "#0e7490", "#4455b5"},
}

// The high-contrast themes use the extremes and no grey.
var contrastDark = palette{
	text: "#ffffff", dim: "#ffffff", title: "#ffffff", accent: "#00ffff", border: "#ffffff", focus: "#ffff00",
	good: "#00ff00", warn: "#ffff00", bad: "#ff8080", info: "#00ffff", changed: "#ffff00",
	selectedBg: "#0000c0", headerFg: "#000000", headerBg: "#ffffff",
	applied: "#00ff00", seen: "#ffff00", superseded: "#ff80ff",
	origins: []string{"#00ffff", "#ffb000", "#80ffd0", "#ff80ff", "#ffff80", "#80ff80", "#d0a0ff", "#ffc0c0", "#a0e0ff", "#c0c0ff"},
}

var contrastLight = palette{
	text: "#000000", dim: "#000000", title: "#000000", accent: "#0000c0", border: "#000000", focus: "#a000a0",
	good: "#005000", warn: "#703800", bad: "#a00000", info: "#0000c0", changed: "#a000a0",
	selectedBg: "#ffff80", headerFg: "#ffffff", headerBg: "#000000",
	applied: "#006000", seen: "#804000", superseded: "#600080",
	origins: []string{"#0000c0", "#803000", "#005050", "#800060", "#604800", "#205000", "#500090", "#700000", "#004870", "#202080"},
}

func (t Theme) palette(darkBackground bool) palette {
	switch {
	case t == ThemeLight || t == ThemeAuto && !darkBackground:
		return lightPalette
	case t == ThemeContrast && darkBackground:
		return contrastDark
	case t == ThemeContrast:
		return contrastLight
	}
	return darkPalette
}

func newTokens(r *lipgloss.Renderer, p palette) tokens {
	fg := func(color string) lipgloss.Style {
		style := r.NewStyle()
		if color == "" {
			return style
		}
		return style.Foreground(lipgloss.Color(color))
	}
	t := tokens{
		text: fg(p.text), dim: fg(p.dim), title: fg(p.title).Bold(true), accent: fg(p.accent),
		border: fg(p.border), focus: fg(p.focus),
		good: fg(p.good), warn: fg(p.warn), bad: fg(p.bad), info: fg(p.info),
		changed: fg(p.changed).Bold(true), match: fg(p.warn).Underline(true), key: fg(p.accent).Bold(true),
		header: fg(p.headerFg).Background(lipgloss.Color(p.headerBg)), selected: r.NewStyle().Background(lipgloss.Color(p.selectedBg)),
		seen: fg(p.seen), applied: fg(p.applied), superseded: fg(p.superseded), duplicate: fg(p.dim), rejected: fg(p.bad),
	}
	for _, color := range p.origins {
		t.origins = append(t.origins, fg(color))
	}
	return t
}

// glyphs are the marks that say what colours say too.
type glyphs struct {
	up, cut, down, rebuilding, blocked, unclear string // a region's or link's state

	none, seen, applied, superseded, duplicate, rejected, unknown string // one cell of an event's block

	pending, diverged, same string // a key over regions
	cursor, arrow, ellipsis string
	on, off                 string // a bar
	spark                   []string

	horizontal, vertical, topLeft, topRight, bottomLeft, bottomRight, dot string
}

var unicodeGlyphs = glyphs{
	up: "●", cut: "◐", down: "○", rebuilding: "↻", blocked: "▲", unclear: "◌",
	none: "·", seen: "▒", applied: "█", superseded: "▄", duplicate: "≡", rejected: "×", unknown: "?",
	pending: "◌", diverged: "≠", same: "=",
	cursor: "▌", arrow: "→", ellipsis: "…", on: "█", off: "░",
	spark:      []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	horizontal: "─", vertical: "│", topLeft: "╭", topRight: "╮", bottomLeft: "╰", bottomRight: "╯", dot: "·",
}

var asciiGlyphs = glyphs{
	up: "*", cut: "%", down: "x", rebuilding: "@", blocked: "!", unclear: "?",
	none: ".", seen: "o", applied: "#", superseded: "v", duplicate: "=", rejected: "x", unknown: "?",
	pending: "~", diverged: "!", same: "=",
	cursor: ">", arrow: ">", ellipsis: "~", on: "#", off: ".",
	spark:      []string{" ", ".", ":", "-", "=", "+", "*", "%", "#"},
	horizontal: "-", vertical: "|", topLeft: "+", topRight: "+", bottomLeft: "+", bottomRight: "+", dot: "-",
}
