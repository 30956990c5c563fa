package mm2

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// property is one entry of a Java property file.
type property struct {
	line       int // where it starts, from 1
	key, value string
	raw        string // the value before escapes were resolved
	bad        string // what is malformed about it, "" when nothing is
}

// parse reads java.util.Properties' line format as MirrorMaker loads it, in
// ISO 8859-1: comments, continuation lines, the three separators, escapes.
func parse(data []byte) []property {
	var out []property
	lines := splitLines(data)
	for i := 0; i < len(lines); i++ {
		start, logical := i+1, trimStart(lines[i])
		if isComment(logical) {
			continue
		}
		for continues(logical) && i+1 < len(lines) {
			i++
			next := trimStart(lines[i])
			logical = logical[:len(logical)-1]
			if logical == "" && isComment(next) { // a lone backslash starts nothing
				break
			}
			logical += next
		}
		if continues(logical) { // on the last line
			logical = logical[:len(logical)-1]
		} else if logical == "" {
			continue
		}
		out = append(out, entry(start, logical))
	}
	return out
}

func isComment(line string) bool { return line != "" && (line[0] == '#' || line[0] == '!') }

// splitLines decodes ISO 8859-1 and splits at \n, \r and \r\n.
func splitLines(data []byte) []string {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	data = bytes.TrimSuffix(data, []byte("\n"))
	var lines []string
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		text := make([]rune, len(line))
		for i, b := range line {
			text[i] = rune(b)
		}
		lines = append(lines, string(text))
	}
	return lines
}

const blanks = " \t\f"

func trimStart(s string) string { return strings.TrimLeft(s, blanks) }

// continues reports whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// entry splits a logical line at its first unescaped separator.
func entry(line int, logical string) property {
	end := keyEnd(logical)
	rest := trimStart(logical[end:])
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = trimStart(rest[1:])
	}
	key, err1 := unescape(logical[:end])
	value, err2 := unescape(rest)
	p := property{line: line, key: key, value: value, raw: rest}
	for _, err := range []error{err1, err2} {
		if err != nil {
			p.bad = err.Error()
		}
	}
	return p
}

func keyEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '=', ':', ' ', '\t', '\f':
			return i
		}
	}
	return len(s)
}

func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			n, err := strconv.ParseUint(s[i+1:min(i+5, len(s))], 16, 16)
			if err != nil || i+5 > len(s) {
				return b.String() + s[i-1:], fmt.Errorf(`malformed \u escape in %q`, s)
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// escape writes a key or a value so that parse returns it.
func escape(s string, key bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == ' ' && (key || i == 0), key && (r == '=' || r == ':'), key && i == 0 && (r == '#' || r == '!'):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > '~':
			writeUnits(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// writeUnits writes a rune as Java's UTF-16 escapes.
func writeUnits(b *strings.Builder, r rune) {
	if r > 0xFFFF {
		r -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04x`, 0xD800+(r>>10), 0xDC00+(r&0x3FF))
		return
	}
	fmt.Fprintf(b, `\u%04x`, r)
}
