package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/out"
)

// An interrupt ends what reads standard input although it stays open and
// silent, as a terminal does.
func TestInterruptEndsReadersOfAnOpenInput(t *testing.T) {
	for _, line := range []string{"fold", "mm2 check -"} {
		ctx, interrupt := context.WithCancel(t.Context())
		var stderr bytes.Buffer
		code := Main(ctx, Env{
			Args: strings.Fields(line), In: silence{interrupt}, Out: io.Discard, Err: &stderr, Dir: t.TempDir(),
		})
		if code != out.ExitInterrupted {
			t.Errorf("geokv %s: exit status %d, want %d; stderr %s", line, code, out.ExitInterrupted, &stderr)
		}
	}
}

// silence is a terminal at which nobody types anything but an interrupt.
type silence struct{ interrupt func() }

func (s silence) Read([]byte) (int, error) {
	s.interrupt()
	select {}
}

func TestInterruptiblePassesEverything(t *testing.T) {
	broken := errors.New("broken")
	text, err := io.ReadAll(interruptible(t.Context(), io.MultiReader(strings.NewReader("all of it"), failing{broken})))
	if string(text) != "all of it" || !errors.Is(err, broken) {
		t.Errorf("read %q, %v", text, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
