package out

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/geokv/geokv/internal/fail"
)

func TestPartlyDoneKeepsCodeAndHint(t *testing.T) {
	var stderr bytes.Buffer
	p := Printer{Err: &stderr, Format: JSONL}
	err := fmt.Errorf("produce: %w", &PartlyDone{fail.New(fail.Rejected, "2 of 3 lines failed").WithHint("see above")})
	if code := p.Error(err); code != ExitError {
		t.Errorf("exit status %d, want 1", code)
	}
	if want := `{"error":{"code":"REJECTED","message":"produce: 2 of 3 lines failed","hint":"see above"}}` + "\n"; stderr.String() != want {
		t.Errorf("got  %s\nwant %s", stderr.String(), want)
	}
}
