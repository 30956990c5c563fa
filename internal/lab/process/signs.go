package process

import "time"

const (
	// silence is how long a canary may stay away without a reason.
	silence = 10 * time.Second
	// startGrace is how long a MirrorMaker has after its start until its silence
	// is reported: it starts for 5 to 20 s and then looks for topics.
	startGrace = 30 * time.Second
	// mendAfter is how long a flow is down before its MirrorMaker is started
	// again; one that has carried nothing since its start has mendStart from
	// then on, or a busy machine would never get it started.
	mendAfter = 10 * time.Second
	mendStart = time.Minute
)

// signs are what is known of a flow, and from which it is judged.
type signs struct {
	carried time.Time // when the newest canary came
	excused time.Time // the last moment at which silence had a reason
	started time.Time // of the first MirrorMaker since then that has carried nothing
	down    time.Time // since when it is silent without a reason; zero when it is not
}

// look takes in a moment: excused is the last one up to now at which silence was
// to be expected, began the start of the MirrorMaker that runs. A MirrorMaker
// that ends again and again before it carries anything has the grace of its
// first start only.
func (s *signs) look(now, excused, began time.Time, delay time.Duration) {
	s.excused = later(s.excused, excused)
	if s.started.Before(later(s.carried, s.excused)) && began.After(s.carried) {
		s.started = began
	}
	limit := later(s.carried, s.excused).Add(silence)
	if s.started.After(s.carried) {
		limit = later(limit, s.started.Add(startGrace))
	}
	switch {
	case now.Before(limit.Add(2 * delay)):
		s.down = time.Time{}
	case s.down.IsZero():
		s.down = now
	}
}

// mendAt is when a flow that is down gets its MirrorMaker started again. One
// that did not help is repeated at growing intervals, and one that still starts
// is left alone.
func (s *signs) mendAt(began time.Time, restarts int) time.Time {
	if s.carried.After(began) {
		return s.down.Add(mendAfter)
	}
	return began.Add(mendStart << min(restarts, 3))
}

// silentFor is how long nothing has come.
func (s *signs) silentFor(now time.Time) time.Duration {
	return now.Sub(later(s.carried, s.started))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
