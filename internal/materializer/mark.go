package materializer

import "context"

// mark keeps the view's own note that it is not whole, so that whoever starts
// while it is rebuilt, or after a crash, does not take it for whole. It is set
// before the first batch of a life that is not whole, and removed at its end.
type mark struct {
	view  View
	stats *stats
	turn  chan struct{} // holds one token; who has it may touch the note and what follows
	life  int           // the one in which it was set; -1 none
}

func newMark(v View, s *stats) *mark {
	k := &mark{view: v, stats: s, turn: make(chan struct{}, 1), life: -1}
	k.turn <- struct{}{}
	return k
}

// set makes sure that a view that is not whole says so.
func (k *mark) set(ctx context.Context) error {
	return k.inTurn(ctx, func() error {
		life, whole := k.stats.now()
		if whole || life == k.life {
			return nil
		}
		err := k.view.MarkRebuilding(ctx)
		if err == nil {
			k.life = life
		}
		return err
	})
}

// remove ends a life's rebuild: the view is whole, and says so.
func (k *mark) remove(ctx context.Context, life int) error {
	return k.inTurn(ctx, func() error {
		if now, whole := k.stats.now(); whole || life != now {
			return nil
		}
		k.life = -1
		err := k.view.EndRebuilding(ctx)
		if err == nil {
			k.stats.reach(life, 100, true)
		}
		return err
	})
}

func (k *mark) inTurn(ctx context.Context, do func() error) error {
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return do()
}
