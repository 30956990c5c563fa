package tui

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/geokv/geokv/internal/out"
)

// maxClean bounds how much of an untrusted text is looked at: no place on a
// screen shows more of it in one piece.
const maxClean = 4096

// clean makes untrusted text fit for a grid of cells. Beyond what out.Safe
// escapes, clusters on whose width terminals disagree (flags, skin tones,
// presentation selectors, stacked marks) are escaped too: one column of
// disagreement would tear every border to the right of it.
func clean(s string) string {
	if plain(s) {
		return s
	}
	if len(s) > maxClean {
		s = strings.ToValidUTF8(s[:maxClean], "") + "..."
	}
	s = out.Safe(s)
	if plain(s) {
		return s
	}
	var b strings.Builder
	for s != "" {
		cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		if agreed(cluster, []rune(cluster)) {
			b.WriteString(cluster)
		} else {
			b.WriteString(spelt(cluster))
		}
		s = s[len(cluster):]
	}
	return b.String()
}

// agreed reports whether every terminal gives the cluster the same width: one
// character with at most two marks that never take a cell of their own. What
// goes beyond (conjuncts, spacing marks, jamo, flags, skin tones, selectors)
// is drawn in as many ways as there are terminals.
func agreed(cluster string, runes []rune) bool {
	if len(runes) > 3 || unicode.In(runes[0], unicode.Mn, unicode.Me, unicode.Mc, unicode.Regional_Indicator) {
		return false
	}
	for _, r := range runes[1:] {
		if !unicode.In(r, unicode.Mn, unicode.Me) || r >= 0xfe00 && r <= 0xfe0f {
			return false
		}
	}
	return ansi.StringWidth(cluster) == ansi.StringWidthWc(cluster)
}

// spelt keeps the first character of a cluster and writes the rest as escapes.
func spelt(cluster string) string {
	var b strings.Builder
	for i, r := range cluster {
		switch {
		case i == 0 && !unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc, unicode.Regional_Indicator):
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteString(`\U` + hex(r, 8))
		default:
			b.WriteString(`\u` + hex(r, 4))
		}
	}
	return b.String()
}

func hex(r rune, digits int) string {
	text := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(digits-len(text), 0)) + text
}

// plain reports printable ASCII, which is nearly everything that is shown.
func plain(s string) bool {
	if len(s) > maxClean {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// cells is the width of a text, escape sequences not counted.
func cells(s string) int {
	if plain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// shorten cuts a text to w cells and says with an ellipsis that it did.
func shorten(s string, w int, ellipsis string) string {
	switch {
	case w <= 0:
		return ""
	case cells(s) <= w:
		return s
	}
	return ansi.Truncate(s, w, ellipsis)
}

// fit makes a text exactly w cells wide, on the left.
func fit(s string, w int, ellipsis string) string {
	s = shorten(s, w, ellipsis)
	return s + spaces(w-cells(s))
}

// fitRight makes a text exactly w cells wide, on the right.
func fitRight(s string, w int, ellipsis string) string {
	s = shorten(s, w, ellipsis)
	return spaces(w-cells(s)) + s
}

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

// wrap breaks a text into lines of at most w cells, at blanks where it can.
func wrap(s string, w int) []string {
	if w <= 0 {
		return nil
	}
	lines := strings.Split(ansi.Wrap(s, w, " "), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ") // a blank at which it was broken
	}
	return lines
}

// millis renders a delay in at most five cells.
func millis(ms int64) string {
	sign, n := "", ms
	if n < 0 {
		sign, n = "-", -n
	}
	switch {
	case n < 1000 && (sign == "" || n < 100):
		return sign + strconv.FormatInt(n, 10) + "ms"
	case n < 9950:
		return sign + strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + "s"
	case n < 100_000:
		return sign + strconv.FormatInt((n+500)/1000, 10) + "s"
	case n < 100*60_000:
		return sign + strconv.FormatInt(n/60_000, 10) + "m"
	case n < 100*3_600_000:
		return sign + strconv.FormatInt(n/3_600_000, 10) + "h"
	}
	return sign + strconv.FormatInt(min(n/86_400_000, 999), 10) + "d"
}

// count renders a number with separators: 1,204.
func count[N int | int64 | uint64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	digits := len(strings.TrimPrefix(text, "-"))
	var b strings.Builder
	for i, c := range text {
		if left := len(text) - i; i > 0 && left%3 == 0 && left < digits {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// plural renders "1 event", "2 events".
func plural[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// perSecond renders a rate in at most six cells.
func perSecond(rate float64) string {
	switch {
	case rate >= 10_000:
		return strconv.FormatFloat(rate/1000, 'f', 0, 64) + "k/s"
	case rate >= 1000:
		return strconv.FormatFloat(rate/1000, 'f', 1, 64) + "k/s"
	case rate >= 10 || rate == float64(int64(rate)):
		return strconv.FormatFloat(rate, 'f', 0, 64) + "/s"
	}
	return strconv.FormatFloat(rate, 'f', 1, 64) + "/s"
}
