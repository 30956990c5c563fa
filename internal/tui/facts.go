package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
)

// factSentences says in plain words what a region's sidecars know about a key:
// who wrote last, what is counted, what is remembered of removed things.
func factSentences(f *api.Facts, names func(index int) string, now time.Time, zone *time.Location) []string {
	if f == nil {
		return nil
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	at := func(ms int64) string { return time.UnixMilli(ms).In(zone).Format("15:04:05.000") }
	if r := f.Register; r != nil {
		say("last %s: by %s at %s, stamp %d.%d", r.Op, names(r.Region), at(r.PhysicalMS), r.PhysicalMS, r.Logical)
	}
	if f.ExpireAtMS != 0 {
		say("%s", expiry(f.ExpireAtMS, now, zone))
	}
	if f.NewLife {
		say("increments after the expiry began a new count")
	}
	for _, t := range f.Newest {
		if r := f.Register; r != nil && r.PhysicalMS == t.PhysicalMS && r.Logical == t.Logical && r.Region == t.Region {
			continue // the same write
		}
		kind := t.Type + " "
		if len(f.Newest) == 1 {
			kind = ""
		}
		say("newest %swrite: by %s at %s", kind, names(t.Region), at(t.PhysicalMS))
	}
	for _, c := range f.Counters {
		say("%s", counterSentence(c))
	}
	if f.Exact != "" {
		say("the exact count is %s; the view shows what fits 64 bits", f.Exact)
	}
	if f.Elements > 0 {
		say("%s kept, one per member, field or entry", plural(f.Elements, "stamp", "stamps"))
	}
	if f.Tombstones > 0 {
		say("%s remembered, so that an older add cannot bring them back", plural(f.Tombstones, "removal", "removals"))
	}
	if f.TrimFloor != "" {
		say("the stream is trimmed below %s", f.TrimFloor)
	}
	if f.Late > 0 {
		say("%s came late and went to their place", plural(f.Late, "entry", "entries"))
	}
	if len(f.Parked) > 0 {
		say("hidden beside it, of another type: %s", strings.Join(f.Parked, ", "))
	}
	return out
}

func counterSentence(c api.CounterFact) string {
	text := fmt.Sprintf("counted from %s: %s kept one by one", c.Region, plural(c.Ring, "increment", "increments"))
	if c.Folded {
		text += ", older ones summed up"
	}
	return text + fmt.Sprintf("; the last is no. %d of its lane", c.Seq)
}

func expiry(ms int64, now time.Time, zone *time.Location) string {
	t := time.UnixMilli(ms)
	if left := t.Sub(now); left > 0 {
		return fmt.Sprintf("expires at %s, in %s", t.In(zone).Format("15:04:05"), millis(left.Milliseconds()))
	}
	return "expired at " + t.In(zone).Format("15:04:05")
}
