package mm2

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/geo"
)

// clusterList checks that the file names its clusters and where they are.
func (l *linter) clusterList() {
	if len(l.clusters) == 0 {
		l.missing("clusters", Error, "MirrorMaker mirrors nothing", "us, eu, ap")
		return
	}
	for _, name := range l.opts.Topology.Names() {
		if !slices.Contains(l.clusters, name) {
			l.add(l.last["clusters"], Error, "region "+name+" is not listed", "add "+name+" to clusters")
		}
	}
	for _, name := range l.clusters {
		if l.opts.Topology.Len() > 0 {
			if _, ok := l.opts.Topology.Lookup(name); !ok {
				l.add(l.last["clusters"], Error, name+" is not a region of this cluster", "remove "+name+" from clusters")
				continue
			}
		}
		if _, ok := l.last[name+".bootstrap.servers"]; !ok {
			l.missing(name+".bootstrap.servers", Error, "MirrorMaker cannot reach "+name, "host:port")
		}
	}
}

// clusterOnly are names that make sense behind a cluster's name and nowhere
// else; with another word in front they betray a misspelt cluster.
var clusterOnly = regexp.MustCompile(`^[A-Za-z0-9_-]+\.(bootstrap\.servers|plugin\.discovery|security\.protocol|(offset|config|status)\.storage\..*|producer\..*|consumer\..*|offset\.flush\..*)$`)

// topLevelWords start keys that are at home at the top level.
var topLevelWords = []string{"producer", "consumer", "admin", "offset", "config", "status"}

func (l *linter) unknownClusters() {
	for _, p := range l.all {
		switch p.scope {
		case flowScope:
			l.knownFlow(p)
		case topLevel:
			word, _, _ := strings.Cut(p.key, ".")
			if clusterOnly.MatchString(p.key) && !slices.Contains(topLevelWords, word) {
				l.add(p, Error, word+" is not in clusters: the line is ignored", "add "+word+" to clusters or correct the name")
			}
		}
	}
}

func (l *linter) knownFlow(p placed) {
	for _, name := range []string{p.flow.From, p.flow.To} {
		if !slices.Contains(l.clusters, name) {
			l.add(p, Error, fmt.Sprintf("%q is not in clusters: the line is ignored", name), "add it to clusters or correct the name")
			return
		}
	}
	if p.flow.From == p.flow.To {
		l.add(p, Error, "a flow from a region to itself is ignored", "delete the line")
	}
}

// workerKeys take effect only as <target>.<key>.
var workerKeys = regexp.MustCompile(`^(offset\.flush\..*|scheduled\.rebalance\.max\.delay\.ms|session\.timeout\.ms|heartbeat\.interval\.ms|rebalance\.timeout\.ms|worker\.sync\.timeout\.ms|connector\.client\.config\.override\.policy)$`)

// storageKeys are worker keys that MirrorMaker also takes from the top level.
var storageKeys = regexp.MustCompile(`^(offset|config|status)\.storage\..*$`)

// connectorKeys take effect at the top level and as <source>-><target>.<key>.
var connectorKeys = regexp.MustCompile(`^(topics|topics\.exclude|groups|groups\.exclude|tasks\.max|enabled|replication\.factor|replication\.policy\..*|refresh\..*|emit\..*|sync\..*|errors\..*|heartbeats\..*|checkpoints\..*|offset-syncs\..*)$`)

// ignoredKeys finds lines at a level where MirrorMaker does not look.
func (l *linter) ignoredKeys() {
	for _, p := range l.all {
		switch p.scope {
		case topLevel:
			l.ignoredAtTop(p)
		case clusterScope:
			if connectorKeys.MatchString(p.name) {
				l.add(p, Error, "is silently ignored: it belongs to the flow, not to the region",
					fmt.Sprintf("write %s at the top, or <source>->%s.%s", p.name, p.cluster, p.name))
			}
		case flowScope:
			l.ignoredInFlow(p)
		}
	}
}

func (l *linter) ignoredAtTop(p placed) {
	for _, client := range []string{"producer.", "consumer.", "admin."} {
		if strings.HasPrefix(p.key, client) {
			l.add(p, Error, "is silently ignored at the top level", l.perCluster(p.key, p.value))
			return
		}
	}
	if workerKeys.MatchString(p.key) {
		l.add(p, Error, "is silently ignored at the top level", l.perCluster(p.key, p.value))
	}
	if p.key == "enabled" {
		l.add(p, Error, "is silently ignored at the top level: every flow has its own", "write <source>-><target>.enabled = true")
	}
}

func (l *linter) ignoredInFlow(p placed) {
	producer, isProducer := strings.CutPrefix(p.name, "producer.")
	switch {
	case isProducer && !strings.HasPrefix(producer, "override."):
		l.add(p, Error, "is silently ignored in a flow",
			fmt.Sprintf("write %s.%s = %s, or %s.producer.override.%s", p.flow.To, p.name, p.value, p.flow, producer))
	case workerKeys.MatchString(p.name) || storageKeys.MatchString(p.name) || p.name == "plugin.discovery":
		l.add(p, Error, "is silently ignored in a flow: it belongs to the worker",
			fmt.Sprintf("write %s.%s = %s", p.flow.To, p.name, p.value))
	}
}

// perCluster spells a line out for the first region, as an example for all.
func (l *linter) perCluster(key, value string) string {
	name := "<region>"
	if len(l.clusters) > 0 {
		name = l.clusters[0]
	}
	return fmt.Sprintf("write %s.%s = %s, and so for every region", name, key, value)
}

// failClosed checks what a flow carries when its own line is lost.
func (l *linter) failClosed() {
	for _, key := range []string{"topics", "groups"} {
		severity, loses := Error, "a flow whose own line is lost mirrors every topic, in loops"
		if key == "groups" {
			severity, loses = Warning, "every consumer group is examined and may be synchronised"
		}
		p, ok := l.last[key]
		if !ok {
			l.missing(key, severity, "the default is .*: "+loses, noTopics)
			continue
		}
		for _, pattern := range list(p.value) {
			if re, err := compile(pattern); err != nil || re.MatchString("us.events") || re.MatchString("orders") || l.matchesARegion(re) {
				l.add(p, severity, loses, "write "+key+" = "+noTopics)
				break
			}
		}
	}
}

func (l *linter) matchesARegion(re *regexp.Regexp) bool {
	return slices.ContainsFunc(l.clusters, func(name string) bool { return re.MatchString(geo.Topic(name)) })
}

// compile reads a pattern as MirrorMaker does: it must match the whole name.
func compile(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`^(?:` + pattern + `)$`)
}

// flows checks each flow: it exists, it is on, and it carries its source's own
// topic and nothing else.
func (l *linter) flows() {
	for _, flow := range l.pairs() {
		enabled, ok := l.last[flow.String()+".enabled"]
		switch {
		case !ok:
			l.missing(flow.String()+".enabled", Error, flow.To+" never gets the events of "+flow.From, "true")
			continue
		case !strings.EqualFold(strings.TrimSpace(enabled.value), "true"):
			l.add(enabled, Error, "the flow is off: "+flow.To+" never gets the events of "+flow.From, "write "+flow.String()+".enabled = true")
			continue
		}
		topics, ok := l.last[flow.String()+".topics"]
		if !ok {
			l.missing(flow.String()+".topics", Error, "the flow carries what the top level's topics says, not the events of "+flow.From, topicPattern(flow.From))
			continue
		}
		l.flowTopics(flow, topics)
	}
}

func (l *linter) flowTopics(flow geo.Flow, p placed) {
	fix := "write " + p.key + " = " + topicPattern(flow.From)
	if strings.Contains(p.raw, `\`) {
		l.add(p, Warning, "a property file eats backslashes: the pattern is "+p.value, fix)
	}
	own := false
	for _, pattern := range list(p.value) {
		re, err := compile(pattern)
		if err != nil {
			l.add(p, Error, fmt.Sprintf("pattern %q: %v", pattern, err), fix)
			return
		}
		own = own || re.MatchString(geo.Topic(flow.From))
		if foreign := l.foreignTopic(flow, re); foreign != "" {
			l.add(p, Error, fmt.Sprintf("also carries %s: events travel in loops and multiply", foreign), fix)
			return
		}
		if re.MatchString("orders") || re.MatchString("__consumer_offsets") || re.MatchString("mm2-configs."+flow.From+".internal") {
			l.add(p, Warning, "carries other topics too", fix)
			return
		}
	}
	if !own {
		l.add(p, Error, "does not match "+geo.Topic(flow.From)+": "+flow.To+" never gets its events", fix)
	}
}

// foreignTopic names an event topic of another region that the pattern matches.
func (l *linter) foreignTopic(flow geo.Flow, re *regexp.Regexp) string {
	for _, name := range append(slices.Clone(l.clusters), l.opts.Topology.Names()...) {
		if topic := geo.Topic(name); name != flow.From && re.MatchString(topic) {
			return topic
		}
	}
	return ""
}
