package mm2

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/geo"
)

// demand is a setting that must or should have a value.
type demand struct {
	key, want string
	absent    Severity // when the line is missing; "" = the default is right
	wrong     Severity // when it has another value; "" = any value is right
	problem   string
}

// topLevelDemands concern connectors, so a flow's own line counts as well.
var topLevelDemands = []demand{
	{"replication.policy.class", identityPolicy, Error, Error, "topics are renamed: no materializer reads us.us.events"},
	{"sync.topic.configs.enabled", "false", Error, Error, "the source's settings overwrite the target's, the timestamp bound included, and stop the flow"},
	{"sync.topic.acls.enabled", "false", Warning, Warning, "the source's ACLs are copied over the target's"},
	{"emit.heartbeats.enabled", "false", Warning, Warning, "heartbeats multiply when every region mirrors every other"},
	{"heartbeats.replication.enabled", "false", Warning, Warning, "heartbeats multiply when every region mirrors every other"},
	{"emit.checkpoints.enabled", "false", Warning, Warning, "checkpoints of groups that belong to one region"},
	{"sync.group.offsets.enabled", "false", "", Error, "one region's positions overwrite another's"},
	{"refresh.groups.enabled", "false", Warning, Warning, "groups are listed for nothing"},
	{"emit.offset-syncs.enabled", "false", Warning, Warning, "an internal topic is written for nothing"},
	{"errors.tolerance", "none", "", Error, "records that fail are dropped"},
	{"plugin.discovery", "service_load", Warning, Warning, "starts in 15 s instead of 5; needed at the top level and for every region"},
	{"refresh.topics.interval.seconds", "5", Warning, "", "a new topic or partition waits 10 minutes"},
}

var clusterDemands = []demand{
	{"plugin.discovery", "service_load", Warning, Warning, "starts in 15 s instead of 5; needed at the top level and for every region"},
	{"producer.acks", "all", Warning, Error, "an event that the target's leader loses is never sent again"},
	{"producer.enable.idempotence", "true", Warning, Error, "Connect turns it off: retries write duplicates out of order"},
	{"producer.max.request.size", "2097152", Warning, "", "the largest events do not fit: the task fails and stays failed"},
	{"producer.delivery.timeout.ms", "2147483647", Warning, "", "a target that is away for 2 minutes fails the task, which stays failed"},
	{"consumer.auto.offset.reset", "earliest", "", Error, "latest loses events, none never starts"},
	{"offset.flush.interval.ms", "1000", Warning, "", "a crash repeats up to 60 s of events"},
}

// required compares the file with the demands.
func (l *linter) required() {
	for _, d := range topLevelDemands {
		l.demand("", d)
		for _, p := range l.all {
			if p.scope == flowScope && p.name == d.key {
				l.compare(p, d)
			}
		}
	}
	for _, cluster := range l.clusters {
		for _, d := range clusterDemands {
			l.demand(cluster+".", d)
		}
	}
}

func (l *linter) demand(prefix string, d demand) {
	if p, ok := l.last[prefix+d.key]; ok {
		l.compare(p, d)
	} else if d.absent != "" && !l.everyFlowHas(prefix, d.key) {
		l.missing(prefix+d.key, d.absent, d.problem, d.want)
	}
}

// everyFlowHas reports whether each flow sets a connector key itself.
func (l *linter) everyFlowHas(prefix, key string) bool {
	pairs := l.pairs()
	return prefix == "" && len(pairs) > 0 && connectorKeys.MatchString(key) && !slices.ContainsFunc(pairs, func(flow geo.Flow) bool {
		_, ok := l.last[flow.String()+"."+key]
		return !ok
	})
}

func (l *linter) compare(p placed, d demand) {
	value := strings.TrimSpace(p.value)
	if d.key == "producer.acks" && value == "-1" { // another spelling
		return
	}
	if d.wrong != "" && !strings.EqualFold(value, d.want) {
		l.add(p, d.wrong, d.problem, "write "+p.key+" = "+d.want)
	}
}

// leastRequest is what a record of max.message.bytes needs, headers included.
const leastRequest = 1 << 20

// forbidden finds values that change or drop records.
func (l *linter) forbidden() {
	for _, p := range l.all {
		name := p.name
		switch {
		case strings.HasSuffix(name, ".converter") && (strings.HasPrefix(name, "key.") || strings.HasPrefix(name, "value.") || strings.HasPrefix(name, "header.")):
			if !strings.HasSuffix(strings.TrimSpace(p.value), ".ByteArrayConverter") {
				l.add(p, Error, "a converter changes the bytes of events", "delete the line; the default copies bytes")
			}
		case name == "transforms" || strings.HasPrefix(name, "transforms."):
			l.add(p, Error, "a transform changes or drops events", "delete the line")
		case name == "producer.max.request.size" || strings.HasSuffix(name, "producer.override.max.request.size"):
			if n, err := strconv.Atoi(strings.TrimSpace(p.value)); err != nil || n <= leastRequest {
				l.add(p, Error, "the largest events do not fit: the task fails and stays failed", "write "+p.key+" = 2097152")
			}
		case name == "consumer.auto.offset.reset" || name == "source.consumer.auto.offset.reset":
			if p.scope == flowScope && strings.TrimSpace(p.value) != "earliest" {
				l.add(p, Error, "latest loses events, none never starts", "write "+p.key+" = earliest")
			}
		}
	}
}

// factorKeys are replication factors of internal topics, by level. Their
// defaults are 2 and 3.
var (
	topFactors     = []string{"replication.factor", "heartbeats.topic.replication.factor", "checkpoints.topic.replication.factor"}
	clusterFactors = []string{"offset.storage.replication.factor", "config.storage.replication.factor", "status.storage.replication.factor"}
)

func (l *linter) replicationFactors() {
	for _, key := range topFactors {
		l.factor(key, key)
	}
	for _, cluster := range l.clusters {
		for _, key := range clusterFactors {
			l.factor(cluster+"."+key, key)
		}
	}
}

// factor checks one replication factor; MirrorMaker also takes it from the top
// level, and there it wins.
func (l *linter) factor(key, atTop string) {
	const problem = "the default of 2 or 3 fails when a region has fewer brokers"
	p, ok := l.last[atTop]
	if !ok {
		p, ok = l.last[key]
	}
	if !ok {
		l.missing(key, Warning, problem, "3, or 1 with one broker")
		return
	}
	n, err := strconv.Atoi(strings.TrimSpace(p.value))
	switch {
	case err != nil || n < 1:
		l.once(p, Error, "is not a number of brokers", "write "+p.key+" = 3, or 1 with one broker")
	case l.opts.Production && n < defaultReplication:
		l.once(p, Warning, "internal topics are lost with a broker, and the flow starts again from zero", "write "+p.key+" = 3")
	}
}

// once adds a finding unless the same line has the same one already.
func (l *linter) once(p placed, severity Severity, problem, fix string) {
	if !slices.ContainsFunc(l.findings, func(f Finding) bool { return f.Line == p.line && f.Problem == problem }) {
		l.add(p, severity, problem, fix)
	}
}

// offsetSyncs finds the combination that makes a connector invalid while its
// process lives on.
func (l *linter) offsetSyncs() {
	for _, p := range l.all {
		if p.scope == clusterScope || !strings.HasPrefix(p.name, "offset-syncs.") {
			continue
		}
		for _, flow := range l.pairs() {
			if p.scope == flowScope && p.flow != flow {
				continue
			}
			emit, ok := l.effective(flow, "emit.offset-syncs.enabled")
			if ok && strings.EqualFold(strings.TrimSpace(emit.value), "false") {
				l.add(p, Error, fmt.Sprintf("with emit.offset-syncs.enabled = false (line %d) the connector is invalid: the process lives and mirrors nothing", emit.line), "delete the line")
				break
			}
		}
	}
}

var (
	secretKey   = regexp.MustCompile(`(^|\.)(sasl\.jaas\.config|ssl\.[a-z.]*password|[a-z.]*password)$`)
	placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9_-]+):[^}]*\}`)
	jaasSecret  = regexp.MustCompile(`password\s*=\s*"?([^";\s]*)`)
)

// secrets finds credentials in plain text, which MirrorMaker stores in topics,
// and placeholders that nobody resolves.
func (l *linter) secrets() {
	var providers []string
	if p, ok := l.last["config.providers"]; ok {
		providers = list(p.value)
	}
	for _, p := range l.all {
		for _, match := range placeholder.FindAllStringSubmatch(p.value, -1) {
			if !slices.Contains(providers, match[1]) {
				l.add(p, Error, "nobody resolves "+match[0], "write config.providers = "+match[1]+" and its class")
				break
			}
		}
		if secretKey.MatchString(p.key) && plainSecret(p) {
			l.add(p, Warning, "the secret is stored in the mm2-configs topics, which others may read", "write ${file:<path>:<name>} and config.providers = file")
		}
	}
}

func plainSecret(p placed) bool {
	secret := p.value
	if strings.HasSuffix(p.key, "jaas.config") {
		match := jaasSecret.FindStringSubmatch(p.value)
		if match == nil {
			return false
		}
		secret = match[1]
	}
	return secret != "" && !strings.HasPrefix(secret, "${")
}

// version checks MirrorMaker's own.
func (l *linter) version() {
	if l.opts.Version == "" {
		return
	}
	whole := placed{property: property{key: "version " + l.opts.Version}}
	v, err := parseVersion(l.opts.Version)
	switch {
	case err != nil:
		l.add(whole, Warning, "is not a version number", "name it as in 4.3.1")
	case less(v, [3]int{3, 0, 0}):
		l.add(whole, Error, "has no IdentityReplicationPolicy", "run MirrorMaker 3.9.2, 4.0.2, 4.1.2, 4.2 or newer")
	case misroutes(v):
		l.add(whole, Error, "can write a batch to the wrong topic or partition (CVE-2026-35554, KAFKA-19012)", "run MirrorMaker 3.9.2, 4.0.2, 4.1.2, 4.2 or newer")
	}
}

// misroutes reports whether the Kafka client of the version has CVE-2026-35554.
func misroutes(v [3]int) bool {
	firstGood := [3]int{3, 9, 2}
	if v[0] == 4 && v[1] <= 1 {
		firstGood = [3]int{4, v[1], 2}
	}
	return less(v, firstGood)
}

func parseVersion(text string) (v [3]int, err error) {
	text, _, _ = strings.Cut(text, "-") // 4.3.1-ccs and the like
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 4 {
		return v, fmt.Errorf("version %q", text)
	}
	for i, part := range parts[:min(3, len(parts))] {
		if v[i], err = strconv.Atoi(part); err != nil {
			return v, err
		}
	}
	return v, nil
}

func less(a, b [3]int) bool { return slices.Compare(a[:], b[:]) < 0 }
