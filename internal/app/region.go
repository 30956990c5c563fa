package app

import (
	"context"
	"strings"

	"github.com/geokv/geokv/internal/bridge"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/materializer"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
	"github.com/geokv/geokv/internal/watch"
)

// region is one region's parts in this process; those without a role are nil.
type region struct {
	geo.Region
	endpoint config.RegionEndpoint

	log *wal.Log
	db  *view.DB

	bridge       *bridge.Bridge
	materializer *materializer.Materializer
	observer     *watch.Observer
}

func (a *App) openRegion(ctx context.Context, endpoint config.RegionEndpoint) (*region, error) {
	r := &region{Region: endpoint.Region, endpoint: endpoint}
	var err error
	if r.log, err = openLog(a.cfg, endpoint); err != nil {
		return r, err
	}
	if r.db, err = openView(a.cfg, endpoint); err != nil {
		return r, err
	}
	if a.cfg.Roles.Write {
		if err := a.addBridge(ctx, r); err != nil {
			return r, err
		}
	}
	if a.cfg.Roles.Materialize {
		if err := a.addMaterializer(r); err != nil {
			return r, err
		}
	}
	if a.cfg.Roles.Observe {
		return r, a.addObserver(r)
	}
	return r, nil
}

func (r *region) close() {
	if r.log != nil {
		r.log.Close()
	}
	if r.db != nil {
		_ = r.db.Close() // nothing is written through it any more
	}
}

func openLog(cfg Config, endpoint config.RegionEndpoint) (*wal.Log, error) {
	c := wal.Config{
		Brokers: endpoint.Brokers, Dial: cfg.DialKafka,
		Logger: cfg.Logger.With("kafka", endpoint.Region.Name),
	}
	if sasl := endpoint.Kafka.SASL; sasl != nil {
		c.SASL = &wal.SASL{Mechanism: sasl.Mechanism, User: sasl.User, Password: sasl.Password.Reveal()}
	}
	if endpoint.Kafka.TLS != nil {
		tls, err := endpoint.Kafka.TLS.Config()
		if err != nil {
			return nil, err
		}
		c.TLS = tls
	}
	return wal.Open(c)
}

func openView(cfg Config, endpoint config.RegionEndpoint) (*view.DB, error) {
	c := view.Config{
		URL: endpoint.RedisURL.Reveal(), DB: -1, Dial: cfg.DialRedis,
		Logger: cfg.Logger.With("redis", endpoint.Region.Name),
	}
	if endpoint.RedisTLS != nil {
		tls, err := endpoint.RedisTLS.Config()
		if err != nil {
			return nil, err
		}
		c.TLS = tls
	}
	db, err := view.Open(c)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "open the view of region %s", endpoint.Region.Name).
			WithHint("correct regions.%s.redis.url in the configuration", endpoint.Region.Name)
	}
	return db, nil
}

func (a *App) addBridge(ctx context.Context, r *region) (err error) {
	r.bridge, err = bridge.Open(ctx, bridge.Config{
		Region: r.Region, Topics: a.cfg.Cluster.Topology.Topics(),
		Log: r.log, Codec: a.codec, Guard: r.db, Positions: r.db, Leases: r.db,
		Alone: a.cfg.FreshViews, Wall: a.cfg.Wall, Logger: a.cfg.Logger,
	})
	return err
}

// addMaterializer shares the bridge's clock when there is one, so that whatever
// this process applies is before whatever it stamps next.
func (a *App) addMaterializer(r *region) (err error) {
	var clock materializer.Clock = hlc.NewClock(r.Index, a.cfg.Wall)
	if r.bridge != nil {
		clock = r.bridge
	}
	log := materializer.LogOf(r.log)
	r.materializer, err = materializer.New(materializer.Config{
		Region: r.Region, Topology: a.cfg.Cluster.Topology,
		Log: log, View: r.db, Decoder: a.codec, Clock: clock,
		History:    materializer.LogHistory{Log: r.log, Decoder: a.codec},
		Quarantine: &materializer.LogQuarantine{Append: r.log.Append, Wall: a.cfg.Wall},
		Wall:       a.cfg.Wall, Logger: a.cfg.Logger, FreshView: a.cfg.FreshViews,
	})
	return err
}

func joinNames(names []string) string { return strings.Join(names, ", ") }
