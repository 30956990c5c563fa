package materializer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/pause"
	"github.com/geokv/geokv/internal/view"
)

// health remembers whether the view's Redis may hold a view: a server that
// evicts keys, is too old or follows another one accepts writes for a while and
// loses them later. All workers share one answer.
type health struct {
	view    View
	turn    chan struct{} // holds one token; who has it may touch what follows
	asked   time.Time
	verdict error
}

const checkEvery = time.Second

func newHealth(v View) *health {
	h := &health{view: v, turn: make(chan struct{}, 1)}
	h.turn <- struct{}{}
	return h
}

// check returns what is wrong, at most checkEvery old. Whether Redis can be
// reached at all is not its subject: whoever needs it finds out.
func (h *health) check(ctx context.Context) error {
	select {
	case <-h.turn:
		defer func() { h.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if h.asked.IsZero() || time.Since(h.asked) >= checkEvery {
		h.verdict = h.view.Check(ctx)
		var unfit *view.UnfitError
		if !errors.As(h.verdict, &unfit) { // it could not be asked
			h.verdict = nil
		}
		h.asked = time.Now()
	}
	return h.verdict
}

const foreignEvery = 10 * time.Minute

// watchForeignKeys looks now and then for keys that geokv did not write. They
// are left alone until a user key of the same name is written, which replaces
// them; a rebuild into another database would leave them behind.
func (m *Materializer) watchForeignKeys(ctx context.Context) {
	for {
		keys, err := m.cfg.View.ForeignKeys(ctx, 3)
		switch {
		case err != nil:
			m.log.Debug("look for foreign keys", "error", err)
		case len(keys) == 0:
			m.stats.alarms.Clear(api.AlarmForeignKeys, "")
		default:
			names := make([]string, len(keys))
			for i, key := range keys {
				names[i] = fmt.Sprintf("%q", key)
			}
			m.stats.alarms.Raise(api.AlarmForeignKeys, "", "the view's database holds keys that geokv did not write: "+strings.Join(names, ", "),
				"move them to a Redis or a database of their own")
		}
		if !pause.For(ctx, foreignEvery) {
			return
		}
	}
}
