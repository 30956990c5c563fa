package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// when reads a point in time as Unix milliseconds: "" and "beginning" are 0, a
// duration is that long ago, otherwise RFC 3339, a date, or Unix milliseconds.
func when(text string, now time.Time) (int64, error) {
	switch text {
	case "", "beginning":
		return 0, nil
	case "now":
		return now.UnixMilli(), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UnixMilli(), nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n).UnixMilli(), nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t.UnixMilli(), nil
		}
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return ms, nil
	}
	return 0, fmt.Errorf("time %q: want 5m, 2h, 3d, 2006-01-02T15:04:05Z, Unix milliseconds or beginning", text)
}
