// Package view is Redis as a materialized view of the log: it turns events into
// one atomic merge per batch (the scripts of package lua), keeps the consume
// position beside the data, and reads views, facts and leases back.
//
// A Redis that lost its tail has lost data and position together, so it heals
// by being fed again. Whatever goes wrong, the compare-and-set on the position
// decides whether a batch took effect: after any error other than those named
// at Apply, read the position again before applying.
package view

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

// Config says how to reach one region's Redis.
type Config struct {
	URL    string                                                            // redis://[user:password@]host:port[/db] or rediss://
	DB     int                                                               // database to use instead of the URL's; -1 keeps the URL's
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error) // nil: TCP
	TLS    *tls.Config                                                       // nil: as the URL says
	Logger *slog.Logger                                                      // nil: discards
}

// LeaseDB is the database of slot leases and event-id reservations, which is
// never swapped and never flushed; the view is in another one.
const LeaseDB = 2

// DB is one region's Redis. It is safe for concurrent use.
type DB struct {
	cfg     Config
	clients clients
	scripts scripts
	probe   probe
}

// Close ends all connections.
func (db *DB) Close() error { return db.clients.close() }

// Ping answers whether the server replies at all.
func (db *DB) Ping(ctx context.Context) error { return db.clients.read.Ping(ctx).Err() }

// Time returns the server's clock and the round trip the question took.
func (db *DB) Time(ctx context.Context) (time.Time, time.Duration, error) {
	started := time.Now()
	t, err := db.clients.read.Time(ctx).Result()
	return t, time.Since(started), err
}
