package client

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// healthTimeout is how long a server may take to say that it lives: it needs
// nothing for it.
const healthTimeout = 10 * time.Second

// Health asks whether the server lives.
func (c *Client) Health(ctx context.Context) (h api.Health, err error) {
	ctx, cancel := within(ctx, min(c.timeout, healthTimeout))
	defer cancel()
	err = c.call(ctx, http.MethodGet, "/api/health", nil, nil, &h)
	return h, err
}

// Ready returns nil when every region that the server serves can read and write,
// otherwise what is missing.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := within(ctx, c.timeout)
	defer cancel()
	resp, err := c.send(ctx, http.MethodGet, "/readyz", nil, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.failure(resp)
	}
	return nil
}

// Status asks for the state of every region.
func (c *Client) Status(ctx context.Context) (r api.Report, err error) {
	err = c.get(ctx, "/api/status", nil, &r)
	return r, err
}

// Produce writes. A nil error means durable, or, by the receipt's outcome,
// unknown; an error means that certainly nothing was written. A request that
// was sent and got no answer is unknown too: the receipt then has only what the
// operation said. Retrying an unknown write is safe with an EventID and to the
// same region.
func (c *Client) Produce(ctx context.Context, op event.Operation) (event.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return event.Receipt{}, err
	}
	var receipt event.Receipt
	err := c.post(ctx, "/api/produce", op, &receipt)
	if err == nil || certainlyNotWritten(err) {
		return receipt, err
	}
	return event.Receipt{EventID: op.EventID, Region: op.Region, Partition: geo.PartitionOf(op.Key), Offset: -1, Outcome: event.FateUnknown}, nil
}

// certainlyNotWritten tells a refusal, and a request that was never sent, from
// a request whose answer got lost.
func certainlyNotWritten(err error) bool {
	var lost *transportError
	if errors.As(err, &lost) {
		return lost.unsent
	}
	return !errors.Is(err, context.Canceled)
}

// Plan asks what Produce would write.
func (c *Client) Plan(ctx context.Context, op event.Operation) (p api.Plan, err error) {
	err = c.post(ctx, "/api/plan", op, &p)
	return p, err
}

// Key reads one key of one region.
func (c *Client) Key(ctx context.Context, q api.KeyQuery) (p api.KeyPage, err error) {
	query := url.Values{"k": {base64.RawURLEncoding.EncodeToString(q.Key)}}
	setIf(query, "cursor", q.Cursor)
	setInt(query, "limit", int64(q.Limit))
	if q.Type != crdt.None {
		query.Set("type", q.Type.String())
	}
	path := "/api/regions/" + url.PathEscape(q.Region) + "/key"
	if q.Limit == api.WholeValue { // may be large: waits as long as the caller does
		query.Set("limit", "0")
		err = c.call(ctx, http.MethodGet, path, query, nil, &p)
		return p, err
	}
	err = c.get(ctx, path, query, &p)
	return p, err
}

// Keys lists key names of one region, one page at a time.
func (c *Client) Keys(ctx context.Context, q api.KeysQuery) (l api.KeyList, err error) {
	query := url.Values{}
	setIf(query, "match", q.Match)
	setIf(query, "cursor", q.Cursor)
	setInt(query, "limit", int64(q.Limit))
	err = c.get(ctx, "/api/regions/"+url.PathEscape(q.Region)+"/keys", query, &l)
	return l, err
}

// State reads the demo keys of one region.
func (c *Client) State(ctx context.Context, region string) (s api.RegionState, err error) {
	err = c.get(ctx, "/api/regions/"+url.PathEscape(region)+"/state", nil, &s)
	return s, err
}

// Await returns when the regions have applied the write; no regions means all.
// Past the timeout the error has code TIMEOUT and names the regions that lack it.
func (c *Client) Await(ctx context.Context, r event.Receipt, regions []string, timeout time.Duration) (a api.Awaited, err error) {
	query := url.Values{"receipt": {r.Token()}}
	setIf(query, "regions", strings.Join(regions, ","))
	setInt(query, "timeout_ms", timeout.Milliseconds())
	ctx, cancel := within(ctx, timeout+c.timeout)
	defer cancel()
	err = c.call(ctx, http.MethodGet, "/api/await", query, nil, &a)
	return a, err
}

// Log reads a bounded part of the logs and calls emit for each event, in the
// order of the stamps.
func (c *Client) Log(ctx context.Context, q api.LogQuery, emit func(api.Observation) error) error {
	query := url.Values{"limit": {strconv.Itoa(q.Limit)}} // said even when 0: left out it means the server's default
	setInt(query, "since_ms", q.SinceMS)
	setInt(query, "until_ms", q.UntilMS)
	resp, err := c.send(ctx, http.MethodGet, "/api/log", query, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.failure(resp)
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err != nil:
			return c.unreachable(ctx, err) // the last line always ends in a line break
		}
		if err := emitLine(line, emit); err != nil {
			return err
		}
	}
}

// emitLine takes an observation, or the error object that ends a failed reading.
func emitLine(line []byte, emit func(api.Observation) error) error {
	var failed struct {
		Error *api.ErrorDetail `json:"error"`
	}
	if err := json.Unmarshal(line, &failed); err == nil && failed.Error != nil {
		return failed.Error.Fail()
	}
	var o api.Observation
	if err := json.Unmarshal(line, &o); err != nil {
		return fail.Wrap(fail.Internal, err, "read a line of the log")
	}
	return emit(o)
}

// Sim asks for the simulator's state.
func (c *Client) Sim(ctx context.Context) (s api.Sim, err error) {
	err = c.get(ctx, "/api/sim", nil, &s)
	return s, err
}

// StartSim starts the simulator.
func (c *Client) StartSim(ctx context.Context, start api.SimStart) (s api.Sim, err error) {
	err = c.post(ctx, "/api/sim/start", start, &s)
	return s, err
}

// StopSim stops the simulator.
func (c *Client) StopSim(ctx context.Context) (s api.Sim, err error) {
	err = c.post(ctx, "/api/sim/stop", nil, &s)
	return s, err
}

// SetSimRate changes the simulator's rate without a restart.
func (c *Client) SetSimRate(ctx context.Context, rate float64) (s api.Sim, err error) {
	err = c.post(ctx, "/api/sim/rate", api.SimRate{Rate: rate}, &s)
	return s, err
}

// Lab asks what may be broken on purpose.
func (c *Client) Lab(ctx context.Context) (l api.Lab, err error) {
	err = c.get(ctx, "/api/lab", nil, &l)
	return l, err
}

// CutLink stops one mirror direction, HealLink lets it go on, DelayLink slows
// it down.
func (c *Client) CutLink(ctx context.Context, f geo.Flow) (api.Lab, error) {
	return c.link(ctx, f, api.LinkAction{Action: api.ActionCut})
}

// HealLink is the opposite of CutLink.
func (c *Client) HealLink(ctx context.Context, f geo.Flow) (api.Lab, error) {
	return c.link(ctx, f, api.LinkAction{Action: api.ActionHeal})
}

// DelayLink puts a delay on one mirror direction; 0 takes it away.
func (c *Client) DelayLink(ctx context.Context, f geo.Flow, d time.Duration) (api.Lab, error) {
	return c.link(ctx, f, api.LinkAction{Action: api.ActionDelay, DelayMS: d.Milliseconds()})
}

func (c *Client) link(ctx context.Context, f geo.Flow, a api.LinkAction) (l api.Lab, err error) {
	err = c.post(ctx, "/api/lab/links/"+url.PathEscape(f.From)+"/"+url.PathEscape(f.To), a, &l)
	return l, err
}

// StopRegion takes a region's Kafka away.
func (c *Client) StopRegion(ctx context.Context, region string) (api.Lab, error) {
	return c.region(ctx, region, api.ActionStop)
}

// StartRegion brings it back.
func (c *Client) StartRegion(ctx context.Context, region string) (api.Lab, error) {
	return c.region(ctx, region, api.ActionStart)
}

// region waits as long as the caller does: a real broker takes its time.
func (c *Client) region(ctx context.Context, region, action string) (l api.Lab, err error) {
	err = c.call(ctx, http.MethodPost, "/api/lab/regions/"+url.PathEscape(region), nil, api.RegionAction{Action: action}, &l)
	return l, err
}

func setIf(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setInt(q url.Values, name string, value int64) {
	if value != 0 {
		q.Set(name, strconv.FormatInt(value, 10))
	}
}
