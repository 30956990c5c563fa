package process

import (
	"testing"
	"time"
)

// story replays a flow's life second by second.
type story struct {
	*testing.T
	signs
	now, excused, began time.Time
	delay               time.Duration
}

func newStory(t *testing.T) *story {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &story{T: t, now: at, excused: at, began: at}
}

// pass lets seconds go by, each with the same event, and returns the second
// after which the flow was down, -1 for never.
func (s *story) pass(seconds int, each func()) (down int) {
	down = -1
	for i := range seconds {
		s.now = s.now.Add(time.Second)
		if each != nil {
			each()
		}
		s.look(s.now, s.excused, s.began, s.delay)
		if down < 0 && !s.down.IsZero() {
			down = i + 1
		}
	}
	return down
}

func (s *story) carry()   { s.carried = s.now }
func (s *story) excuse()  { s.excused = s.now }
func (s *story) restart() { s.began = s.now.Add(time.Millisecond) }

func (s *story) within(what string, got, from, to int) {
	s.Helper()
	if got < from || got > to {
		s.Errorf("%s: down after %d s, want %d to %d", what, got, from, to)
	}
}

func TestSilentMirrorIsNoticed(t *testing.T) {
	s := newStory(t)
	s.within("while it carries", s.pass(100, s.carry), -1, -1)
	s.within("alive and silent", s.pass(60, nil), 9, 30)
	if due := s.mendAt(s.began, 0); due.After(s.now) {
		t.Errorf("it is not started again until %s later", due.Sub(s.now))
	}
	s.carry()
	s.within("carrying again", s.pass(5, nil), -1, -1)
}

func TestMirrorThatNeverCarriesIsNoticed(t *testing.T) {
	s := newStory(t)
	s.within("never carried", s.pass(60, nil), 20, 30)
}

func TestStartingMirrorIsLeftAlone(t *testing.T) {
	s := newStory(t)
	s.pass(100, s.carry)
	s.restart()
	s.within("killed and starting for 25 s", s.pass(25, nil), -1, -1)
	s.pass(20, nil)
	if due := s.mendAt(s.began, 0); !due.After(s.now) {
		t.Error("a MirrorMaker is killed 45 s after its start, before it was ready")
	}
	if first, third := s.mendAt(s.began, 0), s.mendAt(s.began, 2); !third.After(first.Add(time.Minute)) {
		t.Error("restarts that do not help do not become rarer")
	}
}

func TestMirrorThatKeepsEndingIsDown(t *testing.T) {
	s := newStory(t)
	s.pass(100, s.carry)
	seconds := 0
	down := s.pass(120, func() {
		if seconds%7 == 0 {
			s.restart()
		}
		seconds++
	})
	s.within("ends every 7 s", down, 20, 32)
}

func TestReasonsExcuseSilence(t *testing.T) {
	s := newStory(t)
	s.pass(100, s.carry)
	s.within("cut for five minutes", s.pass(300, s.excuse), -1, -1)
	s.within("healed, and nothing comes", s.pass(60, nil), 9, 30)

	s = newStory(t)
	s.pass(100, s.carry)
	s.pass(300, func() { s.excuse(); s.restart() })
	s.within("a MirrorMaker that starts as the reason ends", s.pass(28, nil), -1, -1)

	s = newStory(t)
	s.delay = 5 * time.Second
	s.pass(100, s.carry)
	s.within("slow link", s.pass(60, nil), 19, 30)
}
