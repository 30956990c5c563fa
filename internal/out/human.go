package out

import (
	"fmt"
	"strconv"
	"time"
)

// Duration renders a time span with two significant units: 0s, 340ms, 1.25s,
// 2m03s, 3h04m, 5d06h.
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-d)
	}
	switch {
	case d == 0:
		return "0s"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < 10*time.Second:
		return trimZeros(strconv.FormatFloat(d.Truncate(10*time.Millisecond).Seconds(), 'f', 2, 64)) + "s"
	case d < time.Minute:
		return trimZeros(strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64)) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// Millis is Duration of milliseconds, as reports hold them.
func Millis(ms int64) string { return Duration(time.Duration(ms) * time.Millisecond) }

// Bytes renders a size in binary units: 512 B, 1.5 KiB, 12 MiB.
func Bytes(n int64) string {
	if n < 0 {
		return "-" + Bytes(-n)
	}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n)/1024, 0
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for value >= 1023.95 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return short(value) + " " + units[unit]
}

// Count renders a whole number with thousands separated: 1,234,567.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// short renders a number with one decimal below ten and none above a hundred.
func short(f float64) string {
	if f >= 99.95 || f <= -99.95 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return trimZeros(strconv.FormatFloat(f, 'f', 1, 64))
}

func trimZeros(s string) string {
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}
