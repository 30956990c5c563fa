package fold

import (
	"context"
	"maps"
	"slices"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
)

// Model returns the engine that is the reference model.
func Model() Engine { return model{} }

type model struct{}

// fold with a chunk size folds each chunk by itself and joins the results.
func (model) fold(ctx context.Context, p *part, chunk int, now int64, emit func(crdt.View) error) error {
	total, current := map[string]*crdt.Key{}, map[string]*crdt.Key{}
	if chunk <= 0 {
		current = total
	}
	n := 0
	err := p.events(ctx, func(e event.Event) error {
		k := current[string(e.Key)]
		if k == nil {
			k = &crdt.Key{}
			current[string(e.Key)] = k
		}
		k.Apply(e)
		if n++; chunk > 0 && n%chunk == 0 {
			join(total, current)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if chunk > 0 {
		join(total, current)
	}
	for _, key := range slices.Sorted(maps.Keys(total)) {
		if err := emit(total[key].View([]byte(key), now)); err != nil {
			return err
		}
		delete(total, key)
	}
	return nil
}

// join merges the keys of from into total and empties from.
func join(total, from map[string]*crdt.Key) {
	for key, k := range from {
		if t := total[key]; t != nil {
			t.Merge(k)
		} else {
			total[key] = k
		}
	}
	clear(from)
}

// events parses the part's events in the order of the input, repeats included.
func (p *part) events(ctx context.Context, fn func(event.Event) error) error {
	r := p.records()
	for n := 0; ; n++ {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e, err := parse(r.line)
		if err == nil {
			err = fn(e)
		}
		if err != nil {
			return err
		}
	}
}
