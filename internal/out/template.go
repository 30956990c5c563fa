package out

import (
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// Token is a place in a -f template that a value replaces.
type Token struct {
	Name string // as written after %
	Help string
}

// Template is a parsed -f format: text with %tokens.
type Template struct{ parts []part }

type part struct {
	text  string
	token string // "" for text
}

// ParseTemplate reads a format such as '%r %k %op %lag\n'. A token is the longest
// known name after %; %{name} ends it where letters follow, %% is a percent
// sign. Backslash escapes are \n \t \r \0 \\ and \xHH. Errors have code USAGE.
func ParseTemplate(format string, tokens []Token) (Template, error) {
	var t Template
	var text strings.Builder
	for i := 0; i < len(format); {
		switch format[i] {
		case '%':
			token, length, err := readToken(format[i:], tokens)
			if err != nil {
				return Template{}, err
			}
			if token == "%" {
				text.WriteByte('%')
			} else {
				t.parts = append(t.parts, part{text: text.String()}, part{token: token})
				text.Reset()
			}
			i += length
		case '\\':
			char, length, err := readEscape(format[i:])
			if err != nil {
				return Template{}, err
			}
			text.WriteByte(char)
			i += length
		default:
			text.WriteByte(format[i])
			i++
		}
	}
	t.parts = append(t.parts, part{text: text.String()})
	return t, nil
}

// Render fills the template; value gives the text of a token. For a terminal the
// caller passes values through Safe.
func (t Template) Render(value func(token string) string) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.token == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(value(p.token))
		}
	}
	return b.String()
}

// readToken reads what starts at %: its name and its length in the format.
func readToken(format string, tokens []Token) (string, int, error) {
	rest := format[1:]
	if strings.HasPrefix(rest, "%") {
		return "%", 2, nil
	}
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		name, _, closed := strings.Cut(inner, "}")
		if !closed || !slices.ContainsFunc(tokens, func(t Token) bool { return t.Name == name }) {
			return "", 0, unknownToken("%{"+name, tokens)
		}
		return name, len(name) + 3, nil
	}
	longest := ""
	for _, t := range tokens {
		if strings.HasPrefix(rest, t.Name) && len(t.Name) > len(longest) {
			longest = t.Name
		}
	}
	if longest == "" {
		return "", 0, unknownToken("%"+firstRune(rest), tokens)
	}
	return longest, len(longest) + 1, nil
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

func unknownToken(got string, tokens []Token) error {
	names := make([]string, len(tokens))
	for i, t := range tokens {
		names[i] = "%" + t.Name
	}
	return fail.New(fail.Usage, "format: unknown token %q", got).WithHint("known tokens: %s, and %%%% for a percent sign", strings.Join(names, " "))
}

func readEscape(format string) (byte, int, error) {
	if len(format) >= 2 {
		if char, ok := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '0': 0, '\\': '\\'}[format[1]]; ok {
			return char, 2, nil
		}
		if format[1] == 'x' && len(format) >= 4 {
			if n, err := strconv.ParseUint(format[2:4], 16, 8); err == nil {
				return byte(n), 4, nil
			}
		}
	}
	return 0, 0, fail.New(fail.Usage, "format: bad escape %q", format[:min(4, len(format))]).WithHint(`escapes are \n \t \r \0 \\ and \xHH`)
}
