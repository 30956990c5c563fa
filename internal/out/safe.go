package out

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe makes untrusted text fit for a terminal: control characters (C0, DEL,
// C1), bidirectional overrides, zero-width and other invisible characters and
// bytes that are not UTF-8 become visible escapes. Keys, members and values come
// from anybody who may write; printed as they are, they could move the cursor,
// retitle the window or show one text as another.
func Safe(s string) string {
	if isSafe(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80 && hiddenRune(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff && hiddenRune(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case hiddenRune(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// Literal shows data without a doubt about what it is: as Safe does, and with every
// backslash doubled, so that \n is a line break and \\n are two characters. Text
// that is no data, such as a message, keeps its backslashes with Safe.
func Literal(data []byte) string {
	return Safe(strings.ReplaceAll(string(data), `\`, `\\`))
}

func isSafe(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") || hiddenRune(r) {
			return false
		}
	}
	return true
}

// hiddenRune reports whether a character changes or hides what stands around
// it. Cf covers bidi controls, zero-width characters, soft hyphen and tags.
func hiddenRune(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x3164, 0xffa0: // invisible, though letters or marks
		return true
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}
