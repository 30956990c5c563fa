package wal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/geo"
)

// TimestampBound is message.timestamp.after.max.ms of a cluster's own topic: a
// stamp may be 500 ms ahead of the bridge's clock (hlc.MaxAhead), that clock may
// be 500 ms off, and a second is margin. A broker refuses what lies further in
// the future before it is in the log, where it would win until then.
const TimestampBound = 2 * time.Second

const unbounded = "9223372036854775807"

// setting is one topic configuration that geokv relies on.
type setting struct {
	name string
	want string
	ok   func(got string) bool // nil: got must equal want
	// loses says what happens when it differs; empty when only a broker's default
	// is meant to be overridden and nothing is lost.
	loses string
}

// settings are those of an event topic; own marks the topic that the cluster's
// bridge produces into. The timestamp bound is on that one alone: on a mirrored
// copy it would stop the mirror on records that waited.
func settings(own bool, minISR int) []setting {
	list := []setting{
		{"cleanup.policy", "delete", nil, "compaction by key destroys counters and sets"},
		{"retention.ms", "-1", nil, "old events are deleted, so a view cannot be rebuilt"},
		{"retention.bytes", "-1", nil, "old events are deleted, so a view cannot be rebuilt"},
		{"max.message.bytes", strconv.Itoa(MaxRecordBytes), atLeast(MaxRecordBytes), "large events are refused and mirrors stop on them"},
		{"message.timestamp.type", "CreateTime", nil, "stamps are overwritten, so every event is rejected"},
		{"message.timestamp.before.max.ms", unbounded, nil, "events that waited are refused and mirrors stop on them"},
	}
	if own {
		bound := TimestampBound.Milliseconds()
		list = append(list, setting{"message.timestamp.after.max.ms", strconv.FormatInt(bound, 10), between(500, bound),
			"one event from the far future would win for ever"})
	} else {
		list = append(list, setting{"message.timestamp.after.max.ms", unbounded, nil,
			"a mirror stops on events that the origin accepted"})
	}
	if minISR > 0 {
		list = append(list, setting{"min.insync.replicas", strconv.Itoa(minISR), atLeast(int64(minISR)),
			"an acknowledged write is on fewer brokers than configured"})
	}
	if minISR > 1 {
		list = append(list, setting{"unclean.leader.election.enable", "false", nil, "an election may drop acknowledged writes"})
	}
	return list
}

func atLeast(n int64) func(string) bool {
	return func(got string) bool {
		v, err := strconv.ParseInt(got, 10, 64)
		return err == nil && v >= n
	}
}

func between(low, high int64) func(string) bool {
	return func(got string) bool {
		v, err := strconv.ParseInt(got, 10, 64)
		return err == nil && low <= v && v <= high
	}
}

// created are the settings a new topic is made with. Those that brokers have
// the right default for, and that old brokers do not know, are left out.
func created(own bool, minISR int) map[string]*string {
	configs := map[string]*string{}
	for _, s := range settings(own, minISR) {
		if s.name != "message.timestamp.before.max.ms" {
			configs[s.name] = &s.want
		}
	}
	return configs
}

// described is what a broker says about one topic.
type described struct {
	name        string
	partitions  int
	replication int
	configs     map[string]string
}

// differences compares a topic that exists with what geokv needs.
func (d described) differences(own bool, o TopicOptions) []Finding {
	var found []Finding
	add := func(setting, got, want, loses string, repairable bool) {
		found = append(found, Finding{d.name, setting, got, want, loses, repairable})
	}
	if d.partitions != geo.Partitions {
		add("partitions", strconv.Itoa(d.partitions), strconv.Itoa(geo.Partitions),
			"events of some keys have no partition to go to", d.partitions < geo.Partitions)
	}
	if d.replication < o.Replication {
		add("replication", strconv.Itoa(d.replication), strconv.Itoa(o.Replication), "", false)
	}
	for _, s := range settings(own, o.MinISR) {
		got, known := d.configs[s.name]
		switch {
		case !known:
			if s.name == "message.timestamp.after.max.ms" && own {
				add(s.name, "not reported", s.want, "", false)
			}
		case s.ok == nil && got != s.want, s.ok != nil && !s.ok(got):
			add(s.name, got, s.want, s.loses, true)
		}
	}
	return found
}

// TopicOptions says how event topics are created.
type TopicOptions struct {
	Replication int  // replication factor; 0 means the broker's default
	MinISR      int  // min.insync.replicas; 0 leaves the broker's default
	Repair      bool // set right what an existing topic can be given without loss
}

// Finding is one difference between a topic and what geokv needs.
type Finding struct {
	Topic      string `json:"topic"`
	Setting    string `json:"setting"` // a topic config, "partitions", "replication" or "exists"
	Got        string `json:"got"`
	Want       string `json:"want"`
	Loses      string `json:"loses,omitempty"` // what would be lost; empty when it is only advice
	Repairable bool   `json:"repairable"`      // EnsureTopics with Repair sets it right
}

// String renders the finding on one line.
func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s is %s, want %s", f.Topic, f.Setting, f.Got, f.Want)
	if f.Loses != "" {
		s += " (" + f.Loses + ")"
	}
	return s
}

// TopicError refuses topics whose settings lose data.
type TopicError struct {
	Findings []Finding // only those that lose data, in topic order
}

// Error lists every finding on one line.
func (e *TopicError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "; ")
}

func losing(found []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Loses == "" })
}
