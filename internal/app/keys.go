package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// Bounds of the work for one page of keys. Sparse patterns find little in much:
// their pages may be short, or empty with a cursor.
const (
	scanCount   = 1000 // names looked at in one call, about
	scanMost    = 100  // calls
	defaultKeys = 1000
)

// Keys lists names of keys in one region, a page at a time.
func (a *App) Keys(ctx context.Context, q api.KeysQuery) (api.KeyList, error) {
	r, err := a.reader(q.Region)
	if err != nil {
		return api.KeyList{}, err
	}
	if q.Limit <= 0 {
		q.Limit = defaultKeys
	}
	from, err := parseCursor(q.Cursor)
	if err != nil {
		return api.KeyList{}, err
	}
	keys, next, err := pageOfKeys(ctx, r.db.Scan, q, from)
	if err != nil {
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

// pageOfKeys returns at most q.Limit keys. What one call of scan brings is put
// in byte order, and a page that ends within it says after which key to go on.
// A key that stays is never left out: the call is made again, and only when it
// ends at another cursor than before, so that it covered other keys, is it
// handed out whole, at the price of a longer page with repeated keys.
func pageOfKeys(ctx context.Context, scan scan, q api.KeysQuery, from keysCursor) ([][]byte, keysCursor, error) {
	var page [][]byte
	for range scanMost {
		keys, next, err := scan(ctx, from.scan, q.Match, min(max(q.Limit, 100), scanCount))
		if err != nil {
			return nil, keysCursor{}, err
		}
		slices.SortFunc(keys, bytes.Compare)
		keys = slices.CompactFunc(keys, bytes.Equal)
		room := q.Limit - len(page)
		switch {
		case from.within && from.end != next:
			room = len(keys)
		case from.within:
			at, found := slices.BinarySearchFunc(keys, from.after, bytes.Compare)
			if found {
				at++
			}
			keys = keys[at:]
		}
		if len(keys) > room {
			return append(page, keys[:room]...), keysCursor{scan: from.scan, within: true, end: next, after: keys[room-1]}, nil
		}
		page, from = append(page, keys...), keysCursor{scan: next}
		if next == 0 || len(page) >= q.Limit {
			break
		}
	}
	return page, from, nil
}

// keysCursor is where the next page of keys begins: at a cursor of the scan, or
// within what the scan returns for it. The zero cursor is the start and the end.
type keysCursor struct {
	scan   uint64
	within bool
	end    uint64 // where the call ended that the last page was cut from
	after  []byte // the last key of that page
}

// String renders the cursor for the URL; "" at the end.
func (c keysCursor) String() string {
	switch {
	case c.within:
		return fmt.Sprintf("%d-%d-%s", c.scan, c.end, base64.RawURLEncoding.EncodeToString(c.after))
	case c.scan == 0:
		return ""
	}
	return strconv.FormatUint(c.scan, 10)
}

// parseCursor reads what String writes.
func parseCursor(text string) (c keysCursor, err error) {
	if text == "" {
		return c, nil
	}
	parts := strings.SplitN(text, "-", 3)
	numbers := []*uint64{&c.scan, &c.end}
	if c.within = len(parts) == 3; c.within {
		c.after, err = base64.RawURLEncoding.DecodeString(parts[2])
		parts = parts[:2]
	}
	for i, part := range parts {
		var failed error
		*numbers[i], failed = strconv.ParseUint(part, 10, 64)
		err = errors.Join(err, failed)
	}
	if err != nil || len(parts) == 2 && !c.within {
		return c, fail.New(fail.Usage, "cursor %q is not one that a page of keys ended with", text)
	}
	return c, nil
}
