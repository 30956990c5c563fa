package wal

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// loginRefused is what the client says when a broker refuses it.
const loginRefused = "unable to initialize sasl"

// clientLogger passes what the Kafka client says on to slog, one level lower:
// its Info is about its own workings, and what it warns of it tries again by
// itself, dozens of times a second while a broker is down. Whoever depends on an
// outcome is told by an error, a state or an alarm.
type clientLogger struct{ *slog.Logger }

// Level implements kgo.Logger.
func (l clientLogger) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case l.Enabled(ctx, slog.LevelDebug-4):
		return kgo.LogLevelDebug
	case l.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case l.Enabled(ctx, slog.LevelInfo):
		return kgo.LogLevelWarn
	default:
		return kgo.LogLevelError
	}
}

// Log implements kgo.Logger.
func (l clientLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	at := slog.LevelDebug - 4
	switch level {
	case kgo.LogLevelError:
		at = slog.LevelError
		if msg == loginRefused {
			at = slog.LevelInfo // whoever needs the broker is told, with a hint
		}
	case kgo.LogLevelWarn:
		at = slog.LevelInfo
	case kgo.LogLevelInfo:
		at = slog.LevelDebug
	}
	l.Logger.Log(context.Background(), at, "kafka client: "+msg, keyvals...)
}
