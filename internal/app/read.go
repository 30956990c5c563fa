package app

import (
	"context"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/sim"
)

// demoElements is how much of a demo key is read: the sets of the simulated shop
// are smaller, in ten regions too, so they can be compared.
const demoElements = 500

// Key reads one key of one region, with its sidecar facts. A key that holds
// nothing is an empty view, not an error.
func (a *App) Key(ctx context.Context, q api.KeyQuery) (api.KeyPage, error) {
	r, err := a.reader(q.Region)
	if err != nil {
		return api.KeyPage{}, err
	}
	if len(q.Key) == 0 || len(q.Key) > event.MaxKeyBytes {
		return api.KeyPage{}, fail.New(fail.Usage, "read a key of %d bytes, want 1 to %d", len(q.Key), event.MaxKeyBytes)
	}
	if q.Limit == 0 {
		q.Limit = api.DefaultPage
	}
	page, err := a.readKey(ctx, r, q)
	if err != nil {
		return api.KeyPage{}, r.unreadable(err)
	}
	return page, nil
}

func (a *App) readKey(ctx context.Context, r *region, q api.KeyQuery) (api.KeyPage, error) {
	now := a.cfg.Wall().UnixMilli()
	found := a.inspect(r)
	page, err := readElements(ctx, found, q, now)
	if err != nil {
		return api.KeyPage{}, err
	}
	answer := api.KeyPage{Region: r.Name, AtMS: now, View: page.View, Total: page.Total, Next: page.Next, Facts: &found.Facts}
	return answer, checkType(q, page.View)
}

// checkType answers a question for one type: the visible value or a parked one.
func checkType(q api.KeyQuery, v crdt.View) error {
	if q.Type == crdt.None || v.Type == q.Type || v.Type == crdt.None {
		return nil
	}
	if slices.ContainsFunc(v.Parked, func(p crdt.Value) bool { return p.Type == q.Type }) {
		return nil
	}
	return fail.New(fail.WrongType, "read %q as %s: it holds a %s", q.Key, q.Type, v.Type)
}

// State reads the demo keys of a region.
func (a *App) State(ctx context.Context, name string) (api.RegionState, error) {
	r, err := a.reader(name)
	if err != nil {
		return api.RegionState{}, err
	}
	state := api.RegionState{Region: name, AtMS: a.cfg.Wall().UnixMilli()}
	for _, key := range demoKeys() {
		page, err := a.readKey(ctx, r, api.KeyQuery{Key: []byte(key), Limit: demoElements})
		if err != nil {
			return api.RegionState{}, r.unreadable(err)
		}
		state.Keys = append(state.Keys, page)
	}
	return state, nil
}

// demoKeys are the keys of the simulated shop.
func demoKeys() []string {
	keys := []string{sim.SalesKey, sim.CartKey, sim.LeaderboardKey, sim.OrdersKey, sim.VIPKey, sim.LastSeenKey}
	for _, product := range sim.Catalog() {
		keys = append(keys, sim.InventoryKey(product.SKU))
	}
	slices.Sort(keys)
	return keys
}

// reader returns a region whose view may be read: one that is being rebuilt
// would show half-built values.
func (a *App) reader(name string) (*region, error) {
	r, err := a.region(name)
	if err != nil {
		return nil, err
	}
	return r, r.whole()
}

// unreadable makes a reading error one that says which region's Redis failed.
func (r *region) unreadable(err error) error {
	if fail.CodeOf(err) != fail.Internal {
		return err
	}
	found := r.db.Explain(err)
	return fail.Wrap(found.Code, found, "read region %s", r.Name).WithHint("%s", found.Hint)
}
