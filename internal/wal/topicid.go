package wal

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicIDs returns the identity of topics in hexadecimal: it changes when a
// topic is deleted and made again, which a stored position cannot tell. Topics
// that do not exist are left out.
func (l *Log) TopicIDs(ctx context.Context, topics ...string) (map[string]string, error) {
	details, err := l.freshTopics(ctx, topics)
	if err != nil {
		return nil, l.explain(err, "list topics")
	}
	ids := map[string]string{}
	for topic, d := range details {
		if d.Err == nil {
			ids[topic] = hex.EncodeToString(d.ID[:])
		}
	}
	return ids, nil
}

// whyUnknown tells a topic that is gone from one that came back under a new id.
func (l *Log) whyUnknown(ctx context.Context, topic string) LossKind {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	topics, err := l.freshTopics(ctx, []string{topic})
	if err == nil && errors.Is(topics[topic].Err, kerr.UnknownTopicOrPartition) {
		return Deleted
	}
	return Recreated
}

// freshTopics asks a broker about topics. Plain ListTopics may answer from the
// client's cache; asking for the authorized operations as well goes past it.
func (l *Log) freshTopics(ctx context.Context, topics []string) (kadm.TopicDetails, error) {
	if len(topics) == 0 {
		return nil, nil // the broker would list every topic there is
	}
	return l.admin.ListTopics(kadm.WithAuthorizedOps(ctx), topics...)
}
