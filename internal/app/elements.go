package app

import (
	"context"
	"strconv"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/view"
)

// elementReader is the part of view.DB that reads values.
type elementReader interface {
	ReadPage(ctx context.Context, key []byte, o view.ReadOptions) (view.Page, error)
}

// readElements reads a value from q.Cursor on, at most q.Limit elements of it,
// or with api.WholeValue all of it as of one instant. Redis returns sorted sets
// and streams as asked; what it returns of sets and hashes is cut here.
func readElements(ctx context.Context, db elementReader, q api.KeyQuery, now int64) (view.Page, error) {
	if q.Limit < 0 {
		return db.ReadPage(ctx, q.Key, view.ReadOptions{Now: now, Most: api.MaxWhole})
	}
	from, err := parseCursor(q.Cursor)
	if err != nil && !ofStream(ctx, db, q, now) {
		return view.Page{}, err
	}
	o := view.ReadOptions{Now: now, Limit: q.Limit, Cursor: q.Cursor}
	if from.within {
		o.Cursor = strconv.FormatUint(from.scan, 10)
	}
	page, err := db.ReadPage(ctx, q.Key, o)
	if err != nil {
		return page, err
	}
	end, _ := strconv.ParseUint(page.Next, 10, 64) // "" is the end
	switch v := &page.View; v.Type {
	case crdt.Set:
		v.Members, from = cut(v.Members, itself, from, end, q.Limit)
	case crdt.Hash:
		v.Fields, from = cut(v.Fields, func(f event.FieldValue) []byte { return f.Field }, from, end, q.Limit)
	default:
		return page, nil
	}
	page.Next = from.String()
	return page, nil
}

// ofStream reports whether the cursor is a stream's and the key holds one:
// elsewhere Redis would fail on it.
func ofStream(ctx context.Context, db elementReader, q api.KeyQuery, now int64) bool {
	if _, err := event.ParseStreamID(q.Cursor); err != nil {
		return false
	}
	page, err := db.ReadPage(ctx, q.Key, view.ReadOptions{Now: now, Limit: 1})
	return err != nil || page.View.Type == crdt.Stream
}

func itself(name []byte) []byte { return name }
