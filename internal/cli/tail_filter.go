package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/filter"
)

// hopeless tells of the words of a filter that no event can match, since there
// is no such region or operation: nothing would be printed for ever.
func hopeless(f filter.Filter, regions []string) (notes []string) {
	ops := []string{unknownOp}
	for _, op := range event.Ops() {
		ops = append(ops, string(op))
	}
	known := map[string][]string{"origin:": regions, "op:": ops}
	for _, word := range strings.Fields(f.String()) {
		field := word[:strings.Index(word, ":")+1]
		term, err := filter.Parse(word)
		if known[field] == nil || err != nil { // an expression with a space in it is left alone
			continue
		}
		matches := func(name string) bool { return term.Match(filter.Subject{Origin: name, Op: name}) }
		if !slices.ContainsFunc(known[field], matches) {
			notes = append(notes, fmt.Sprintf("%s matches no event: %s is one of %s", word, strings.TrimSuffix(field, ":"), strings.Join(known[field], ", ")))
		}
	}
	return notes
}
