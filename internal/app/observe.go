package app

import (
	"github.com/geokv/geokv/internal/wal"
	"github.com/geokv/geokv/internal/watch"
)

func (a *App) addObserver(r *region) error {
	r.observer = watch.NewObserver(watch.ObserverConfig{
		Region: r.Region, Topics: a.cfg.Cluster.Topology.Topics(),
		Log: watch.LogOf(r.log), View: r.db, Decoder: a.codec, Hub: a.hub,
		Wall: a.cfg.Wall, From: wal.AtEnd, Logger: a.cfg.Logger,
	})
	return nil
}

// Events is the stream of observations of this process's observers.
func (a *App) Events() *watch.Hub { return a.hub }
