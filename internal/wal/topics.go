package wal

import (
	"context"
	"errors"
)

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
	s := f.Topic + ": " + f.Setting + " is " + f.Got + ", want " + f.Want
	if f.Loses != "" {
		s += " (" + f.Loses + ")"
	}
	return s
}

// TopicError refuses topics whose settings lose data.
type TopicError struct {
	Findings []Finding // only those that lose data, in topic order
}

// Error lists every finding.
func (e *TopicError) Error() string { return "" }

// EnsureTopics creates the event topics that are missing and checks those that
// exist: own is the topic that this cluster's bridge produces into (it alone
// gets the timestamp bound), all names every topic including own. The error is
// a *fail.Error around a *TopicError when a topic would lose data and was not
// repaired.
func (l *Log) EnsureTopics(ctx context.Context, own string, all []string, o TopicOptions) error {
	return errors.ErrUnsupported
}

// CheckTopics compares without changing anything. A missing topic is a finding.
func (l *Log) CheckTopics(ctx context.Context, own string, all []string, o TopicOptions) ([]Finding, error) {
	return nil, errors.ErrUnsupported
}
