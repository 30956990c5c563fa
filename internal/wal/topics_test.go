package wal

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

var threeTopics = geo.Default().Topics() // us, eu, ap

func emptyKafka(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEnsureTopicsCreatesThemAsDocumented(t *testing.T) {
	kafka := emptyKafka(t)
	l := openLog(t, kafka)
	options := TopicOptions{Replication: 3, MinISR: 2}
	for range 2 { // the second time they exist
		if err := l.EnsureTopics(deadline(t), euTopic, threeTopics, options); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range threeTopics {
		info := kafka.TopicInfo(name)
		if info == nil {
			t.Fatalf("%s was not created", name)
		}
		after := "9223372036854775807"
		if name == euTopic { // the cluster's own topic, and no other
			after = "2000"
		}
		for config, want := range map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
			"max.message.bytes": "1048576", "message.timestamp.type": "CreateTime",
			"message.timestamp.after.max.ms": after, "min.insync.replicas": "2",
			"unclean.leader.election.enable": "false",
		} {
			got := "not set"
			if v := info.Configs[config]; v != nil {
				got = *v
			}
			if got != want {
				t.Errorf("%s: %s is %s, want %s", name, config, got, want)
			}
		}
		if n := len(kafka.PartitionInfos(name)); n != geo.Partitions {
			t.Errorf("%s has %d partitions", name, n)
		}
	}
	found, err := l.CheckTopics(deadline(t), euTopic, threeTopics, options)
	if err != nil || len(found) != 0 {
		t.Errorf("check after create: %v, %v", found, err)
	}
}

// Every setting that loses data refuses the topic by name; with Repair what can
// be set right is, and what cannot is still refused.
func TestTopicsThatLoseDataAreRefusedOrRepaired(t *testing.T) {
	for name, test := range map[string]struct {
		topic      string
		partitions int32
		configs    map[string]string
		setting    string
		loses      string
		repairable bool
	}{
		"compacted":       {usTopic, 12, map[string]string{"cleanup.policy": "compact"}, "cleanup.policy", "counters", true},
		"compact,delete":  {usTopic, 12, map[string]string{"cleanup.policy": "compact,delete"}, "cleanup.policy", "counters", true},
		"seven days":      {euTopic, 12, map[string]string{"retention.ms": "604800000"}, "retention.ms", "rebuilt", true},
		"bounded size":    {usTopic, 12, map[string]string{"retention.bytes": "1000000"}, "retention.bytes", "rebuilt", true},
		"small messages":  {usTopic, 12, map[string]string{"max.message.bytes": "1000"}, "max.message.bytes", "large events", true},
		"append time":     {usTopic, 12, map[string]string{"message.timestamp.type": "LogAppendTime"}, "message.timestamp.type", "rejected", true},
		"own unbounded":   {euTopic, 12, map[string]string{"message.timestamp.after.max.ms": unbounded}, "message.timestamp.after.max.ms", "future", true},
		"own one hour":    {euTopic, 12, map[string]string{"message.timestamp.after.max.ms": "3600000"}, "message.timestamp.after.max.ms", "future", true},
		"own too narrow":  {euTopic, 12, map[string]string{"message.timestamp.after.max.ms": "100"}, "message.timestamp.after.max.ms", "future", true},
		"mirror one hour": {usTopic, 12, map[string]string{"message.timestamp.after.max.ms": "3600000"}, "message.timestamp.after.max.ms", "mirror", true},
		"old stamps":      {usTopic, 12, map[string]string{"message.timestamp.before.max.ms": "1000"}, "message.timestamp.before.max.ms", "mirror", true},
		"few partitions":  {usTopic, 3, nil, "partitions", "partition", true},
		"many partitions": {usTopic, 13, nil, "partitions", "partition", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka := emptyKafka(t)
			right := map[string]string{}
			for config, value := range created(test.topic == euTopic, 0) {
				right[config] = *value
			}
			for config, value := range test.configs {
				right[config] = value
			}
			if err := kafka.CreateTopic(test.topic, test.partitions, right); err != nil {
				t.Fatal(err)
			}
			l := openLog(t, kafka)
			err := l.EnsureTopics(deadline(t), euTopic, threeTopics, TopicOptions{})
			var refused *TopicError
			if !errors.As(err, &refused) || fail.CodeOf(err) != fail.Rejected || fail.HintOf(err) == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			if len(refused.Findings) != 1 {
				t.Fatalf("got %v, want one finding", refused.Findings)
			}
			f := refused.Findings[0]
			if f.Topic != test.topic || f.Setting != test.setting || !strings.Contains(f.Loses, test.loses) || f.Repairable != test.repairable {
				t.Errorf("got %+v", f)
			}
			for _, part := range []string{f.Topic, f.Setting, f.Got, f.Want, f.Loses} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			err = l.EnsureTopics(deadline(t), euTopic, threeTopics, TopicOptions{Repair: true})
			if (err == nil) != test.repairable {
				t.Errorf("repair: got %v", err)
			}
		})
	}
}

func TestCheckTopicsChangesNothingAndNamesWhatIsMissing(t *testing.T) {
	kafka := emptyKafka(t)
	l := openLog(t, kafka)
	if err := kafka.CreateTopic(euTopic, 12, map[string]string{"retention.ms": "1000"}); err != nil {
		t.Fatal(err)
	}
	found, err := l.CheckTopics(deadline(t), euTopic, threeTopics, TopicOptions{Replication: 5})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.Topic+" "+f.Setting)
	}
	for _, want := range []string{"us.events exists", "ap.events exists", "eu.events retention.ms", "eu.events replication"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
	if kafka.TopicInfo(usTopic) != nil || *kafka.TopicInfo(euTopic).Configs["retention.ms"] != "1000" {
		t.Error("a check changed the cluster")
	}
}

// Advice does not stop a start: a laptop has one broker.
func TestAdviceIsNotARefusal(t *testing.T) {
	l := openLog(t, startKafka(t))
	if err := l.EnsureTopics(deadline(t), usTopic, threeTopics, TopicOptions{Repair: true}); err != nil {
		t.Fatal(err)
	}
	options := TopicOptions{Replication: 3}
	found, err := l.CheckTopics(deadline(t), usTopic, threeTopics, options)
	if err != nil || len(found) == 0 {
		t.Fatalf("got %v, %v, want advice about replication", found, err)
	}
	if err := l.EnsureTopics(deadline(t), usTopic, threeTopics, options); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestEnsureTopicsExplainsWhatTheBrokerRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		key   kmsg.Key
		fault *kerr.Error
		code  fail.Code
		says  string
	}{
		"no permission":   {kmsg.CreateTopics, kerr.TopicAuthorizationFailed, fail.NotAllowed, "permission"},
		"old broker":      {kmsg.CreateTopics, kerr.InvalidConfig, fail.Rejected, "create topic us.events"},
		"too few brokers": {kmsg.CreateTopics, kerr.InvalidReplicationFactor, fail.Rejected, "replication factor 3"},
		"may not look":    {kmsg.DescribeConfigs, kerr.TopicAuthorizationFailed, fail.NotAllowed, "permission"},
	} {
		t.Run(name, func(t *testing.T) {
			kafka := emptyKafka(t)
			for _, topic := range threeTopics[1:] {
				if err := kafka.CreateTopic(topic, 12, map[string]string{"retention.ms": "-1", "message.timestamp.after.max.ms": unbounded}); err != nil {
					t.Fatal(err)
				}
			}
			kafka.Fault(kfake.Fault{Keys: []kmsg.Key{test.key}, Err: test.fault, Count: -1})
			err := openLog(t, kafka).EnsureTopics(deadline(t), usTopic, threeTopics, TopicOptions{Replication: 3})
			if fail.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) || fail.HintOf(err) == "" {
				t.Errorf("got %v (hint %q), want %s with %q", err, fail.HintOf(err), test.code, test.says)
			}
		})
	}
}
