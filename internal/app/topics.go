package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/wal"
)

// RegionTopics is what one region's Kafka has of the event topics.
type RegionTopics struct {
	Region   string        `json:"region"`
	Findings []wal.Finding `json:"findings"`          // differences that remain, advice included
	Problem  string        `json:"problem,omitempty"` // why nothing is known about the region's topics
}

// EnsureTopics creates the event topics that are missing on every region's Kafka
// and, with o.Repair, sets right what can be without loss. The error is a
// *fail.Error that names the first region whose topics would lose data or whose
// Kafka cannot be reached; the answer tells about all regions up to that one.
func EnsureTopics(ctx context.Context, cluster config.Cluster, o wal.TopicOptions, logger *slog.Logger) ([]RegionTopics, error) {
	var all []RegionTopics
	for _, endpoint := range cluster.Regions {
		found, err := ensureRegion(ctx, cluster, endpoint, o, logger)
		topics := RegionTopics{Region: endpoint.Region.Name, Findings: append([]wal.Finding{}, found...)}
		if err != nil && len(found) == 0 {
			topics.Problem = err.Error()
		}
		all = append(all, topics)
		if err != nil {
			return all, fmt.Errorf("region %s: %w", endpoint.Region.Name, err)
		}
	}
	return all, nil
}

func ensureRegion(ctx context.Context, cluster config.Cluster, endpoint config.RegionEndpoint, o wal.TopicOptions, logger *slog.Logger) ([]wal.Finding, error) {
	log, err := openLog(Config{Logger: logger}, endpoint)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := log.Ping(ctx); err != nil {
		return nil, err
	}
	own, topics := endpoint.Region.Topic(), cluster.Topology.Topics()
	ensured := log.EnsureTopics(ctx, own, topics, o)
	found, err := log.CheckTopics(ctx, own, topics, o)
	if ensured != nil {
		return found, ensured
	}
	return found, err
}
