package process

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// link is the TCP proxy before the listener of one flow.
type link struct {
	flow geo.Flow

	mu      sync.Mutex
	proxy   *toxiproxy.Proxy
	state   linkState
	delay   time.Duration
	touched time.Time // the last change, from which silence is counted
}

type linkState uint8

const (
	open    linkState = iota
	refused           // connections break and are refused
	hole              // connections stay and nothing arrives
)

// Names of the toxics on a link.
const (
	holeUp, holeDown, delayDown = "hole-up", "hole-down", "delay"
)

func (c *Cluster) openLinks() error {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for _, f := range c.cfg.Topology.Flows() {
		proxy := toxiproxy.NewProxy(server, f.String(), loopback(c.ports.Link[f.String()]), loopback(c.ports.Mirror[f.String()]))
		if err := proxy.Start(); err != nil {
			return fail.Wrap(fail.Unavailable, err, "open the proxy of flow %s", f).WithHint("another program took its port just now: try again")
		}
		c.links[f] = &link{flow: f, proxy: proxy, touched: time.Now()}
	}
	return nil
}

func (c *Cluster) with(f geo.Flow, do func(*link) error) error {
	l, ok := c.links[f]
	if !ok {
		return fail.New(fail.NotFound, "no flow %s", f).WithHint("geokv status lists the flows")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touched = time.Now()
	return do(l)
}

// Cut implements lab.Cluster: connections of the flow break and are refused.
// What MirrorMaker had read before may still arrive.
func (c *Cluster) Cut(f geo.Flow) error {
	return c.with(f, func(l *link) error {
		if l.state == hole {
			l.fill()
		}
		if l.state != refused {
			l.proxy.Stop()
		}
		l.state = refused
		return nil
	})
}

// BlackHole cuts a flow so that nobody is told: connections stay, new ones are
// taken, and nothing arrives.
func (c *Cluster) BlackHole(f geo.Flow) error {
	return c.with(f, func(l *link) error {
		if l.state == hole {
			return nil
		}
		if err := l.reopen(); err != nil {
			return err
		}
		l.state = hole
		for name, stream := range map[string]string{holeUp: "upstream", holeDown: "downstream"} {
			if err := l.add(fmt.Sprintf(`{"name":%q,"type":"timeout","stream":%q,"attributes":{"timeout":0}}`, name, stream)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Heal implements lab.Cluster.
func (c *Cluster) Heal(f geo.Flow) error {
	return c.with(f, func(l *link) error {
		if l.state == hole {
			l.fill()
		}
		return l.reopen()
	})
}

// Delay implements lab.Cluster.
func (c *Cluster) Delay(f geo.Flow, d time.Duration) error {
	if d < 0 {
		return fail.New(fail.Usage, "delay %s by %v: want 0 or more", f, d)
	}
	return c.with(f, func(l *link) error {
		l.remove(delayDown)
		l.delay = d
		if d == 0 {
			return nil
		}
		return l.add(fmt.Sprintf(`{"name":%q,"type":"latency","stream":"downstream","attributes":{"latency":%d}}`, delayDown, d.Milliseconds()))
	})
}

// reopen lets a refused link take connections again.
func (l *link) reopen() error {
	if l.state == refused {
		if err := l.proxy.Start(); err != nil {
			return fail.Wrap(fail.Unavailable, err, "open the proxy of flow %s again", l.flow).WithHint("end the program that took its port, or restart the cluster")
		}
	}
	l.state = open
	return nil
}

// fill ends a black hole. What was lost in it is lost for its connections, so
// they end.
func (l *link) fill() {
	l.remove(holeUp)
	l.remove(holeDown)
	l.state = open
}

func (l *link) add(toxic string) error {
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fail.Wrap(fail.Internal, err, "change the link of flow %s", l.flow)
	}
	return nil
}

func (l *link) remove(name string) {
	_ = l.proxy.Toxics.RemoveToxic(context.Background(), name) // an error says that it is not there
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proxy.Stop()
}

// now returns the link's condition.
func (l *link) now() (state linkState, delay time.Duration, touched time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.delay, l.touched
}

// Links implements lab.Cluster.
func (c *Cluster) Links() []api.LabLink {
	links := []api.LabLink{}
	for _, f := range c.cfg.Topology.Flows() {
		state, delay, _ := c.links[f].now()
		l := api.LabLink{From: f.From, To: f.To, State: api.FlowUp, DelayMS: delay.Milliseconds()}
		switch silent, detail := c.canary.silent(f); {
		case state != open:
			l.State = api.FlowCut
		case silent:
			l.State, l.Detail = api.FlowDown, detail
		}
		links = append(links, l)
	}
	return links
}
