package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/tui"
)

// tuiSource shows a running server to the terminal interface. A cluster that is
// stopped and started again answers at another address: when the one that is
// known is silent, find is asked for the one that runs now.
type tuiSource struct {
	find func(ctx context.Context) (*client.Client, error) // nil: the address never changes

	mu    sync.Mutex
	now   *client.Client
	asked time.Time
}

var _ tui.Source = (*tuiSource)(nil)

// findPause keeps a silent cluster from being looked for at every question.
const findPause = time.Second

func (s *tuiSource) client() *client.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// lookAgain takes over another address after a failure, when there is one.
func (s *tuiSource) lookAgain(ctx context.Context, failed *client.Client, err error) {
	if s.find == nil || fail.CodeOf(err) != fail.Unavailable {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != failed || time.Since(s.asked) < findPause {
		return
	}
	s.asked = time.Now()
	if found, err := s.find(ctx); err == nil && found.URL() != failed.URL() {
		s.now = found
	}
}

// through asks the server, and looks for it when it does not answer.
func through[T any](ctx context.Context, s *tuiSource, ask func(*client.Client) (T, error)) (T, error) {
	c := s.client()
	answer, err := ask(c)
	s.lookAgain(ctx, c, err)
	return answer, err
}

var errMoved = errors.New("the cluster answers at another address")

// Follow reads the event stream, of the cluster that runs now.
func (s *tuiSource) Follow(ctx context.Context, recent int, each func(tui.News) error) error {
	for {
		c := s.client()
		err := c.Follow(ctx, client.Follow{Recent: recent}, func(m client.Message) error {
			if m.Down != nil {
				s.lookAgain(ctx, c, m.Down)
			}
			if s.client() != c {
				return errMoved
			}
			return each(newsOf(m))
		})
		if err != nil && !errors.Is(err, errMoved) {
			s.lookAgain(ctx, c, err)
		}
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

func newsOf(m client.Message) tui.News {
	n := tui.News{Observations: m.Observations, Down: m.Down, Connected: m.Hello != nil}
	if m.Reset != nil {
		n.Connected, n.Observations = true, m.Reset.Events
		n.Lost = uint64(max(m.Reset.Skipped, 0))
	}
	if m.Lost != nil {
		n.Lost = m.Lost.Count
	}
	return n
}

// Status reports on every region.
func (s *tuiSource) Status(ctx context.Context) (api.Report, error) {
	return through(ctx, s, func(c *client.Client) (api.Report, error) { return c.Status(ctx) })
}

// State reads the demo keys of a region.
func (s *tuiSource) State(ctx context.Context, region string) (api.RegionState, error) {
	return s.client().State(ctx, region)
}

// Key reads a key of a region.
func (s *tuiSource) Key(ctx context.Context, q api.KeyQuery) (api.KeyPage, error) {
	return s.client().Key(ctx, q)
}

// Produce writes an operation.
func (s *tuiSource) Produce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	return s.client().Produce(ctx, op)
}

// Plan says what Produce would write.
func (s *tuiSource) Plan(ctx context.Context, op event.Operation) (api.Plan, error) {
	return s.client().Plan(ctx, op)
}

// Sim tells the simulator's state.
func (s *tuiSource) Sim(ctx context.Context) (api.Sim, error) { return s.client().Sim(ctx) }

// StartSim starts the simulator.
func (s *tuiSource) StartSim(ctx context.Context, start api.SimStart) (api.Sim, error) {
	return s.client().StartSim(ctx, start)
}

// StopSim stops it.
func (s *tuiSource) StopSim(ctx context.Context) (api.Sim, error) { return s.client().StopSim(ctx) }

// SetSimRate changes its rate.
func (s *tuiSource) SetSimRate(ctx context.Context, rate float64) (api.Sim, error) {
	return s.client().SetSimRate(ctx, rate)
}

// Lab tells what can be broken.
func (s *tuiSource) Lab(ctx context.Context) (api.Lab, error) { return s.client().Lab(ctx) }

// CutLink cuts one mirror direction.
func (s *tuiSource) CutLink(ctx context.Context, f geo.Flow) (api.Lab, error) {
	return s.client().CutLink(ctx, f)
}

// HealLink heals it.
func (s *tuiSource) HealLink(ctx context.Context, f geo.Flow) (api.Lab, error) {
	return s.client().HealLink(ctx, f)
}

// DelayLink delays it.
func (s *tuiSource) DelayLink(ctx context.Context, f geo.Flow, d time.Duration) (api.Lab, error) {
	return s.client().DelayLink(ctx, f, d)
}

// StopRegion takes a region's Kafka away.
func (s *tuiSource) StopRegion(ctx context.Context, region string) (api.Lab, error) {
	return s.client().StopRegion(ctx, region)
}

// StartRegion brings it back.
func (s *tuiSource) StartRegion(ctx context.Context, region string) (api.Lab, error) {
	return s.client().StartRegion(ctx, region)
}
