package app

import (
	"bytes"
	"context"
	"slices"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
)

// Bounds of the work for one page of keys. Sparse patterns find little in much:
// their pages may be short, or empty with a cursor.
const (
	scanCount = 1000 // names looked at in one call, about
	scanMost  = 100  // calls
)

// Keys lists names of keys in one region, a page at a time.
func (a *App) Keys(ctx context.Context, q api.KeysQuery) (api.KeyList, error) {
	r, err := a.reader(q.Region)
	if err != nil {
		return api.KeyList{}, err
	}
	if q.Limit <= 0 {
		q.Limit = api.DefaultPage
	}
	from, err := parseCursor(q.Cursor)
	if err != nil {
		return api.KeyList{}, err
	}
	keys, next, err := pageOfKeys(ctx, r.db.Scan, q, from)
	if err != nil {
		return api.KeyList{}, r.unreadable(err)
	}
	if err := r.stood(ctx); err != nil {
		return api.KeyList{}, r.unreadable(err)
	}
	list := api.KeyList{Region: r.Name, Keys: make([]event.Bytes, len(keys)), Cursor: next.String()}
	for i, k := range keys {
		list.Keys[i] = k
	}
	return list, nil
}

// scan is view.DB.Scan: its n is only a hint, so that one call may return far
// more keys than asked for, or all there are.
type scan func(ctx context.Context, cursor uint64, match string, n int) ([][]byte, uint64, error)

// pageOfKeys returns at most q.Limit keys, unless what scanCursor.cut says.
func pageOfKeys(ctx context.Context, scan scan, q api.KeysQuery, from scanCursor) ([][]byte, scanCursor, error) {
	var page [][]byte
	for range scanMost {
		keys, next, err := scan(ctx, from.scan, q.Match, min(max(q.Limit, 100), scanCount))
		if err != nil {
			return nil, scanCursor{}, err
		}
		slices.SortFunc(keys, bytes.Compare)
		keys, from = cut(keys, itself, from, next, q.Limit-len(page))
		page = append(page, keys...)
		if from == (scanCursor{}) || from.within || len(page) >= q.Limit {
			break
		}
	}
	return page, from, nil
}
