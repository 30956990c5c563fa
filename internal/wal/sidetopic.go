package wal

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// EnsureSideTopic creates a topic of one partition, with the broker's default
// settings, unless it exists. It is for records that nothing depends on, such as
// the quarantine; event topics are EnsureTopics' business.
func (l *Log) EnsureSideTopic(ctx context.Context, name string, o TopicOptions) error {
	replication := int16(-1)
	if o.Replication > 0 {
		replication = int16(o.Replication)
	}
	responses, err := l.admin.CreateTopics(ctx, 1, replication, nil, name)
	if err == nil {
		err = responses[name].Err
	}
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return l.explain(err, "create topic "+name)
}
