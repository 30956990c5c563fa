package wal

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/pause"
)

// EnsureTopics creates the event topics that are missing and checks those that
// exist: own is the topic that this cluster's bridge produces into (it alone
// gets the timestamp bound), all names every topic including own. The error is
// a *fail.Error around a *TopicError when a topic would lose data and was not
// repaired.
//
// It never deletes or shortens anything. Repair stops further loss; what a wrong
// setting has destroyed already stays destroyed.
func (l *Log) EnsureTopics(ctx context.Context, own string, all []string, o TopicOptions) error {
	found, err := l.CheckTopics(ctx, own, all, o)
	if err != nil {
		return err
	}
	if err := l.create(ctx, own, missing(found), o); err != nil {
		return err
	}
	if o.Repair {
		if err := l.repair(ctx, found); err != nil {
			return err
		}
	}
	// What counts is what the broker says afterwards. A new topic may take a
	// moment to be known to it.
	for tries := 1; ; tries++ {
		if found, err = l.CheckTopics(ctx, own, all, o); err != nil {
			return err
		}
		if len(missing(found)) == 0 {
			break
		}
		if !pause.For(ctx, backoff(tries)) {
			return l.explain(ctx.Err(), "wait for new topics")
		}
	}
	if lost := losing(found); len(lost) > 0 {
		return fail.Wrap(fail.Rejected, &TopicError{lost}, "check topics: their settings would lose data").
			WithHint("set them with kafka-configs --alter as named; what they destroyed already is not brought back")
	}
	return nil
}

// CheckTopics compares without changing anything. A missing topic is a finding
// with setting "exists". Findings come in the order of all.
func (l *Log) CheckTopics(ctx context.Context, own string, all []string, o TopicOptions) ([]Finding, error) {
	topics, err := l.describe(ctx, all)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, name := range all {
		d, ok := topics[name]
		if !ok {
			found = append(found, Finding{name, "exists", "no", "yes", "nothing can be written to it or mirrored into it", true})
			continue
		}
		found = append(found, d.differences(name == own, o)...)
	}
	return found, nil
}

func missing(found []Finding) (topics []string) {
	for _, f := range found {
		if f.Setting == "exists" {
			topics = append(topics, f.Topic)
		}
	}
	return topics
}

// describe returns the topics that exist.
func (l *Log) describe(ctx context.Context, names []string) (map[string]described, error) {
	const doing = "describe topics"
	details, err := l.freshTopics(ctx, names)
	if err != nil {
		return nil, l.explain(err, doing)
	}
	topics := map[string]described{}
	var present []string
	for _, name := range names {
		d, ok := details[name]
		if !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if d.Err != nil {
			return nil, l.explain(d.Err, "describe "+name)
		}
		present = append(present, name)
		topics[name] = described{
			name: name, partitions: len(d.Partitions),
			replication: d.Partitions.NumReplicas(), configs: map[string]string{},
		}
	}
	if len(present) == 0 {
		return topics, nil
	}
	resources, err := l.admin.DescribeTopicConfigs(ctx, present...)
	if err != nil {
		return nil, l.explain(err, doing)
	}
	for _, r := range resources {
		if errors.Is(r.Err, kerr.UnknownTopicOrPartition) {
			delete(topics, r.Name)
			continue
		}
		if r.Err != nil {
			return nil, l.explain(r.Err, "describe "+r.Name)
		}
		for _, c := range r.Configs {
			topics[r.Name].configs[c.Key] = c.MaybeValue()
		}
	}
	return topics, nil
}

func (l *Log) create(ctx context.Context, own string, names []string, o TopicOptions) error {
	replication := int16(-1)
	if o.Replication > 0 {
		replication = int16(o.Replication)
	}
	for _, name := range names {
		responses, err := l.admin.CreateTopics(ctx, geo.Partitions, replication, created(name == own, o.MinISR), name)
		if err != nil {
			return l.explain(err, "create topic "+name)
		}
		switch r := responses[name]; {
		case r.Err == nil, errors.Is(r.Err, kerr.TopicAlreadyExists):
		case errors.Is(r.Err, kerr.InvalidConfig):
			return fail.Wrap(fail.Rejected, brokerError(r.Err, r.ErrMessage), "create topic %s", name).
				WithHint("geokv needs Kafka 3.6 or newer (message.timestamp.after.max.ms)")
		case errors.Is(r.Err, kerr.InvalidReplicationFactor):
			return fail.Wrap(fail.Rejected, brokerError(r.Err, r.ErrMessage), "create topic %s with replication factor %d", name, replication).
				WithHint("set the replication factor to the number of brokers at most")
		default:
			return l.explain(brokerError(r.Err, r.ErrMessage), "create topic "+name)
		}
	}
	return nil
}

// repair sets every repairable difference of topics that exist.
func (l *Log) repair(ctx context.Context, found []Finding) error {
	configs := map[string][]kadm.AlterConfig{}
	for _, f := range found {
		switch {
		case !f.Repairable || f.Setting == "exists":
		case f.Setting == "partitions":
			if err := l.addPartitions(ctx, f.Topic); err != nil {
				return err
			}
		default:
			configs[f.Topic] = append(configs[f.Topic], kadm.AlterConfig{Op: kadm.SetConfig, Name: f.Setting, Value: &f.Want})
		}
	}
	for topic, changes := range configs {
		responses, err := l.admin.AlterTopicConfigs(ctx, changes, topic)
		if err != nil {
			return l.explain(err, "repair topic "+topic)
		}
		for _, r := range responses {
			if r.Err != nil {
				return l.explain(brokerError(r.Err, r.ErrMessage), "repair topic "+topic)
			}
		}
	}
	return nil
}

// addPartitions is safe for event topics although it is not for others: geokv
// computes an event's partition modulo geo.Partitions whatever the topic has.
func (l *Log) addPartitions(ctx context.Context, topic string) error {
	responses, err := l.admin.UpdatePartitions(ctx, geo.Partitions, topic)
	if err != nil {
		return l.explain(err, "add partitions to "+topic)
	}
	for _, r := range responses {
		if r.Err != nil {
			return l.explain(brokerError(r.Err, r.ErrMessage), "add partitions to "+topic)
		}
	}
	return nil
}

func brokerError(err error, message string) error {
	if message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}
