package mm2

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/geokv/geokv/internal/geo"
)

// trap is one change of a clean file and the finding it must cause.
type trap struct {
	name     string
	drop     string // a line that is removed
	add      string // a line that is appended
	key      string
	severity Severity
	problem  string // part of it
	fix      string // part of it
}

func TestTraps(t *testing.T) {
	for _, tt := range []trap{
		// Levels at which MirrorMaker does not look.
		{name: "top-level producer", add: "producer.acks = all", key: "producer.acks", severity: Error, problem: "ignored at the top level", fix: "us.producer.acks = all"},
		{name: "top-level consumer", add: "consumer.auto.offset.reset = earliest", key: "consumer.auto.offset.reset", severity: Error, problem: "ignored at the top level", fix: "us.consumer.auto.offset.reset"},
		{name: "top-level worker key", add: "offset.flush.interval.ms = 1000", key: "offset.flush.interval.ms", severity: Error, problem: "ignored at the top level", fix: "us.offset.flush.interval.ms = 1000"},
		{name: "top-level enabled", add: "enabled = true", key: "enabled", severity: Error, problem: "ignored", fix: "<source>-><target>.enabled"},
		{name: "producer in a flow", add: "us->eu.producer.linger.ms = 0", key: "us->eu.producer.linger.ms", severity: Error, problem: "ignored in a flow", fix: "eu.producer.linger.ms = 0, or us->eu.producer.override.linger.ms"},
		{name: "worker key in a flow", add: "us->eu.offset.flush.interval.ms = 1000", key: "us->eu.offset.flush.interval.ms", severity: Error, problem: "ignored in a flow", fix: "eu.offset.flush.interval.ms = 1000"},
		{name: "storage in a flow", add: "us->eu.offset.storage.replication.factor = 1", key: "us->eu.offset.storage.replication.factor", severity: Error, problem: "ignored in a flow", fix: "eu.offset.storage"},
		{name: "topics of a region", add: "eu.topics = us[.]events", key: "eu.topics", severity: Error, problem: "ignored", fix: "<source>->eu.topics"},
		{name: "tasks of a region", add: "eu.tasks.max = 4", key: "eu.tasks.max", severity: Error, problem: "ignored", fix: "<source>->eu.tasks.max"},

		// What happens when a line is lost.
		{name: "no topics", drop: "topics = __none__", key: "topics", severity: Error, problem: "mirrors every topic", fix: "add topics = __none__"},
		{name: "wide topics", drop: "topics = __none__", add: "topics = .*", key: "topics", severity: Error, problem: "mirrors every topic", fix: "topics = __none__"},
		{name: "one topic for all", drop: "topics = __none__", add: "topics = ap[.]events", key: "topics", severity: Error, problem: "mirrors every topic", fix: "topics = __none__"},
		{name: "no groups", drop: "groups = __none__", key: "groups", severity: Warning, problem: "every consumer group", fix: "groups = __none__"},
		{name: "flow without topics", drop: "us->eu.topics = us[.]events", key: "us->eu.topics", severity: Error, problem: "top level's topics", fix: "us->eu.topics = us[.]events"},
		{name: "flow missing", drop: "us->eu.enabled = true", key: "us->eu.enabled", severity: Error, problem: "eu never gets the events of us", fix: "us->eu.enabled = true"},
		{name: "flow off", drop: "us->eu.enabled = true", add: "us->eu.enabled = false", key: "us->eu.enabled", severity: Error, problem: "is off", fix: "us->eu.enabled = true"},
		{name: "flow on, with a blank", drop: "us->eu.enabled = true", add: "us->eu.enabled = true ", key: "us->eu.enabled", severity: Error, problem: "blanks", fix: "delete the blanks"},

		// Loops.
		{name: "wide regex", drop: "us->eu.topics = us[.]events", add: "us->eu.topics = .*[.]events", key: "us->eu.topics", severity: Error, problem: "loops", fix: "us->eu.topics = us[.]events"},
		{name: "list with the target's topic", drop: "us->eu.topics = us[.]events", add: "us->eu.topics = us[.]events, eu[.]events", key: "us->eu.topics", severity: Error, problem: "also carries eu.events", fix: "us[.]events"},
		{name: "third region's topic", drop: "us->eu.topics = us[.]events", add: "us->eu.topics = (us|ap)[.]events", key: "us->eu.topics", severity: Error, problem: "also carries ap.events", fix: "us[.]events"},
		{name: "all topics of the region", drop: "us->eu.topics = us[.]events", add: "us->eu.topics = us[.]events, __consumer.*", key: "us->eu.topics", severity: Warning, problem: "other topics", fix: "us[.]events"},
		{name: "wrong topic", drop: "us->eu.topics = us[.]events", add: "us->eu.topics = us-events", key: "us->eu.topics", severity: Error, problem: "does not match us.events", fix: "us[.]events"},
		{name: "no regex", drop: "us->eu.topics = us[.]events", add: "us->eu.topics = us[.events", key: "us->eu.topics", severity: Error, problem: "missing closing", fix: "us[.]events"},
		{name: "backslash", drop: "us->eu.topics = us[.]events", add: `us->eu.topics = us\.events`, key: "us->eu.topics", severity: Warning, problem: "eats backslashes", fix: "us[.]events"},

		// Connectors that are invalid or not what they seem.
		{name: "offset-syncs lines", add: "offset-syncs.topic.replication.factor = 1", key: "offset-syncs.topic.replication.factor", severity: Error, problem: "mirrors nothing", fix: "delete the line"},
		{name: "offset-syncs in a flow", add: "us->eu.offset-syncs.topic.location = target", key: "us->eu.offset-syncs.topic.location", severity: Error, problem: "mirrors nothing", fix: "delete the line"},
		{name: "offset syncs on", drop: "emit.offset-syncs.enabled = false", key: "emit.offset-syncs.enabled", severity: Warning, problem: "for nothing", fix: "emit.offset-syncs.enabled = false"},
		{name: "topic config sync by default", drop: "sync.topic.configs.enabled = false", key: "sync.topic.configs.enabled", severity: Error, problem: "overwrite the target's", fix: "sync.topic.configs.enabled = false"},
		{name: "topic config sync", drop: "sync.topic.configs.enabled = false", add: "sync.topic.configs.enabled = true", key: "sync.topic.configs.enabled", severity: Error, problem: "overwrite the target's", fix: "sync.topic.configs.enabled = false"},
		{name: "topic config sync of a flow", add: "us->eu.sync.topic.configs.enabled = true", key: "us->eu.sync.topic.configs.enabled", severity: Error, problem: "overwrite the target's", fix: "us->eu.sync.topic.configs.enabled = false"},
		{name: "ACL sync", drop: "sync.topic.acls.enabled = false", key: "sync.topic.acls.enabled", severity: Warning, problem: "ACLs", fix: "= false"},
		{name: "group offsets", drop: "sync.group.offsets.enabled = false", add: "sync.group.offsets.enabled = true", key: "sync.group.offsets.enabled", severity: Error, problem: "positions", fix: "= false"},
		{name: "heartbeats", drop: "emit.heartbeats.enabled = false", key: "emit.heartbeats.enabled", severity: Warning, problem: "multiply", fix: "= false"},
		{name: "errors tolerated", drop: "errors.tolerance = none", add: "errors.tolerance = all", key: "errors.tolerance", severity: Error, problem: "dropped", fix: "errors.tolerance = none"},
		{name: "errors tolerated in a flow", add: "us->eu.errors.tolerance = all", key: "us->eu.errors.tolerance", severity: Error, problem: "dropped", fix: "us->eu.errors.tolerance = none"},
		{name: "default policy", drop: "replication.policy.class = " + identityPolicy, key: "replication.policy.class", severity: Error, problem: "renamed", fix: identityPolicy},
		{name: "wrong policy", drop: "replication.policy.class = " + identityPolicy, add: "replication.policy.class = org.apache.kafka.connect.mirror.DefaultReplicationPolicy", key: "replication.policy.class", severity: Error, problem: "renamed", fix: identityPolicy},
		{name: "discovery at the top", drop: "plugin.discovery = service_load", key: "plugin.discovery", severity: Warning, problem: "at the top level and for every", fix: "plugin.discovery = service_load"},
		{name: "discovery of a region", drop: "eu.plugin.discovery = service_load", key: "eu.plugin.discovery", severity: Warning, problem: "for every region", fix: "eu.plugin.discovery = service_load"},
		{name: "slow discovery of topics", drop: "refresh.topics.interval.seconds = 5", key: "refresh.topics.interval.seconds", severity: Warning, problem: "10 minutes", fix: "= 5"},

		// Records.
		{name: "converter", add: "value.converter = org.apache.kafka.connect.json.JsonConverter", key: "value.converter", severity: Error, problem: "changes the bytes", fix: "delete the line"},
		{name: "transform", add: "us->eu.transforms = drop", key: "us->eu.transforms", severity: Error, problem: "changes or drops", fix: "delete the line"},
		{name: "small requests", drop: "eu.producer.max.request.size = 2097152", add: "eu.producer.max.request.size = 1000000", key: "eu.producer.max.request.size", severity: Error, problem: "do not fit", fix: "2097152"},
		{name: "no idempotence", drop: "eu.producer.enable.idempotence = true", key: "eu.producer.enable.idempotence", severity: Warning, problem: "Connect turns it off", fix: "= true"},
		{name: "acks", drop: "eu.producer.acks = all", add: "eu.producer.acks = 1", key: "eu.producer.acks", severity: Error, problem: "never sent again", fix: "eu.producer.acks = all"},
		{name: "latest", drop: "eu.consumer.auto.offset.reset = earliest", add: "eu.consumer.auto.offset.reset = latest", key: "eu.consumer.auto.offset.reset", severity: Error, problem: "latest loses", fix: "= earliest"},
		{name: "latest in a flow", add: "us->eu.consumer.auto.offset.reset = latest", key: "us->eu.consumer.auto.offset.reset", severity: Error, problem: "latest loses", fix: "= earliest"},

		// Replication factors.
		{name: "no replication factor", drop: "replication.factor = 1", key: "replication.factor", severity: Warning, problem: "fewer brokers", fix: "add replication.factor ="},
		{name: "no storage factor", drop: "ap.status.storage.replication.factor = 1", key: "ap.status.storage.replication.factor", severity: Warning, problem: "fewer brokers", fix: "add ap.status.storage.replication.factor ="},
		{name: "no number", drop: "ap.config.storage.replication.factor = 1", add: "ap.config.storage.replication.factor = one", key: "ap.config.storage.replication.factor", severity: Error, problem: "not a number", fix: "= 3"},

		// Names.
		{name: "duplicate key", add: "us->eu.topics : us[.]events", key: "us->eu.topics", severity: Error, problem: "stands twice", fix: "delete one"},
		{name: "unknown source", add: "uk->eu.enabled = true", key: "uk->eu.enabled", severity: Error, problem: `"uk" is not in clusters`, fix: "correct the name"},
		{name: "unknown target", add: "us->ue.topics = us[.]events", key: "us->ue.topics", severity: Error, problem: `"ue" is not in clusters`, fix: "correct the name"},
		{name: "unknown cluster", add: "ue.bootstrap.servers = x:9092", key: "ue.bootstrap.servers", severity: Error, problem: "ue is not in clusters", fix: "correct the name"},
		{name: "flow to itself", add: "us->us.enabled = true", key: "us->us.enabled", severity: Error, problem: "itself", fix: "delete the line"},
		{name: "no brokers", drop: "eu.bootstrap.servers = 127.0.0.1:19093", key: "eu.bootstrap.servers", severity: Error, problem: "cannot reach eu", fix: "host:port"},
		{name: "bad escape", add: `note = \u12`, key: "note", severity: Error, problem: "does not start", fix: "hexadecimal"},
		{name: "comment after a value", add: "note = 4 # four", key: "note", severity: Warning, problem: "no comments after a value", fix: "line of its own"},

		// Secrets.
		{name: "plain password", add: "eu.ssl.truststore.password = changeit", key: "eu.ssl.truststore.password", severity: Warning, problem: "stored in the mm2-configs topics", fix: "${file:"},
		{name: "plain login", add: `eu.sasl.jaas.config = PlainLoginModule required username="u" password="p";`, key: "eu.sasl.jaas.config", severity: Warning, problem: "stored in the mm2-configs topics", fix: "${file:"},
		{name: "no provider", add: `eu.ssl.truststore.password = ${file:/etc/x:pw}`, key: "eu.ssl.truststore.password", severity: Error, problem: "nobody resolves ${file:/etc/x:pw}", fix: "config.providers = file"},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t) })
	}
}

func (tt trap) check(t *testing.T) {
	t.Helper()
	text := generate(t, labConfig(geo.Default()))
	wantLine := 0
	if tt.drop != "" {
		if !strings.Contains(text, "\n"+tt.drop+"\n") {
			t.Fatalf("the clean file has no line %q", tt.drop)
		}
		text = strings.Replace(text, "\n"+tt.drop+"\n", "\n", 1)
	}
	if tt.add != "" {
		text += tt.add + "\n"
		wantLine = strings.Count(text, "\n")
	}
	findings := lintText(t, text, LintOptions{Topology: geo.Default()})
	var got *Finding
	for i, f := range findings {
		if f.Key == tt.key && strings.Contains(f.Problem, tt.problem) {
			got = &findings[i]
		}
	}
	if got == nil {
		t.Fatalf("not found; findings: %v", findings)
	}
	if got.Line != wantLine || got.Severity != tt.severity || !strings.Contains(got.Fix, tt.fix) {
		t.Errorf("found %+v, want line %d, %s, fix with %q", *got, wantLine, tt.severity, tt.fix)
	}
	if len(findings) != 1 {
		t.Errorf("%d findings: %v", len(findings), findings)
	}
}

func TestKeysThatWorkAreNotReported(t *testing.T) {
	text := generate(t, labConfig(geo.Default()))
	text += "us->eu.producer.override.linger.ms = 5\n" +
		"us->eu.consumer.fetch.min.bytes = 1\n" +
		"us->eu.source.consumer.fetch.min.bytes = 1\n" +
		"us->eu.tasks.max = 2\n" +
		"security.protocol = PLAINTEXT\n" +
		"offset.storage.replication.factor = 1\n"
	for _, f := range lintText(t, text, LintOptions{Topology: geo.Default()}) {
		t.Error(f)
	}
}

// A setting of each flow is as good as one at the top.
func TestFlowSettingsReplaceTheTopLevel(t *testing.T) {
	text := strings.Replace(generate(t, labConfig(geo.Default())), "\nsync.topic.configs.enabled = false\n", "\n", 1)
	for _, flow := range geo.Default().Flows() {
		text += flow.String() + ".sync.topic.configs.enabled = false\n"
	}
	for _, f := range lintText(t, text, LintOptions{}) {
		t.Error(f)
	}
}

func TestFileOfAnotherCluster(t *testing.T) {
	two, err := geo.NewTopology(geo.Region{Name: "us"}, geo.Region{Name: "jp", Index: 1})
	if err != nil {
		t.Fatal(err)
	}
	findings := lintText(t, generate(t, labConfig(geo.Default())), LintOptions{Topology: two})
	text := ""
	for _, f := range findings {
		text += f.String() + "\n"
	}
	for _, want := range []string{"region jp is not listed", "eu is not a region of this cluster", "us->jp.enabled", "jp->us.enabled"} {
		if !strings.Contains(text, want) {
			t.Errorf("no finding with %q in\n%s", want, text)
		}
	}
}

func TestVersionFloor(t *testing.T) {
	clean := generate(t, labConfig(geo.Default()))
	for version, problem := range map[string]string{
		"2.7.2": "IdentityReplicationPolicy", "2.8.0": "IdentityReplicationPolicy",
		"3.0.0": "CVE-2026-35554", "3.9.1": "CVE-2026-35554", "3.9.2": "", "3.10.0": "",
		"4.0.0": "CVE-2026-35554", "4.0.1": "CVE-2026-35554", "4.0.2": "",
		"4.1.0": "CVE-2026-35554", "4.1.1": "CVE-2026-35554", "4.1.2": "",
		"4.2": "", "4.2.0": "", "4.3.1": "", "4.3.1-ccs": "", "5.0.0": "", "": "",
		"latest": "not a version", "4": "not a version", "4.x": "not a version",
	} {
		findings := lintText(t, clean, LintOptions{Version: version})
		switch {
		case problem == "" && len(findings) > 0:
			t.Errorf("%s: %v", version, findings)
		case problem != "" && (len(findings) != 1 || !strings.Contains(findings[0].Problem, problem) || findings[0].Fix == ""):
			t.Errorf("%s: %v, want %s", version, findings, problem)
		}
	}
}

func TestProductionWantsThreeCopies(t *testing.T) {
	findings := lintText(t, generate(t, labConfig(geo.Default())), LintOptions{Production: true})
	if len(findings) != 3+3*3 {
		t.Errorf("%d findings: %v", len(findings), findings)
	}
	for _, f := range findings {
		if f.Severity != Warning || f.Line == 0 || !strings.HasSuffix(f.Fix, "= 3") {
			t.Errorf("%+v", f)
		}
	}
}

func TestAnEmptyFile(t *testing.T) {
	findings := lintText(t, "", LintOptions{})
	if len(findings) == 0 || findings[0].Line != 0 {
		t.Fatalf("%v", findings)
	}
	keys := map[string]bool{}
	for _, f := range findings {
		keys[f.Key] = true
	}
	for _, key := range []string{"clusters", "topics", "replication.policy.class"} {
		if !keys[key] {
			t.Errorf("no finding about %s", key)
		}
	}
}

func TestLintReportsAReaderThatFails(t *testing.T) {
	broken := errors.New("broken pipe")
	if _, err := Lint(iotest.ErrReader(broken), LintOptions{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
