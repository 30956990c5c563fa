package out

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Progress is a bar on stderr that shows how far a long command is. Off a
// terminal it prints nothing, so that logs and pipes stay clean. It is safe for
// concurrent use.
type Progress struct {
	p       *Printer
	label   string
	total   int64
	wall    func() time.Time
	started time.Time

	mu    sync.Mutex
	drawn time.Time
	done  int64
}

const redraw = 100 * time.Millisecond

// Progress starts a bar towards total; total 0 means unknown. End it with Done.
func (p *Printer) Progress(label string, total int64, wall func() time.Time) *Progress {
	return &Progress{p: p, label: Safe(label), total: total, wall: wall, started: wall()}
}

// Set shows that done of the total are done. It draws at most ten times a second.
func (b *Progress) Set(done int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = done
	if now := b.wall(); b.p.ErrTTY && now.Sub(b.drawn) >= redraw {
		b.drawn = now
		fmt.Fprint(b.p.Err, "\r\x1b[K"+b.line(now))
	}
}

// SetTotal corrects the total, which may grow while a log is being read.
func (b *Progress) SetTotal(total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total = total
}

// Done clears the bar, so that the result starts on an empty line.
func (b *Progress) Done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.p.ErrTTY && !b.drawn.IsZero() {
		fmt.Fprint(b.p.Err, "\r\x1b[K")
	}
}

func (b *Progress) line(now time.Time) string {
	elapsed := now.Sub(b.started)
	rate := 0.0
	if elapsed > 0 {
		rate = float64(b.done) / elapsed.Seconds()
	}
	if b.total <= 0 {
		return fmt.Sprintf("%s %s  %s", b.label, Count(b.done), Rate(rate))
	}
	const cells = 24
	done := min(b.done, b.total)
	full := int(done * cells / b.total)
	bar := strings.Repeat("#", full) + strings.Repeat(".", cells-full)
	line := fmt.Sprintf("%s [%s] %3d%%  %s/%s  %s", b.label, bar, done*100/b.total, Count(b.done), Count(b.total), Rate(rate))
	if rate > 0 && done < b.total {
		left := time.Duration(float64(b.total-done) / rate * float64(time.Second))
		line += "  " + Duration(left) + " left"
	}
	return line
}
