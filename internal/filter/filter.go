// Package filter is the small language that picks events out of a log: in
// `geokv tail` and in the TUI alike.
//
//	laptop            the word in key, operation, origin, id or argument
//	key:inventory     the word in the key;  also op: origin: id:
//	op:=SET           exactly
//	/^cart:.*/        a regular expression (RE2) over the same texts
//	key:/:total$/     or over one of them
//	slow:>100ms       applied somewhere later than that (or slow:<...)
//	!term             the opposite
//
// Terms are separated by spaces and must all hold. Letters match without case
// unless the term has an upper-case letter.
package filter

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Subject is an event as a filter sees it.
type Subject struct {
	Key, Op, Origin, ID string
	Argument            string        // the payload as text
	Slowest             time.Duration // from the write to the last apply so far; 0 when none
}

// Filter is a parsed text. The zero value matches everything.
type Filter struct {
	text  string
	terms []func(Subject) bool
}

var fields = []string{"key", "op", "origin", "id"}

// Parse reads a filter. The error names the term that is wrong.
func Parse(text string) (Filter, error) {
	f := Filter{text: strings.TrimSpace(text)}
	terms, err := split(text)
	if err != nil {
		return Filter{}, err
	}
	for _, term := range terms {
		match, err := parseTerm(term)
		if err != nil {
			return Filter{}, fmt.Errorf("filter term %q: %w", term, err)
		}
		f.terms = append(f.terms, match)
	}
	return f, nil
}

// Match reports whether every term holds.
func (f Filter) Match(s Subject) bool {
	for _, term := range f.terms {
		if !term(s) {
			return false
		}
	}
	return true
}

// Empty reports whether the filter matches everything.
func (f Filter) Empty() bool { return len(f.terms) == 0 }

// String returns the text that was parsed.
func (f Filter) String() string { return f.text }

// split cuts at spaces, but not inside /.../.
func split(text string) ([]string, error) {
	var terms []string
	rest := strings.TrimSpace(text)
	for rest != "" {
		end := strings.IndexFunc(rest, unicode.IsSpace)
		if slash := strings.IndexByte(rest, '/'); slash >= 0 && (end < 0 || slash < end) && opensRegexp(rest[:slash]) {
			length := closing(rest[slash+1:])
			if length < 0 {
				return nil, fmt.Errorf("filter term %q: the closing / is missing", rest)
			}
			end = slash + 1 + length + 1
		}
		if end < 0 || end > len(rest) {
			end = len(rest)
		}
		terms = append(terms, rest[:end])
		rest = strings.TrimSpace(rest[end:])
	}
	return terms, nil
}

// opensRegexp reports whether a slash after this prefix starts an expression.
func opensRegexp(prefix string) bool {
	prefix = strings.TrimPrefix(prefix, "!")
	return prefix == "" || slices.Contains(fields, strings.TrimSuffix(prefix, ":")) && strings.HasSuffix(prefix, ":")
}

// closing finds the unescaped / that ends an expression.
func closing(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '/':
			return i
		}
	}
	return -1
}

func parseTerm(term string) (func(Subject) bool, error) {
	if inverse, ok := strings.CutPrefix(term, "!"); ok {
		if inverse == "" {
			return nil, fmt.Errorf("nothing after !")
		}
		match, err := parseTerm(inverse)
		return func(s Subject) bool { return !match(s) }, err
	}
	name, word, qualified := strings.Cut(term, ":")
	switch {
	case qualified && name == "slow":
		return parseSlow(word)
	case qualified && slices.Contains(fields, name):
		if word == "" {
			return nil, fmt.Errorf("nothing after %s:", name)
		}
		match, err := parseText(word)
		return func(s Subject) bool { return match(s.field(name)) }, err
	}
	match, err := parseText(term)
	return func(s Subject) bool { return slices.ContainsFunc(s.texts(), match) }, err
}

func (s Subject) field(name string) string {
	switch name {
	case "key":
		return s.Key
	case "op":
		return s.Op
	case "origin":
		return s.Origin
	}
	return s.ID
}

func (s Subject) texts() []string { return []string{s.Key, s.Op, s.Origin, s.ID, s.Argument} }

// parseText reads =word, /expression/ or a word to contain.
func parseText(word string) (func(string) bool, error) {
	fold := !strings.ContainsFunc(word, unicode.IsUpper)
	if len(word) >= 2 && word[0] == '/' && word[len(word)-1] == '/' {
		flags := ""
		if fold {
			flags = "(?i)"
		}
		re, err := regexp.Compile(flags + word[1:len(word)-1])
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	compare := strings.Contains
	if exact, ok := strings.CutPrefix(word, "="); ok {
		word, compare = exact, func(a, b string) bool { return a == b }
	}
	if !fold {
		return func(s string) bool { return compare(s, word) }, nil
	}
	word = strings.ToLower(word)
	return func(s string) bool { return compare(strings.ToLower(s), word) }, nil
}

func parseSlow(text string) (func(Subject) bool, error) {
	if text == "" || text[0] != '>' && text[0] != '<' {
		return nil, fmt.Errorf("want slow:>100ms or slow:<100ms")
	}
	limit, err := time.ParseDuration(text[1:])
	if err != nil {
		return nil, fmt.Errorf("want a duration such as 100ms or 2s")
	}
	if text[0] == '>' {
		return func(s Subject) bool { return s.Slowest > limit }, nil
	}
	return func(s Subject) bool { return s.Slowest < limit && s.Slowest > 0 }, nil
}
