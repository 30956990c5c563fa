package cli

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
)

// reporter is a backend that only has reports to give.
type reporter struct {
	backend
	status func(ctx context.Context, asked int) (api.Report, error)
	asked  int
}

func (r *reporter) Status(ctx context.Context) (api.Report, error) {
	r.asked++
	return r.status(ctx, r.asked)
}

func TestAwaitConverged(t *testing.T) {
	refused := fail.New(fail.Unavailable, "connection refused")
	behind := api.Report{AtMS: 1}
	for name, c := range map[string]struct {
		status func(ctx context.Context, asked int) (api.Report, error)
		want   fail.Code // "" for convergence
		took   time.Duration
	}{
		"it converges": {func(_ context.Context, asked int) (api.Report, error) {
			return api.Report{AtMS: 1, Converged: asked == 3}, nil
		}, "", 2 * time.Second},
		"it does not": {func(context.Context, int) (api.Report, error) { return behind, nil }, fail.Diverged, time.Minute},
		"the server goes away": {func(_ context.Context, asked int) (api.Report, error) {
			if asked == 3 {
				return api.Report{}, refused
			}
			return behind, nil
		}, fail.Unavailable, 2 * time.Second},
		"it never answers": {func(ctx context.Context, _ int) (api.Report, error) {
			<-ctx.Done()
			return api.Report{}, ctx.Err()
		}, fail.Timeout, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				last, err := awaitConverged(t.Context(), &reporter{status: c.status}, time.Second, time.Minute)
				if c.want == "" && (err != nil || !last.Converged) || c.want != "" && (err == nil || fail.CodeOf(err) != c.want) {
					t.Errorf("got %+v, %v, want code %q", last, err, c.want)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
			})
		})
	}
}

func TestAwaitConvergedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		behind := &reporter{status: func(context.Context, int) (api.Report, error) { return api.Report{AtMS: 1}, nil }}
		if _, err := awaitConverged(ctx, behind, time.Second, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's end: an interrupt is no divergence", err)
		}
	})
}
