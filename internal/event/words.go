package event

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/geokv/geokv/internal/fail"
)

// QuoteWords renders words as one line that a shell and SplitWords read back
// exactly. Bytes that cannot be shown become \x escapes in $'...'.
func QuoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quoteWord(w)
	}
	return strings.Join(quoted, " ")
}

func quoteWord(w string) string {
	switch {
	case w != "" && !strings.ContainsFunc(w, needsQuote) && utf8.ValidString(w):
		return w
	case utf8.ValidString(w) && !strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for len(w) > 0 {
		r, n := utf8.DecodeRuneInString(w)
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(w[:n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteRune(r)
		}
		w = w[n:]
	}
	b.WriteByte('\'')
	return b.String()
}

// needsQuote reports what a shell might take for its own: everything but
// letters, digits and a few marks.
func needsQuote(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(":.,_-+/@%=", r)
}

// SplitWords splits a line as a shell does: blanks separate, '...' is literal,
// "..." and $'...' know \n \r \t \\ \' \" and \xHH, a backslash outside quotes
// takes the next character as it is. Nothing is expanded.
func SplitWords(line string) ([]string, error) {
	s := splitter{rest: line}
	var words []string
	for s.skipBlanks(); s.rest != ""; s.skipBlanks() {
		word, err := s.word()
		if err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}

type splitter struct{ rest string }

func (s *splitter) skipBlanks() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

func (s *splitter) word() (string, error) {
	var b strings.Builder
	for s.rest != "" {
		c := s.rest[0]
		var err error
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), nil
		case c == '\'':
			s.rest, err = s.literal(&b, s.rest[1:])
		case c == '"':
			s.rest, err = s.escaped(&b, s.rest[1:], '"')
		case strings.HasPrefix(s.rest, "$'"):
			s.rest, err = s.escaped(&b, s.rest[2:], '\'')
		case c == '\\' && len(s.rest) > 1:
			b.WriteByte(s.rest[1])
			s.rest = s.rest[2:]
		default:
			b.WriteByte(c)
			s.rest = s.rest[1:]
		}
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func (s *splitter) literal(b *strings.Builder, in string) (rest string, err error) {
	text, rest, closed := strings.Cut(in, "'")
	if !closed {
		return "", unclosed('\'')
	}
	b.WriteString(text)
	return rest, nil
}

func (s *splitter) escaped(b *strings.Builder, in string, end byte) (rest string, err error) {
	for in != "" {
		switch {
		case in[0] == end:
			return in[1:], nil
		case in[0] != '\\' || len(in) == 1:
			b.WriteByte(in[0])
			in = in[1:]
		default:
			n := unescape(b, in)
			in = in[n:]
		}
	}
	return "", unclosed(rune(end))
}

// unescape writes the byte that in, which begins with a backslash, stands for
// and returns how much of it was read. An unknown escape stands for itself.
func unescape(b *strings.Builder, in string) int {
	if i := strings.IndexByte(`nrt\'"`, in[1]); i >= 0 {
		b.WriteByte("\n\r\t\\'\""[i])
		return 2
	}
	if in[1] == 'x' && len(in) >= 4 {
		hi, lo := hexDigit(in[2]), hexDigit(in[3])
		if hi >= 0 && lo >= 0 {
			b.WriteByte(byte(hi<<4 | lo))
			return 4
		}
	}
	b.WriteByte('\\')
	return 1
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func unclosed(quote rune) error {
	return fail.New(fail.Usage, "read the command: a %c is not closed", quote).
		WithHint("close the quote, or escape it with a backslash")
}
