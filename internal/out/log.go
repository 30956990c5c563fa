package out

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	repeatWindow = time.Minute // how long repeats of a message are kept back
	repeatKinds  = 1000        // messages that are remembered at once
)

// NewLog makes the log of a command, as text. What repeats itself is kept back
// for a minute and then said with how often it was, since parts that try again
// would fill the terminal; with level debug everything is said.
func NewLog(w io.Writer, level slog.Level) *slog.Logger {
	var handler slog.Handler = slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	if level > slog.LevelDebug {
		handler = calm{Handler: handler, heard: &heard{kinds: map[string]*saying{}}}
	}
	return slog.New(handler)
}

// calm drops repeats of a message. The first of a kind always passes.
type calm struct {
	slog.Handler
	heard *heard
	about string // what the logger itself says of every message
}

// heard is what was said lately, shared by all loggers of a command.
type heard struct {
	mu    sync.Mutex
	kinds map[string]*saying
}

type saying struct {
	at   time.Time // when it was said
	more int       // times it was kept back since
}

// Handle passes a message on unless it was said within the window.
func (c calm) Handle(ctx context.Context, r slog.Record) error {
	more, say := c.heard.take(c.kind(r), r.Time)
	if !say {
		return nil
	}
	if more > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("repeated", more))
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs makes what every message says part of its kind.
func (c calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	c.Handler = c.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		c.about += subject(a)
	}
	return c
}

// WithGroup keeps groups of one name apart from others.
func (c calm) WithGroup(name string) slog.Handler {
	c.Handler = c.Handler.WithGroup(name)
	c.about += " " + name + "."
	return c
}

func (c calm) kind(r slog.Record) string {
	var b strings.Builder
	fmt.Fprint(&b, r.Level, " ", r.Message, c.about)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(subject(a))
		return true
	})
	return b.String()
}

var number = regexp.MustCompile(`[0-9]+`)

// subject is what an attribute says of the kind of a message. Texts and the
// partition tell what it is about, and errors why, whose numbers change from one
// try to the next; other numbers and times count the tries.
func subject(a slog.Attr) string {
	value := a.Value.Resolve()
	switch {
	case value.Kind() == slog.KindString || a.Key == "partition":
		return " " + a.Key + "=" + value.String()
	case value.Kind() == slog.KindAny:
		return " " + a.Key + "=" + number.ReplaceAllString(value.String(), "0")
	}
	return ""
}

// take reports whether a message is to be said, and how many like it were kept
// back before.
func (h *heard) take(kind string, now time.Time) (more int, say bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, known := h.kinds[kind]
	if known && now.Sub(last.at) < repeatWindow {
		last.more++
		return 0, false
	}
	if known {
		more = last.more
	}
	h.forget(now)
	h.kinds[kind] = &saying{at: now}
	return more, true
}

// forget makes room where the messages are of too many kinds: those that may be
// said again anyway, or all of them.
func (h *heard) forget(now time.Time) {
	if len(h.kinds) < repeatKinds {
		return
	}
	for kind, s := range h.kinds {
		if now.Sub(s.at) >= repeatWindow {
			delete(h.kinds, kind)
		}
	}
	if len(h.kinds) >= repeatKinds {
		clear(h.kinds)
	}
}
