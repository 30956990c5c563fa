package out

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// logged runs say with a log of a level, in virtual time, and returns its lines.
func logged(t *testing.T, level slog.Level, say func(*slog.Logger)) []string {
	t.Helper()
	var text bytes.Buffer
	synctest.Test(t, func(*testing.T) { say(NewLog(&text, level)) })
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// retry is what a broker that is down makes a client say, several times a second.
func retry(log *slog.Logger, times int) {
	for i := range times {
		log.Error("group manage loop errored", "err", fmt.Errorf("dial tcp 127.0.0.1:%d: refused", 40000+i), "consecutive_errors", i, "backoff", time.Duration(i))
		log.Warn("joining again", "error", errors.New("refused"))
		time.Sleep(500 * time.Millisecond)
	}
}

func TestLogSaysRepeatsOnceAMinute(t *testing.T) {
	lines := logged(t, slog.LevelWarn, func(log *slog.Logger) { retry(log.With("kafka", "us"), 121) })
	if len(lines) != 4 || strings.Contains(lines[0]+lines[1], "repeated") ||
		!strings.Contains(lines[2], "loop errored") || !strings.HasSuffix(lines[2], "repeated=119") || !strings.HasSuffix(lines[3], "repeated=119") {
		t.Errorf("said %q", lines)
	}
}

// What is about something else, or has another reason, is no repeat.
func TestLogSaysTheFirstOfEachKind(t *testing.T) {
	refused := errors.New("refused")
	lines := logged(t, slog.LevelWarn, func(log *slog.Logger) {
		us, eu := log.With("kafka", "us"), log.With("kafka", "eu")
		for range 10 {
			us.Warn("down", "error", refused)
			us.Error("down", "error", refused)
			eu.Warn("down", "error", refused)
			us.Warn("down", "error", errors.New("disk full"))
			us.Warn("down", "topic", "us.events")
			us.Warn("stopped", "partition", 3)
			us.Warn("stopped", "partition", 5)
			us.WithGroup("mirror").Warn("down", "error", refused)
			us.Info("below the level")
		}
	})
	if len(lines) != 8 {
		t.Errorf("%d lines, want 8: %q", len(lines), lines)
	}
}

// After a silence a message is news again, with what was kept back before.
func TestLogAfterASilence(t *testing.T) {
	lines := logged(t, slog.LevelWarn, func(log *slog.Logger) {
		log.Warn("flow is down", "flow", "us->eu")
		log.Warn("flow is down", "flow", "us->eu")
		time.Sleep(time.Hour)
		log.Warn("flow is down", "flow", "us->eu")
		time.Sleep(time.Hour)
		log.Warn("flow is down", "flow", "us->eu")
	})
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "repeated=1") || strings.Contains(lines[2], "repeated") {
		t.Errorf("said %q", lines)
	}
}

func TestLogOfLevelDebugSaysEverything(t *testing.T) {
	if lines := logged(t, slog.LevelDebug, func(log *slog.Logger) { retry(log, 50) }); len(lines) != 100 {
		t.Errorf("%d lines, want 100", len(lines))
	}
}

// Messages of ever new kinds are not remembered for ever.
func TestLogRemembersABoundedNumber(t *testing.T) {
	h := &heard{kinds: map[string]*saying{}}
	now := time.Unix(0, 0)
	for i := range 10 * repeatKinds {
		if _, say := h.take(fmt.Sprint(i), now.Add(time.Duration(i)*time.Millisecond)); !say {
			t.Fatalf("kind %d was not said", i)
		}
	}
	if len(h.kinds) > repeatKinds {
		t.Errorf("%d kinds are remembered", len(h.kinds))
	}
}
