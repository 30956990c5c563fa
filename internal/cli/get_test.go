package cli

import (
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// A key that no write can have is not asked for.
func TestGetRefusesKeysThatCannotBe(t *testing.T) {
	for _, key := range []string{"", strings.Repeat("k", event.MaxKeyBytes+1), "k:meta", "geokv:pos"} {
		if _, err := (getOptions{}).query(key); fail.CodeOf(err) != fail.Usage {
			t.Errorf("%.20q: error %v, want USAGE", key, err)
		}
	}
	if _, err := (getOptions{}).query(strings.Repeat("k", event.MaxKeyBytes)); err != nil {
		t.Error(err)
	}
}
