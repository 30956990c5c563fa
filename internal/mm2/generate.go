// Package mm2 writes and lints MirrorMaker 2's property file.
//
// MirrorMaker accepts almost any file and silently ignores what stands at the
// wrong level, mirrors everything when a line is lost and lives on with failed
// connectors. So geokv writes the file itself (Generate), and Lint finds, in
// any file, every setting that would lose, repeat or not carry events, with the
// line and the fix. What Generate writes lints clean.
package mm2

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/geokv/geokv/internal/geo"
)

// Config is what a property file is made of.
type Config struct {
	Topology geo.Topology
	Clusters map[string]Cluster // by region name

	// Replication is the factor of MirrorMaker's internal topics: 3 in
	// production, 1 where a region has one broker. 0 means 3.
	Replication int
	// TasksMax is the number of tasks per flow; 0 means 1.
	TasksMax int
	// Canary lets every flow carry its source's canary topic too, see CanaryTopic.
	Canary bool
	// SecretsFile is the property file, on MirrorMaker's machine, that holds
	// the credentials: <region>.username, <region>.password and, with a trust
	// store, <region>.truststore.password. Needed when a cluster has Security.
	SecretsFile string
}

// Cluster is one region's Kafka.
type Cluster struct {
	Brokers  []string  // host:port
	Security *Security // nil: plain text, for one machine
}

// Security is how MirrorMaker signs in. The credentials themselves stay in the
// secrets file: connector configs are stored in mm2-configs.* topics, which
// every reader of that cluster may read.
type Security struct {
	Protocol   string // SASL_SSL, SASL_PLAINTEXT or SSL
	Mechanism  string // SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN; for SASL
	Truststore string // file on MirrorMaker's machine; "" = the JVM's own
}

const (
	identityPolicy = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"
	fileProvider   = "org.apache.kafka.common.config.provider.FileConfigProvider"
	noTopics       = "__none__" // matches no topic: a lost flow line fails closed

	defaultReplication = 3
	defaultTasks       = 1
)

// setting is one line of the file and the reason for it.
type setting struct{ key, value, why string }

// Generate writes the property file for every flow of the topology. Run one
// MirrorMaker per target region with it (--clusters <region>): a single process
// stops all flows when one target is unreachable at its start.
func Generate(cfg Config) ([]byte, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Replication == 0 {
		cfg.Replication = defaultReplication
	}
	if cfg.TasksMax == 0 {
		cfg.TasksMax = defaultTasks
	}
	var w writer
	w.comment("MirrorMaker 2: copies each region's own events to the other regions.")
	w.comment("Written by `geokv mm2 config`. Run one process per target region, restarted when it ends:")
	for _, name := range cfg.Topology.Names() {
		w.comment("  connect-mirror-maker.sh <this file> --clusters " + name)
	}
	w.section("Regions")
	w.set("clusters", strings.Join(cfg.Topology.Names(), ", "))
	for _, name := range cfg.Topology.Names() {
		w.set(name+".bootstrap.servers", strings.Join(cfg.Clusters[name].Brokers, ","))
	}
	w.security(cfg)
	w.flows(cfg.Topology, cfg.Canary)
	w.section("Every flow")
	w.settings("", topLevelSettings(cfg.Replication, cfg.TasksMax))
	for _, name := range cfg.Topology.Names() {
		w.section("Region " + name)
		w.settings(name+".", clusterSettings(cfg.Replication))
	}
	return w.buf.Bytes(), nil
}

func (cfg Config) check() error {
	if cfg.Topology.Len() < 2 {
		return errors.New("write MirrorMaker's file: a cluster of one region has nothing to mirror")
	}
	if cfg.Replication < 0 || cfg.TasksMax < 0 {
		return errors.New("write MirrorMaker's file: replication and tasks cannot be negative")
	}
	for _, name := range cfg.Topology.Names() {
		c := cfg.Clusters[name]
		if len(c.Brokers) == 0 {
			return fmt.Errorf("write MirrorMaker's file: region %s has no Kafka brokers", name)
		}
		if c.Security == nil {
			continue
		}
		if err := c.Security.check(); err != nil {
			return fmt.Errorf("write MirrorMaker's file: region %s: %w", name, err)
		}
		if cfg.SecretsFile == "" {
			return fmt.Errorf("write MirrorMaker's file: region %s needs credentials and no secrets file is named", name)
		}
	}
	return nil
}

func (s Security) check() error {
	switch s.Protocol {
	case "SSL":
		return nil
	case "SASL_SSL", "SASL_PLAINTEXT":
	default:
		return fmt.Errorf("security protocol %q, want SASL_SSL, SASL_PLAINTEXT or SSL", s.Protocol)
	}
	if s.loginModule() == "" {
		return fmt.Errorf("SASL mechanism %q, want SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", s.Mechanism)
	}
	return nil
}

func (s Security) loginModule() string {
	switch s.Mechanism {
	case "SCRAM-SHA-512", "SCRAM-SHA-256":
		return "org.apache.kafka.common.security.scram.ScramLoginModule"
	case "PLAIN":
		return "org.apache.kafka.common.security.plain.PlainLoginModule"
	}
	return ""
}

// topLevelSettings take effect for every connector when they stand at the top.
func topLevelSettings(replication, tasks int) []setting {
	factor := fmt.Sprint(replication)
	return []setting{
		{"replication.policy.class", identityPolicy, "a topic has the same name everywhere"},
		{"topics", noTopics, "the default is everything: a lost flow line must carry nothing instead"},
		{"groups", noTopics, "consumer groups belong to their region"},
		{"tasks.max", fmt.Sprint(tasks), ""},
		{"plugin.discovery", "service_load", "starts three times faster; needed here and for every region"},
		{"replication.factor", factor, ""},
		{"heartbeats.topic.replication.factor", factor, ""},
		{"checkpoints.topic.replication.factor", factor, ""},
		{"emit.heartbeats.enabled", "false", "heartbeats multiply when every region mirrors every other"},
		{"heartbeats.replication.enabled", "false", ""},
		{"emit.checkpoints.enabled", "false", "positions live in each region's Redis"},
		{"sync.group.offsets.enabled", "false", ""},
		{"refresh.groups.enabled", "false", ""},
		{"emit.offset-syncs.enabled", "false", "together with any offset-syncs.* line the connector is invalid: add none"},
		{"sync.topic.configs.enabled", "false", "geokv creates the topics; the sync overwrites their settings"},
		{"sync.topic.acls.enabled", "false", ""},
		{"refresh.topics.interval.seconds", "5", "the default is 10 minutes"},
		{"errors.tolerance", "none", "all drops records"},
	}
}

// clusterSettings take effect as <region>.<key>: for the worker that writes to
// the region, its record producer, and the consumer that reads from the region.
func clusterSettings(replication int) []setting {
	factor := fmt.Sprint(replication)
	return []setting{
		{"plugin.discovery", "service_load", ""},
		{"offset.storage.replication.factor", factor, ""},
		{"config.storage.replication.factor", factor, ""},
		{"status.storage.replication.factor", factor, ""},
		{"offset.storage.partitions", "1", ""},
		{"status.storage.partitions", "1", ""},
		{"offset.flush.interval.ms", "1000", "bounds the duplicates after a crash"},
		{"scheduled.rebalance.max.delay.ms", "0", ""},
		{"session.timeout.ms", "6000", ""},
		{"heartbeat.interval.ms", "2000", ""},
		{"producer.acks", "all", ""},
		{"producer.enable.idempotence", "true", "Connect turns it off"},
		{"producer.linger.ms", "0", ""},
		{"producer.delivery.timeout.ms", "2147483647", "a task that fails stays failed: rather wait"},
		{"producer.max.request.size", "2097152", "above the topics' max.message.bytes"},
		{"producer.compression.type", "lz4", ""},
		{"consumer.auto.offset.reset", "earliest", "latest loses events"},
		{"consumer.fetch.max.wait.ms", "500", ""},
	}
}

// writer renders properties.
type writer struct{ buf bytes.Buffer }

func (w *writer) comment(text string) { fmt.Fprintf(&w.buf, "# %s\n", text) }

func (w *writer) section(title string) { fmt.Fprintf(&w.buf, "\n# --- %s\n", title) }

func (w *writer) set(key, value string) {
	fmt.Fprintf(&w.buf, "%s = %s\n", escape(key, true), escape(value, false))
}

func (w *writer) settings(prefix string, all []setting) {
	for _, s := range all {
		if s.why != "" {
			w.comment(s.why)
		}
		w.set(prefix+s.key, s.value)
	}
}

func (w *writer) flows(topology geo.Topology, canary bool) {
	w.section("Flows: each carries its source's own topic only, so nothing can loop")
	for _, flow := range topology.Flows() {
		w.set(flow.String()+".enabled", "true")
		w.set(flow.String()+".topics", flowPattern(flow.From, canary))
	}
}

// CanaryTopic is the topic in which a local cluster sends records through each
// flow only to see whether it carries any.
func CanaryTopic(region string) string { return region + ".canary" }

func flowPattern(region string, canary bool) string {
	if canary {
		return topicPattern(region) + "," + strings.ReplaceAll(CanaryTopic(region), ".", "[.]")
	}
	return topicPattern(region)
}

// topicPattern is the regular expression of a region's topic. [.] and not \.,
// because a property file eats backslashes.
func topicPattern(region string) string {
	return strings.ReplaceAll(geo.Topic(region), ".", "[.]")
}

func (w *writer) security(cfg Config) {
	first := true
	for _, name := range cfg.Topology.Names() {
		s := cfg.Clusters[name].Security
		if s == nil {
			continue
		}
		if first {
			first = false
			w.section("Credentials, one principal per target region: give each process its own secrets file under this name")
			w.set("config.providers", "file")
			w.set("config.providers.file.class", fileProvider)
		}
		w.signIn(name, *s, cfg.SecretsFile)
	}
}

func (w *writer) signIn(region string, s Security, secrets string) {
	secret := func(name string) string { return "${file:" + secrets + ":" + region + "." + name + "}" }
	w.set(region+".security.protocol", s.Protocol)
	if module := s.loginModule(); module != "" && s.Protocol != "SSL" {
		w.set(region+".sasl.mechanism", s.Mechanism)
		w.set(region+".sasl.jaas.config", fmt.Sprintf(`%s required username="%s" password="%s";`, module, secret("username"), secret("password")))
	}
	if s.Truststore != "" {
		w.set(region+".ssl.truststore.location", s.Truststore)
		w.set(region+".ssl.truststore.password", secret("truststore.password"))
	}
}
