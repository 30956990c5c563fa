package cli

import (
	"bytes"
	"strings"
	"testing"
)

// What was logged behind the screen is said when it is gone, but for warnings,
// which the screen has shown.
func TestHeldLogIsSaidBehindTheScreen(t *testing.T) {
	for level, want := range map[string]string{"warn": "error", "info": "info warn error", "error": "error"} {
		var stderr bytes.Buffer
		s := &session{env: Env{Err: &stderr}, logLevel: level}
		release := s.holdLog()
		s.log.Info("info")
		s.log.Warn("warn")
		s.log.Error("error")
		if stderr.Len() > 0 {
			t.Errorf("%s: said at once: %s", level, stderr.String())
		}
		release()
		var said []string
		for line := range strings.Lines(stderr.String()) {
			_, message, _ := strings.Cut(strings.TrimSpace(line), "msg=")
			said = append(said, message)
		}
		if got := strings.Join(said, " "); got != want {
			t.Errorf("--log-level %s: said %q, want %q", level, got, want)
		}
	}
}
