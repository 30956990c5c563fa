package bridge

import "context"

// gate lets one goroutine at a time do slow work; those that wait give up when
// their own deadline passes, which a mutex would not let them.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
