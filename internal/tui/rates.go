package tui

import "github.com/geokv/geokv/internal/api"

// rateSpan is how many seconds of counts are kept.
const rateSpan = 64

// counter counts per second of wall time, over the last rateSpan seconds.
type counter struct {
	second [rateSpan]int64 // which second a slot holds
	n      [rateSpan]int32
}

func (c *counter) add(second int64) {
	i := int(second % rateSpan)
	if c.second[i] != second {
		c.second[i], c.n[i] = second, 0
	}
	c.n[i]++
}

func (c *counter) at(second int64) int {
	i := int(second % rateSpan)
	if second < 0 || c.second[i] != second {
		return 0
	}
	return int(c.n[i])
}

// rate is the mean of the last three whole seconds.
func (c *counter) rate(now int64) float64 {
	n := 0
	for s := now - 3; s < now; s++ {
		n += c.at(s)
	}
	return float64(n) / 3
}

// recent is the counts of the last n whole seconds, oldest first.
func (c *counter) recent(now int64, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = c.at(now - int64(n) + int64(i))
	}
	return out
}

// rates counts events and what each mirror link brought. An observation counts
// in the second it was made, so that what arrives late still stands in its place.
type rates struct {
	events counter
	flows  []counter // from*regions+to
	delays []int64   // of the newest event that each link brought
	newest []int64   // the second in which it did
	n      int
}

func newRates(regions int) *rates {
	return &rates{flows: make([]counter, regions*regions), delays: make([]int64, regions*regions), newest: make([]int64, regions*regions), n: regions}
}

// add counts the first sight of an event at its origin as one event, and a sight
// elsewhere as brought by a link.
func (r *rates) add(o *api.Observation, origin, place int) {
	if o.Kind != api.KindSeen || origin < 0 || place < 0 {
		return
	}
	second := o.AtMS / 1000
	if origin == place {
		r.events.add(second)
		return
	}
	i := origin*r.n + place
	r.flows[i].add(second)
	r.delays[i], r.newest[i] = o.DelayMS, second
}

// delay is how long the newest event took over a link, while it tells of now: a
// link that has brought nothing for a minute has none.
func (r *rates) delay(link int, now int64) (ms int64, known bool) {
	return r.delays[link], r.newest[link] != 0 && now-r.newest[link] <= 60
}

// sparkline renders counts as a row of bars, scaled to the highest.
func (c *common) sparkline(counts []int) string {
	top := 1
	for _, n := range counts {
		top = max(top, n)
	}
	text := ""
	for _, n := range counts {
		i := 0
		if n > 0 {
			i = 1 + n*(len(c.spark)-2)/top
		}
		text += c.spark[i]
	}
	return text
}
