package app

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// scanCursor is where the next page of a scan begins: at a cursor of Redis' own,
// or within what Redis returns for it, since the number asked for is only a hint
// there: it may be all at once. The zero value is the start and the end.
type scanCursor struct {
	scan   uint64
	within bool
	end    uint64 // where the call ended that the last page was cut from
	after  string // name of that page's last element
}

// cut makes a page of at most room elements from what Redis returned for the
// cursor from, in byte order of their names, and says where the next one begins.
// An element that stays is never left out: the call is made again for the rest,
// and only when it ends elsewhere than before, so that it covered others, is it
// handed out whole, at the price of one longer page with repeated elements.
func cut[E any](list []E, name func(E) []byte, from scanCursor, end uint64, room int) ([]E, scanCursor) {
	list = slices.CompactFunc(list, func(a, b E) bool { return bytes.Equal(name(a), name(b)) })
	switch {
	case from.within && from.end != end:
		room = len(list)
	case from.within:
		at := slices.IndexFunc(list, func(e E) bool { return bytes.Compare(name(e), []byte(from.after)) > 0 })
		if at < 0 {
			at = len(list)
		}
		list = list[at:]
	}
	if len(list) <= room {
		return list, scanCursor{scan: end}
	}
	return list[:room], scanCursor{scan: from.scan, within: true, end: end, after: string(name(list[room-1]))}
}

// String renders the cursor for the URL; "" at the end.
func (c scanCursor) String() string {
	switch {
	case c.within:
		return fmt.Sprintf("%d-%d-%s", c.scan, c.end, base64.RawURLEncoding.EncodeToString([]byte(c.after)))
	case c.scan == 0:
		return ""
	}
	return strconv.FormatUint(c.scan, 10)
}

// parseCursor reads what String writes.
func parseCursor(text string) (c scanCursor, err error) {
	if text == "" {
		return c, nil
	}
	parts := strings.SplitN(text, "-", 3)
	numbers := []*uint64{&c.scan, &c.end}
	if c.within = len(parts) == 3; c.within {
		var after []byte
		after, err = base64.RawURLEncoding.DecodeString(parts[2])
		c.after = string(after)
		parts = parts[:2]
	}
	for i, part := range parts {
		var failed error
		*numbers[i], failed = strconv.ParseUint(part, 10, 64)
		err = errors.Join(err, failed)
	}
	if err != nil || len(parts) == 2 && !c.within {
		return c, fail.New(fail.Usage, "cursor %q is not one that a page ended with", text)
	}
	return c, nil
}
