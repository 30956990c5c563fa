// Package alarm is the book in which a part of geokv notes what somebody should
// look at. An alarm is an episode: it begins when it is first raised on its
// subject, counts what raised it since, and ends when it is cleared or its time
// has come.
package alarm

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
)

// Book holds alarms by code (api.Alarm...) and subject: a partition, a topic, a
// region; "" for the part as a whole. It is safe for concurrent use.
type Book struct {
	wall func() time.Time

	mu   sync.Mutex
	open map[id]*episode
}

type id struct{ code, subject string }

type episode struct {
	api.Alarm
	until time.Time // it ends by itself; zero: when it is cleared
}

// NewBook makes an empty book; wall says when alarms begin and end.
func NewBook(wall func() time.Time) *Book { return &Book{wall: wall, open: map[id]*episode{}} }

// Raise starts or keeps an alarm and reports whether it is new. The message is
// the latest one, behind the subject.
func (b *Book) Raise(code, subject, message, hint string) (fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.episode(code, subject)
	e.Count++
	e.say(subject, message, hint)
	return !known
}

// RaiseUntil is Raise of an alarm that ends by itself. The latest end counts,
// and what was said with it.
func (b *Book) RaiseUntil(end time.Time, code, subject, message, hint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, _ := b.episode(code, subject)
	e.Count++
	if end.After(e.until) {
		e.until = end
		e.say(subject, message, hint)
	}
}

// Measure is Raise of an alarm whose count is known.
func (b *Book) Measure(count int64, code, subject, message, hint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, _ := b.episode(code, subject)
	e.Count = count
	e.say(subject, message, hint)
}

// episode returns the alarm that holds, or a new one. Guarded by mu.
func (b *Book) episode(code, subject string) (e *episode, known bool) {
	b.expire()
	at := id{code, subject}
	if e, known = b.open[at]; !known {
		e = &episode{Alarm: api.Alarm{Code: code, SinceMS: b.wall().UnixMilli()}}
		b.open[at] = e
	}
	return e, known
}

func (e *episode) say(subject, message, hint string) {
	if subject != "" {
		message = subject + ": " + message
	}
	e.Message, e.Hint = message, hint
}

// expire ends the alarms whose time has come. Guarded by mu.
func (b *Book) expire() {
	now := b.wall()
	maps.DeleteFunc(b.open, func(_ id, e *episode) bool { return !e.until.IsZero() && !now.Before(e.until) })
}

// Clear ends an alarm.
func (b *Book) Clear(code, subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, id{code, subject})
}

// Find returns the alarm on a subject; ok is false when none holds.
func (b *Book) Find(code, subject string) (a api.Alarm, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	if e := b.open[id{code, subject}]; e != nil {
		return e.Alarm, true
	}
	return a, false
}

// List returns the alarms that hold, by code and message; never nil.
func (b *Book) List() []api.Alarm {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	list := []api.Alarm{}
	for _, e := range b.open {
		list = append(list, e.Alarm)
	}
	Sort(list)
	return list
}

// Sort orders alarms by code and message.
func Sort(list []api.Alarm) {
	slices.SortFunc(list, func(x, y api.Alarm) int {
		return cmp.Or(strings.Compare(x.Code, y.Code), strings.Compare(x.Message, y.Message))
	})
}
