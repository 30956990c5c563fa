package cli

import (
	"regexp"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// receiptToken matches a receipt as produce prints it under RECEIPT.
var receiptToken = regexp.MustCompile(`^[a-z0-9-]+/\d+/\d+\.\d+/\d+/\d+-\d+$`)

// receiptIn finds the receipt in what produce printed: its table is searched for
// the token, anything else is taken as it is.
func receiptIn(text string) (string, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") || !strings.ContainsAny(text, " \t\n") {
		return text, nil
	}
	tokens := slices.DeleteFunc(strings.Fields(text), func(word string) bool { return !receiptToken.MatchString(word) })
	slices.Sort(tokens)
	switch tokens = slices.Compact(tokens); len(tokens) {
	case 0:
		return text, nil // which ParseReceipt refuses
	case 1:
		return tokens[0], nil
	}
	return "", fail.New(fail.Usage, "%d receipts in one text, want one", len(tokens))
}
